// ReLU6: y = select(x < 2^-63, +0, select(x >= 6, 6, x)): NaN survives, what is
// tiny does not (flush-inl.h). Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_RELU6_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_RELU6_INL_H_
#undef TEMPER_SIMD_ACTIVATION_RELU6_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_RELU6_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Relu6 {
  static constexpr Activation kKind = Activation::kRelu6;
  HWY_INLINE explicit Relu6(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V six = hn::Set(d, 6.0f);
    const V y = hn::IfThenElse(hn::Ge(x, six), six, x);
    return hn::IfThenZeroElse(hn::Lt(y, hn::Set(d, kTiny)), y);
  }
  // g where it is open, else +0. NaN lets g pass, as the select does.
  template <class V>
  HWY_INLINE V Gradient(V x, V g) const {
    const hn::DFromV<V> d;
    g = hn::IfThenZeroElse(hn::Ge(x, hn::Set(d, 6.0f)), g);
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, kTiny)), g);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
