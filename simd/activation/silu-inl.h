// SiLU: y = x * s, s = 1 / (1 + e^-x) (Elfwing, Uchibe, Doya 2018). It falls and
// rises, so that the gradient needs x: dx = g * s * (1 + x * (1 - s)). The limits
// at infinity are 0 and x. Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_SILU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_SILU_INL_H_
#undef TEMPER_SIMD_ACTIVATION_SILU_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_SILU_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Silu {
  static constexpr Activation kKind = Activation::kSilu;
  HWY_INLINE explicit Silu(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V low = hn::Set(d, -100.0f);
    const V bounded = hn::IfThenElse(hn::Lt(x, low), low, x);
    return FlushTiny(hn::Mul(bounded, Sigmoid(d, x)));
  }
  template <class V>
  HWY_INLINE V Gradient(V x, V g) const {
    const hn::DFromV<V> d;
    const V one = hn::Set(d, 1.0f), limit = hn::Set(d, 100.0f);
    V bounded = hn::IfThenElse(hn::Gt(x, limit), limit, x);
    bounded = hn::IfThenElse(hn::Lt(bounded, hn::Neg(limit)), hn::Neg(limit),
                             bounded);
    const V s = Sigmoid(d, x);
    const V slope = hn::Mul(s, hn::MulAdd(bounded, hn::Sub(one, s), one));
    return hn::Mul(g, slope);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
