// ReLU: y = x < 2^-63 ? +0 : x (NaN survives).   dx = y < 2^-63 ? 0 : dy.
// Why not 0: simd/flush-inl.h. Everything else: activation.h.
// Kernels: simd/activation/relu-inl.h. Reference:
// tests/reference/elementwise.h.
#include <limits>

#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kRelu;
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Clamp(0.0f, std::numeric_limits<float>::infinity());
}

}  // namespace

extern const LayerOp kReluOp;
constinit const LayerOp kReluOp = ActivationLayer<Function>::Table<ReluParams>(
    "relu", "max(x, 0)", {nullptr, 0}, Express);

}  // namespace temper
