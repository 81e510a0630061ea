// Softplus: y = log(1 + e^(beta x)) / beta, as (max(z, 0) + log1p(e^-|z|)) / beta
// with z = beta x, which needs no threshold. dx = g * (1 - e^(-beta y)).
// Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_SOFTPLUS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_SOFTPLUS_INL_H_
#undef TEMPER_SIMD_ACTIVATION_SOFTPLUS_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_SOFTPLUS_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Softplus {
  static constexpr Activation kKind = Activation::kSoftplus;
  HWY_INLINE explicit Softplus(const ActivationFunction& a)
      : beta(a.parameters[0]) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V z = hn::Mul(x, hn::Set(d, beta)), limit = hn::Set(d, 80.0f);
    V magnitude = hn::Abs(z);
    magnitude = hn::IfThenElse(hn::Gt(magnitude, limit), limit, magnitude);
    const V rest = Log1p(d, Exp(d, hn::Neg(magnitude)));
    const V open = hn::IfThenElseZero(hn::Gt(z, hn::Zero(d)), z);
    const V y = hn::Div(hn::Add(open, rest), hn::Set(d, beta));
    // z may be too large for a float where y is not.
    return FlushTiny(hn::IfThenElse(hn::Gt(z, limit), x, y));
  }
  template <class V>
  HWY_INLINE V Gradient(V y, V g) const {
    const hn::DFromV<V> d;
    const V e = Expm1(d, hn::Neg(hn::Mul(y, hn::Set(d, beta))));
    return hn::Neg(hn::Mul(g, e));
  }

  float beta;
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
