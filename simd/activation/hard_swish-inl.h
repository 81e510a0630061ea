// Hard swish: y = x * min(max(x + 3, 0), 6) / 6: 0 up to -3, x from 3 on (Howard
// et al. 2019). It falls and rises, so that the gradient needs x:
// dx = g * (x / 3 + 1/2) between them. Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_HARD_SWISH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_HARD_SWISH_INL_H_
#undef TEMPER_SIMD_ACTIVATION_HARD_SWISH_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_HARD_SWISH_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct HardSwish {
  static constexpr Activation kKind = Activation::kHardSwish;
  HWY_INLINE explicit HardSwish(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V three = hn::Set(d, 3.0f);
    const V inner =
        hn::Mul(hn::Mul(x, hn::Add(x, three)), hn::Set(d, 1.0f / 6));
    return FlushTiny(Pieces(x, x, inner));
  }
  template <class V>
  HWY_INLINE V Gradient(V x, V g) const {
    const hn::DFromV<V> d;
    const V inner =
        hn::Mul(g, hn::MulAdd(x, hn::Set(d, 1.0f / 3), hn::Set(d, 0.5f)));
    return Pieces(x, g, inner);
  }
  // +0 up to -3, `above` from 3 on, else (and for NaN) `inner`.
  template <class V>
  HWY_INLINE V Pieces(V x, V above, V inner) const {
    const hn::DFromV<V> d;
    const V y = hn::IfThenElse(hn::Ge(x, hn::Set(d, 3.0f)), above, inner);
    return hn::IfThenZeroElse(hn::Le(x, hn::Set(d, -3.0f)), y);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
