// ELU: y = x > 0 ? x : alpha * (e^x - 1) (Clevert, Unterthiner, Hochreiter
// 2016). dx = y > 0 ? g : g * (y + alpha). Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_ELU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_ELU_INL_H_
#undef TEMPER_SIMD_ACTIVATION_ELU_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_ELU_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Elu {
  static constexpr Activation kKind = Activation::kElu;
  HWY_INLINE explicit Elu(const ActivationFunction& a)
      : alpha(a.parameters[0]) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V below = hn::Mul(hn::Set(d, alpha), Expm1(d, x));
    return FlushTiny(hn::IfThenElse(hn::Gt(x, hn::Zero(d)), x, below));
  }
  template <class V>
  HWY_INLINE V Gradient(V y, V g) const {
    const hn::DFromV<V> d;
    const V below = hn::Mul(g, hn::Add(y, hn::Set(d, alpha)));
    return hn::IfThenElse(hn::Gt(y, hn::Zero(d)), g, below);
  }

  float alpha;
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
