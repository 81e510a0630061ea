// Activations: the one list, with the properties that other files need. The
// arithmetic on one vector is a functor in activation/<name>-inl.h.
//
// Two kinds. Those that fuse are absorbed by batch norm (norm.h, forward and
// backward) and by add (prologue.h), and computed on load by the kernels that
// read through a prologue: convolutions, dense, add and global average pooling.
// One exception: an add, which does not keep its sum, cannot absorb an
// activation whose gradient needs its input. Each adds a copy of these loops
// for every target: on x86-64 150 KB of the library's 2.6 MB (all targets). The
// others run alone, as a step of their own, in place where the gradient
// permits, and cost 25 KB each; they read a derived input (prologue.h) without
// storing it.
//
// To add one: the functor's file, a line in the list, an #include in
// activation-inl.h (it fuses) or activation.cc (alone), and the layer
// (runtime/layers/elu.cc is an example).
// Next: activation-inl.h, activation.cc, prologue.h,
// runtime/layers/activation.h.
#ifndef TEMPER_SIMD_ACTIVATION_H_
#define TEMPER_SIMD_ACTIVATION_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

struct Prologue;

// What the gradient of y = act(x) is computed from, in addition to dy.
enum class GradientFrom : uint32_t {
  kEither,  // x or y, whichever is available: both give the same result
  kOutput,  // y
  kInput,   // x, which must be kept: y does not determine the gradient
};

// Name of the functor, its file, and what its gradient is made from.
// clang-format off
#define TEMPER_FUSED_ACTIVATIONS(A) \
  A(None, none, kEither) \
  A(Relu, relu, kEither) \
  A(Relu6, relu6, kEither)
#define TEMPER_LONE_ACTIVATIONS(A) \
  A(LeakyRelu, leaky_relu, kOutput) \
  A(Elu, elu, kOutput) \
  A(LogisticSigmoid, sigmoid, kOutput) \
  A(HyperbolicTangent, tanh, kOutput) \
  A(HardSigmoid, hard_sigmoid, kOutput) \
  A(HardSwish, hard_swish, kInput) \
  A(Silu, silu, kInput) \
  A(Gelu, gelu, kInput) \
  A(GeluTanh, gelu_tanh, kInput) \
  A(Softplus, softplus, kOutput)
#define TEMPER_ACTIVATIONS(A) \
  TEMPER_FUSED_ACTIVATIONS(A) \
  TEMPER_LONE_ACTIVATIONS(A)
// clang-format on

enum class Activation : uint32_t {
#define TEMPER_ACTIVATION_ENUM(Name, file, gradient) k##Name,
  TEMPER_ACTIVATIONS(TEMPER_ACTIVATION_ENUM)
#undef TEMPER_ACTIVATION_ENUM
      kCount
};

// True if other kernels can apply it.
constexpr bool Fuses(Activation kind) {
#define TEMPER_ACTIVATION_FUSES(Name, file, gradient) \
  if (kind == Activation::k##Name) return true;
  TEMPER_FUSED_ACTIVATIONS(TEMPER_ACTIVATION_FUSES)
#undef TEMPER_ACTIVATION_FUSES
  return false;
}

// `kind` is one of the list.
constexpr GradientFrom GradientOf(Activation kind) {
  constexpr GradientFrom kGradients[] = {
#define TEMPER_ACTIVATION_GRADIENT(Name, file, gradient) GradientFrom::gradient,
      TEMPER_ACTIVATIONS(TEMPER_ACTIVATION_GRADIENT)
#undef TEMPER_ACTIVATION_GRADIENT
  };
  return kGradients[static_cast<uint32_t>(kind)];
}

inline constexpr size_t kActivationParameters = 2;

// An activation with its parameters; each activation defines what they mean.
struct ActivationFunction {
  constexpr ActivationFunction() = default;
  constexpr ActivationFunction(Activation k, float a = 0,
                               float b = 0)  // NOLINT
      : kind(k), parameters{a, b} {}
  constexpr bool operator==(const ActivationFunction&) const = default;

  Activation kind = Activation::kNone;
  float parameters[kActivationParameters] = {};
};

// y = act(x). y == x allowed. Error against double in units in the last place
// (ULP), on exact targets: relu, relu6 0, leaky_relu 0.5, elu 2.7, sigmoid and
// tanh 2.6, silu 3.2, gelu 8, gelu by tanh 4, softplus 3.2 (and |beta x| more
// unless beta is a power of 2), hard_sigmoid 1.6, hard_swish 2.1; of the last
// two and of gelu by tanh also 4e-7. Results smaller than 2^-63 in magnitude are
// +0. At infinity: the limits. NaN stays.
void Activate(size_t n, const ActivationFunction& activation, const float* x,
              float* y, const ParallelRunner& parallel);
// dx = (accumulate ? dx : 0) + dy * act'(x), and +0 where that is smaller than
// 2^-63 in magnitude (flush-inl.h). `from` is x or y, as GradientOf says.
// dx == dy allowed.
void ActivateBackward(size_t n, const ActivationFunction& activation,
                      const float* from, const float* dy, bool accumulate,
                      float* dx, const ParallelRunner& parallel);

// The same of a derived input, rows x channels: y = act(prologue(x)). The
// prologue must not have absorbed a lone activation. Backward forms the input
// again, in pieces.
void ActivateThrough(size_t rows, size_t channels,
                     const ActivationFunction& activation, const float* x,
                     const Prologue& prologue, float* y,
                     const ParallelRunner& parallel);
void ActivateBackwardThrough(size_t rows, size_t channels,
                             const ActivationFunction& activation,
                             const float* x, const Prologue& prologue,
                             const float* dy, bool accumulate, float* dx,
                             const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_ACTIVATION_H_
