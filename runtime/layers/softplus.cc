// Softplus: y = log(1 + e^(beta x)) / beta (Dugas et al. 2001).
// Everything else: activation.h.
// Kernels: simd/activation/softplus-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(SoftplusParams, beta, 0.01, 100.0,
                     "the larger, the closer to ReLU"),
};

simd::ActivationFunction Function(const Node& node) {
  return {simd::Activation::kSoftplus, node.As<SoftplusParams>().beta};
}

}  // namespace

extern const LayerOp kSoftplusOp;
constinit const LayerOp kSoftplusOp =
    ActivationLayer<Function>::Table<SoftplusParams>(
        "softplus", "log(1 + e^(beta x)) / beta", ListOf(kFields));

}  // namespace temper
