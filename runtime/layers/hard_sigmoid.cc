// Hard sigmoid: y = min(max(x + 3, 0), 6) / 6.   dx = 0 < y < 1 ? dy / 6 : 0.
// Everything else: activation.h.
// Kernels: simd/activation/hard_sigmoid-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kHardSigmoid;
}

}  // namespace

extern const LayerOp kHardSigmoidOp;
constinit const LayerOp kHardSigmoidOp =
    ActivationLayer<Function>::Table<HardSigmoidParams>(
        "hard_sigmoid", "min(max(x + 3, 0), 6) / 6", {nullptr, 0}, nullptr,
        XavierNormal);

}  // namespace temper
