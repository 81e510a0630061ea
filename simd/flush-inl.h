// Tiny values become zero. Where an operand or a result is subnormal (below
// 2^-126), many processors need a hundred times as long, so the time of a step
// would depend on its values. All operands of the large multiplications are
// therefore +0 or at least 2^-63 (1.08e-19) in magnitude: weights and optimizer
// state, outputs of ReLU, gradients of losses, ReLU and batch norm, and
// samples. The product of two such numbers is +-0 or normal: a bound like 1e-30
// would not suffice, because weights of 1e-23 and gradients of 1e-22 are normal
// and their product is not. Such values are negligible next to a weight or a
// sum that matters. A select does it, so that every target gives the same bits.
// Measured: docs/numerics.md. Next: activation-inl.h, update-inl.h, loss-inl.h.
#ifndef TEMPER_SIMD_FLUSH_ONCE_
#define TEMPER_SIMD_FLUSH_ONCE_

namespace temper::simd {

inline constexpr float kTiny = 0x1p-63f;
// For means of squares, which meet no large multiplication: they are flushed
// where they would be subnormal, not where kTiny is, whose root is 3e-10 and no
// small gradient.
inline constexpr float kTinySquare = 0x1p-126f;

}  // namespace temper::simd
#endif  // TEMPER_SIMD_FLUSH_ONCE_

#if defined(TEMPER_SIMD_FLUSH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_FLUSH_INL_H_
#undef TEMPER_SIMD_FLUSH_INL_H_
#else
#define TEMPER_SIMD_FLUSH_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// v, or +0 where |v| < bound. NaN compares false and is kept.
template <class V>
HWY_INLINE V FlushTiny(V v, float bound = kTiny) {
  const hn::DFromV<V> d;
  return hn::IfThenZeroElse(hn::Lt(hn::Abs(v), hn::Set(d, bound)), v);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
