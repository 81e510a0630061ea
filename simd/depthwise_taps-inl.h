// Taps of one row of the gradient of the depthwise weights: what
// depthwise_weights-inl.h and depthwise_weights3-inl.h share.
#if defined(TEMPER_SIMD_DEPTHWISE_TAPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_DEPTHWISE_TAPS_INL_H_
#undef TEMPER_SIMD_DEPTHWISE_TAPS_INL_H_
#else
#define TEMPER_SIMD_DEPTHWISE_TAPS_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "simd/channels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// acc + v * dy of the output whose tap kT is source column kI, if there is one.
template <int kI, int kT, int kTaps, int kStep, int kPixels, class V>
HWY_INLINE V DyIf(V acc, V v, V d0, V d1, V d2, V d3) {
  constexpr int kAt = kI - kT;
  if constexpr (kT >= kTaps || kAt < 0 || kAt % kStep != 0 ||
                kAt / kStep >= kPixels) {
    return acc;
  } else {
    constexpr int kPixel = kAt / kStep;
    if constexpr (kPixel == 0) return hn::MulAdd(v, d0, acc);
    if constexpr (kPixel == 1) return hn::MulAdd(v, d1, acc);
    if constexpr (kPixel == 2) return hn::MulAdd(v, d2, acc);
    return hn::MulAdd(v, d3, acc);
  }
}

// Source columns kI and up of one tap row, each given to all taps that use it.
// Each accumulator adds its outputs in ascending order.
template <int kI, int kTaps, int kStep, int kPixels, class Access, class V>
HWY_INLINE void DyColumns(Access access, const float* HWY_RESTRICT x,
                          ptrdiff_t col, V d0, V d1, V d2, V d3, V& a0, V& a1,
                          V& a2, V& a3, V& a4) {
  const V v = access.Load(x + kI * col);
  a0 = DyIf<kI, 0, kTaps, kStep, kPixels>(a0, v, d0, d1, d2, d3);
  a1 = DyIf<kI, 1, kTaps, kStep, kPixels>(a1, v, d0, d1, d2, d3);
  a2 = DyIf<kI, 2, kTaps, kStep, kPixels>(a2, v, d0, d1, d2, d3);
  a3 = DyIf<kI, 3, kTaps, kStep, kPixels>(a3, v, d0, d1, d2, d3);
  a4 = DyIf<kI, 4, kTaps, kStep, kPixels>(a4, v, d0, d1, d2, d3);
  if constexpr (kI + 1 < kStep * (kPixels - 1) + kTaps) {
    DyColumns<kI + 1, kTaps, kStep, kPixels>(access, x, col, d0, d1, d2, d3, a0,
                                             a1, a2, a3, a4);
  }
}

// One output, taps [kBegin, kEnd) of one row; x: at tap 0.
template <int kBegin, int kEnd, class Access, class V>
HWY_INLINE void DyTaps(Access access, const float* HWY_RESTRICT x,
                       ptrdiff_t col, V dy, V& a0, V& a1, V& a2) {
  if constexpr (kBegin == 0) a0 = hn::MulAdd(access.Load(x), dy, a0);
  a1 = hn::MulAdd(access.Load(x + col), dy, a1);
  if constexpr (kEnd > 2) a2 = hn::MulAdd(access.Load(x + 2 * col), dy, a2);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
