// ReLU: y = select(x < 2^-63, +0, x): NaN survives, what is tiny does not
// (flush-inl.h). Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_RELU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_RELU_INL_H_
#undef TEMPER_SIMD_ACTIVATION_RELU_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_RELU_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Relu {
  static constexpr Activation kKind = Activation::kRelu;
  HWY_INLINE explicit Relu(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, kTiny)), x);
  }
  // g where it is open, else +0. NaN lets g pass, as the select does.
  template <class V>
  HWY_INLINE V Gradient(V x, V g) const {
    const hn::DFromV<V> d;
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, kTiny)), g);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
