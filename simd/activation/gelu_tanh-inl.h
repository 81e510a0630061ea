// GELU by tanh: y = x/2 * (1 + tanh z) = x * s with z = sqrt(2/pi) * (x + 0.044715
// x^3) and s = 1 / (1 + e^-2z) (Hendrycks and Gimpel 2016). The gradient needs x:
// dx = g * (s + x * s * (1 - s) * 2z'). Contract: activation-inl.h.
#if defined(TEMPER_SIMD_ACTIVATION_GELU_TANH_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ACTIVATION_GELU_TANH_INL_H_
#undef TEMPER_SIMD_ACTIVATION_GELU_TANH_INL_H_
#else
#define TEMPER_SIMD_ACTIVATION_GELU_TANH_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/activation.h"
#include "simd/flush-inl.h"
#include "simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct GeluTanh {
  static constexpr Activation kKind = Activation::kGeluTanh;
  HWY_INLINE explicit GeluTanh(const ActivationFunction&) {}

  template <class V>
  HWY_INLINE V Forward(V x) const {
    const hn::DFromV<V> d;
    const V low = hn::Set(d, -20.0f);
    const V bounded = hn::IfThenElse(hn::Lt(x, low), low, x);
    return FlushTiny(hn::Mul(bounded, Sigmoid(d, TwoZ(bounded))));
  }
  template <class V>
  HWY_INLINE V Gradient(V x, V g) const {
    const hn::DFromV<V> d;
    const V one = hn::Set(d, 1.0f), limit = hn::Set(d, 20.0f);
    V b = hn::IfThenElse(hn::Gt(x, limit), limit, x);
    b = hn::IfThenElse(hn::Lt(b, hn::Neg(limit)), hn::Neg(limit), b);
    const V s = Sigmoid(d, TwoZ(b));
    const V dz = hn::MulAdd(hn::Mul(b, b), hn::Set(d, 0x1.b6676cp-3f),
                            hn::Set(d, 0x1.988454p+0f));
    const V bend = hn::Mul(hn::Mul(b, dz), hn::Mul(s, hn::Sub(one, s)));
    return hn::Mul(g, hn::Add(s, bend));
  }
  // 2 sqrt(2/pi) x (1 + 0.044715 x^2).
  template <class V>
  HWY_INLINE V TwoZ(V x) const {
    const hn::DFromV<V> d;
    const V inner = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0x1.2444f2p-4f),
                               hn::Set(d, 0x1.988454p+0f));
    return hn::Mul(x, inner);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
