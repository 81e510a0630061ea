// GELU: y = x * Phi(x), the standard normal distribution (Hendrycks and Gimpel
// 2016), or its approximation by tanh.
// Everything else: activation.h.
// Kernels: simd/activation/gelu-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_CHOICE(GeluParams, approx, "none|tanh",
                        "the distribution itself (erf), or by tanh"),
};

simd::ActivationFunction Function(const Node& node) {
  return node.As<GeluParams>().approx != 0 ? simd::Activation::kGeluTanh
                                           : simd::Activation::kGelu;
}

}  // namespace

extern const LayerOp kGeluOp;
constinit const LayerOp kGeluOp = ActivationLayer<Function>::Table<GeluParams>(
    "gelu", "x * Phi(x), the normal distribution", ListOf(kFields));

}  // namespace temper
