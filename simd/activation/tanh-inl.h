// tanh. dx = g * (1 - y^2). Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_TANH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_TANH_INL_H_
#undef TEMPER_SIMD_ACTIVATION_TANH_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_TANH_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct HyperbolicTangent {
  static constexpr Activation kKind = Activation::kHyperbolicTangent;
  HWY_INLINE explicit HyperbolicTangent(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    return FlushTiny(Tanh(hn::DFromV<V>(), x));
  }
  template <class V>
  HWY_INLINE V Gradient(V y, V g) const {
    const hn::DFromV<V> d;
    return hn::Mul(g, hn::NegMulAdd(y, y, hn::Set(d, 1.0f)));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
