// GELU: y = x * Phi(x), the standard normal distribution (Hendrycks and Gimpel
// 2016), as max(x, 0) - |x| * (1 - Phi(|x|)): nothing cancels where y is small.
// The gradient needs x: dx = g * (Phi(x) + x * e^(-x^2/2) / sqrt(2 pi)). The
// limits at infinity are 0 and x. Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_GELU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_GELU_INL_H_
#undef TEMPER_SIMD_ACTIVATION_GELU_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_GELU_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Gelu {
  static constexpr Activation kKind = Activation::kGelu;
  HWY_INLINE explicit Gelu(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V limit = hn::Set(d, 10.0f), magnitude = hn::Abs(x);
    const V t = hn::IfThenElse(hn::Gt(magnitude, limit), limit, magnitude);
    const V open = hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), x);
    return FlushTiny(hn::NegMulAdd(t, NormalTail(d, x), open));
  }
  template <class V>
  HWY_INLINE V Gradient(V x, V g) const {
    const hn::DFromV<V> d;
    const V zero = hn::Zero(d), limit = hn::Set(d, 10.0f);
    V bounded = hn::IfThenElse(hn::Gt(x, limit), limit, x);
    bounded = hn::IfThenElse(hn::Lt(bounded, hn::Neg(limit)), hn::Neg(limit),
                             bounded);
    V bell = zero;
    const V tail = NormalTail(d, x, bell);
    const V phi =
        hn::IfThenElse(hn::Lt(x, zero), tail, hn::Sub(hn::Set(d, 1.0f), tail));
    const V density = hn::Mul(bell, hn::Set(d, 0x1.988454p-2f));
    return hn::Mul(g, hn::MulAdd(bounded, density, phi));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
