// Activations: the one list, with the properties that other files need. The
// arithmetic on one vector is a functor in activation/<name>-inl.h.
//
// Every activation fuses: it is absorbed by batch norm (norm.h, forward and
// backward) and by add (prologue.h), and computed on load by the kernels that
// read through a prologue: convolutions, dense, add and global average pooling.
// One exception: an add, which does not keep its sum, cannot absorb an
// activation whose gradient needs its input. Each entry adds a copy of these
// loops for every target: on x86-64 150 KB of the library's 2.6 MB (all
// targets).
//
// To add one: the functor's file, a line in the list, an #include in
// activation-inl.h, and the layer (runtime/layers/relu.cc is an example).
// Next: activation-inl.h, prologue.h, runtime/layers/activation.h.
#ifndef TEMPER_SIMD_ACTIVATION_H_
#define TEMPER_SIMD_ACTIVATION_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

// What the gradient of y = act(x) is computed from, in addition to dy.
enum class GradientFrom : uint32_t {
  kEither,  // x or y, whichever is available: both give the same result
  kOutput,  // y
  kInput,   // x, which must be kept: y does not determine the gradient
};

// Name of the functor, its file, and what its gradient is made from.
// clang-format off
#define TEMPER_ACTIVATIONS(A) \
  A(None, none, kEither) \
  A(Relu, relu, kEither) \
  A(Relu6, relu6, kEither)
// clang-format on

enum class Activation : uint32_t {
#define TEMPER_ACTIVATION_ENUM(Name, file, gradient) k##Name,
  TEMPER_ACTIVATIONS(TEMPER_ACTIVATION_ENUM)
#undef TEMPER_ACTIVATION_ENUM
      kCount
};

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

// y = act(x). y == x allowed.
void Activate(size_t n, const ActivationFunction& activation, const float* x,
              float* y, const ParallelRunner& parallel);
// dx = (accumulate ? dx : 0) + dy * act'(x), and +0 where that is smaller than
// 2^-63 in magnitude (flush-inl.h). `from` is x or y, as GradientOf says.
// dx == dy allowed.
void ActivateBackward(size_t n, const ActivationFunction& activation,
                      const float* from, const float* dy, bool accumulate,
                      float* dx, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_ACTIVATION_H_
