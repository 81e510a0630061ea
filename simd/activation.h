// Activations: the one list, and what everybody must know of each. Its
// arithmetic, on one vector, is a functor in activation/<name>-inl.h.
//
// Every activation fuses: it is absorbed by batch norm (norm.h, forward and
// backward) and by add (prologue.h), and formed on the way in by whoever reads
// through a prologue: convolutions, dense, add and global average pooling. Only
// one whose gradient needs its input stays apart from an add, which keeps no
// sum. Each entry is one more copy of these loops on every target: on x86-64
// 150 KB of the library's 2.6 MB (for all its targets).
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

// What the gradient of y = act(x) is made from, beside dy.
enum class GradientFrom : uint32_t {
  kEither,  // x or y, whichever is at hand: both say the same
  kOutput,  // y
  kInput,   // x, which must be kept: y does not say enough
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

// An activation with its parameters, what they are being the activation's own.
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
