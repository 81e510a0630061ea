// ELU: y = x > 0 ? x : alpha * (e^x - 1) (Clevert, Unterthiner, Hochreiter
// 2016).
// Everything else: activation.h.
// Kernels: simd/activation/elu-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(EluParams, alpha, 1e-3, 100.0,
                     "-alpha is the limit below 0"),
};

simd::ActivationFunction Function(const Node& node) {
  return {simd::Activation::kElu, node.As<EluParams>().alpha};
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  return builder->Activation(simd::xnn::OpKind::kElu,
                             call.As<EluParams>().alpha);
}

}  // namespace

extern const LayerOp kEluOp;
constinit const LayerOp kEluOp = ActivationLayer<Function>::Table<EluParams>(
    "elu", "x above 0, alpha * (e^x - 1) below", ListOf(kFields), Express);

}  // namespace temper
