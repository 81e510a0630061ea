// Hard swish: y = x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019).
// Everything else: activation.h.
// Kernels: simd/activation/hard_swish-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kHardSwish;
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Activation(simd::xnn::OpKind::kHardSwish);
}

}  // namespace

extern const LayerOp kHardSwishOp;
constinit const LayerOp kHardSwishOp =
    ActivationLayer<Function>::Table<HardSwishParams>(
        "hard_swish", "x * hard_sigmoid(x)", {nullptr, 0}, Express);

}  // namespace temper
