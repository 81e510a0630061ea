// tanh.   dx = dy * (1 - y^2).
// Everything else: activation.h.
// Kernels: simd/activation/tanh-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kHyperbolicTangent;
}

}  // namespace

extern const LayerOp kTanhOp;
constinit const LayerOp kTanhOp = ActivationLayer<Function>::Table<TanhParams>(
    "tanh", "tanh x", {nullptr, 0}, nullptr, XavierNormal);

}  // namespace temper
