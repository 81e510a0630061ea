// Activations on one vector, for the kernels that absorb them: a functor each,
// and the dispatch to it. The list: activation.h.
//
// A functor is made from an ActivationFunction and holds at most its parameters
// (floats: no vectors, which SVE cannot keep in objects). It has
//   kKind           its entry in the list
//   Forward(x)      act(x)
//   Gradient(v, g)  g * act'(x), from v = x or y as GradientOf(kKind) says
#if defined(TEMPER_SIMD_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_INL_H_
#undef TEMPER_SIMD_ACTIVATION_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/activation/none-inl.h"
#include "simd/activation/relu-inl.h"
#include "simd/activation/relu6-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class Act>
inline constexpr bool kIsNone = Act::kKind == Activation::kNone;

// The gradient where x is available and y is not.
template <class Act, class V>
HWY_INLINE V GradientAtInput(Act act, V x, V g) {
  if constexpr (GradientOf(Act::kKind) == GradientFrom::kOutput) {
    return act.Gradient(act.Forward(x), g);
  } else {
    return act.Gradient(x, g);
  }
}

// Calls f with the functor of `activation`, which fuses.
template <class F>
HWY_INLINE void WithActivation(const ActivationFunction& activation, F&& f) {
#define TEMPER_ACTIVATION_CALL(Name, file, gradient) \
  static_assert(Name::kKind == Activation::k##Name); \
  if (activation.kind == Activation::k##Name) return f(Name(activation));
  TEMPER_FUSED_ACTIVATIONS(TEMPER_ACTIVATION_CALL)
#undef TEMPER_ACTIVATION_CALL
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
