// ReLU6: y = min(max(x, 0), 6) (NaN survives).   dx = 0 < y < 6 ? dy : 0.
// Everything else: activation.h.
// Kernels: simd/activation/relu6-inl.h. Reference:
// tests/reference/elementwise.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kRelu6;
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Clamp(0.0f, 6.0f);
}

}  // namespace

extern const LayerOp kRelu6Op;
constinit const LayerOp kRelu6Op =
    ActivationLayer<Function>::Table<Relu6Params>("relu6", "min(max(x, 0), 6)",
                                                  {nullptr, 0}, Express);

}  // namespace temper
