// Sigmoid: y = 1 / (1 + e^-x).   dx = dy * y * (1 - y).
// Everything else: activation.h.
// Kernels: simd/activation/sigmoid-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kLogisticSigmoid;
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Activation(simd::xnn::OpKind::kSigmoid);
}

}  // namespace

extern const LayerOp kSigmoidOp;
constinit const LayerOp kSigmoidOp =
    ActivationLayer<Function>::Table<SigmoidParams>(
        "sigmoid", "1 / (1 + e^-x)", {nullptr, 0}, Express, XavierNormal);

}  // namespace temper
