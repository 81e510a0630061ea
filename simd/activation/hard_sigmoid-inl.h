// Hard sigmoid: y = min(max(x + 3, 0), 6) / 6. dx = 0 < y < 1 ? g / 6 : 0. NaN
// survives. Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_HARD_SIGMOID_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_HARD_SIGMOID_INL_H_
#undef TEMPER_SIMD_ACTIVATION_HARD_SIGMOID_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_HARD_SIGMOID_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct HardSigmoid {
  static constexpr Activation kKind = Activation::kHardSigmoid;
  HWY_INLINE explicit HardSigmoid(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V one = hn::Set(d, 1.0f);
    const V y = hn::Mul(hn::Add(x, hn::Set(d, 3.0f)), hn::Set(d, 1.0f / 6));
    const V below = hn::IfThenElse(hn::Ge(y, one), one, y);
    return hn::IfThenZeroElse(hn::Lt(below, hn::Set(d, kTiny)), below);
  }
  template <class V>
  HWY_INLINE V Gradient(V y, V g) const {
    const hn::DFromV<V> d;
    const V open = hn::Mul(g, hn::Set(d, 1.0f / 6));
    return hn::IfThenZeroElse(
        hn::Or(hn::Le(y, hn::Zero(d)), hn::Ge(y, hn::Set(d, 1.0f))), open);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
