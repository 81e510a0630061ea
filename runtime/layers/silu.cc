// SiLU (swish): y = x / (1 + e^-x) (Elfwing, Uchibe, Doya 2018).
// Everything else: activation.h.
// Kernels: simd/activation/silu-inl.h. Reference:
// tests/reference/activation.h.
#include "runtime/layers/activation.h"

namespace temper {
namespace {

simd::ActivationFunction Function(const Node&) {
  return simd::Activation::kSilu;
}

}  // namespace

extern const LayerOp kSiluOp;
constinit const LayerOp kSiluOp =
    ActivationLayer<Function>::Table<SiluParams>("silu", "x * sigmoid(x)");

}  // namespace temper
