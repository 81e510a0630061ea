// No activation: y = x. Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_NONE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_NONE_INL_H_
#undef TEMPER_SIMD_ACTIVATION_NONE_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_NONE_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct None {
  static constexpr Activation kKind = Activation::kNone;
  HWY_INLINE explicit None(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    return x;
  }
  template <class V>
  HWY_INLINE V Gradient(V, V g) const {
    return g;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
