// Sigmoid: y = 1 / (1 + e^-x), +0 where that is tiny (flush-inl.h).
// dx = g * y * (1 - y). Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_SIGMOID_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_SIGMOID_INL_H_
#undef TEMPER_SIMD_ACTIVATION_SIGMOID_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_SIGMOID_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct LogisticSigmoid {
  static constexpr Activation kKind = Activation::kLogisticSigmoid;
  HWY_INLINE explicit LogisticSigmoid(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    return FlushTiny(Sigmoid(hn::DFromV<V>(), x));
  }
  template <class V>
  HWY_INLINE V Gradient(V y, V g) const {
    const hn::DFromV<V> d;
    return hn::Mul(g, hn::Mul(y, hn::Sub(hn::Set(d, 1.0f), y)));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
