// Leaky ReLU: y = x > 0 ? x : slope * x. The slope is positive, so that the sign
// of y is that of x. Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_LEAKY_RELU_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_LEAKY_RELU_INL_H_
#undef TEMPER_SIMD_ACTIVATION_LEAKY_RELU_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_LEAKY_RELU_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct LeakyRelu {
  static constexpr Activation kKind = Activation::kLeakyRelu;
  HWY_INLINE explicit LeakyRelu(const ActivationFunction& a)
      : slope(a.parameters[0]) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    return FlushTiny(Open(x, x));
  }
  template <class V>
  HWY_INLINE V Gradient(V y, V g) const {
    return Open(y, g);
  }
  // v where `at` is above 0, else slope * v.
  template <class V>
  HWY_INLINE V Open(V at, V v) const {
    const hn::DFromV<V> d;
    return hn::IfThenElse(hn::Gt(at, hn::Zero(d)), v,
                          hn::Mul(v, hn::Set(d, slope)));
  }

  float slope;
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
