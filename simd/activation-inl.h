// Activations on one vector, forward and backward, for the kernels that absorb
// them. Contract: prologue.h.
#if defined(TEMPER_SIMD_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_INL_H_
#undef TEMPER_SIMD_ACTIVATION_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/flush-inl.h"
#include "simd/prologue.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Activation kActivation, class V>
HWY_INLINE V Activate(V y) {
  const hn::DFromV<V> d;
  if constexpr (kActivation == Activation::kNone) return y;
  if constexpr (kActivation == Activation::kRelu6) {
    const V six = hn::Set(d, 6.0f);
    y = hn::IfThenElse(hn::Ge(y, six), six, y);
  }
  return hn::IfThenZeroElse(hn::Lt(y, hn::Set(d, kTiny)), y);
}

// The gradient of an activation, from its argument y: g where it is open, else
// +0. NaN in y lets g pass, as the select does.
template <Activation kActivation, class V>
HWY_INLINE V ActivationGradient(V y, V g) {
  const hn::DFromV<V> d;
  if constexpr (kActivation == Activation::kNone) return g;
  if constexpr (kActivation == Activation::kRelu6) {
    g = hn::IfThenZeroElse(hn::Ge(y, hn::Set(d, 6.0f)), g);
  }
  return hn::IfThenZeroElse(hn::Lt(y, hn::Set(d, kTiny)), g);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
