// Leaky ReLU: y = x > 0 ? x : slope * x (Maas, Hannun, Ng 2013).
// Everything else: activation.h.
// Kernels: simd/activation/leaky_relu-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(LeakyReluParams, slope, 1e-6, 1.0, "slope below 0"),
};

simd::ActivationFunction Function(const Node& node) {
  return {simd::Activation::kLeakyRelu, node.As<LeakyReluParams>().slope};
}

Initializer HeOfSlope(const Node& node) {
  HeNormalParams he;
  he.slope = node.As<LeakyReluParams>().slope;
  return he;
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  return builder->Activation(simd::xnn::OpKind::kLeakyRelu,
                             call.As<LeakyReluParams>().slope);
}

}  // namespace

extern const LayerOp kLeakyReluOp;
constinit const LayerOp kLeakyReluOp =
    ActivationLayer<Function>::Table<LeakyReluParams>(
        "leaky_relu", "x above 0, slope * x below", ListOf(kFields), Express,
        HeOfSlope);

}  // namespace temper
