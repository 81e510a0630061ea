// Depthwise convolution loops. Contract: depthwise.h. Helpers: channels-inl.h.
//
// Forward and input gradient are one thing, a Sweep: along one output row, each
// output sums over tap rows and taps that lie at fixed steps in the source. The
// input gradient is swept from right to left, so that its taps, too, step
// forward in ascending kernel order; with stride s it is s sweeps of every s-th
// column with every s-th tap. Outputs whose taps are all inside go in blocks of
// six with shared source columns, the others test each tap.
// Next: depthwise.cc makes the sweeps, depthwise_weights-inl.h the gradient of
// the weights.
#if defined(TEMPER_SIMD_DEPTHWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_DEPTHWISE_INL_H_
#undef TEMPER_SIMD_DEPTHWISE_INL_H_
#else
#define TEMPER_SIMD_DEPTHWISE_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/depthwise_sweep.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Weight kT of five.
template <int kT>
HWY_INLINE VecF Pick(VecF w0, VecF w1, VecF w2, VecF w3, VecF w4) {
  if constexpr (kT == 0) return w0;
  if constexpr (kT == 1) return w1;
  if constexpr (kT == 2) return w2;
  if constexpr (kT == 3) return w3;
  return w4;
}

// acc + v * (weight kT), if there is such a tap.
template <int kT, int kTaps>
HWY_INLINE VecF TapIf(VecF acc, VecF v, VecF w0, VecF w1, VecF w2, VecF w3,
                      VecF w4) {
  if constexpr (kT < 0 || kT >= kTaps) {
    return acc;
  } else {
    return hn::MulAdd(v, Pick<kT>(w0, w1, w2, w3, w4), acc);
  }
}

// Loads source column kI and gives it to all of kPixels outputs, kStep columns
// apart, that use it; then goes on to column kI + 1. An output meets its taps
// in ascending order.
template <int kI, int kTaps, int kStep, int kPixels, class Access>
HWY_INLINE void Columns(Access access, const float* HWY_RESTRICT x,
                        ptrdiff_t col, VecF w0, VecF w1, VecF w2, VecF w3,
                        VecF w4, VecF& a0, VecF& a1, VecF& a2, VecF& a3,
                        VecF& a4, VecF& a5) {
  const VecF v = access.Load(x + kI * col);
  a0 = TapIf<kI, kTaps>(a0, v, w0, w1, w2, w3, w4);
  if constexpr (kPixels > 1)
    a1 = TapIf<kI - kStep, kTaps>(a1, v, w0, w1, w2, w3, w4);
  if constexpr (kPixels > 2)
    a2 = TapIf<kI - 2 * kStep, kTaps>(a2, v, w0, w1, w2, w3, w4);
  if constexpr (kPixels > 3)
    a3 = TapIf<kI - 3 * kStep, kTaps>(a3, v, w0, w1, w2, w3, w4);
  if constexpr (kPixels > 4)
    a4 = TapIf<kI - 4 * kStep, kTaps>(a4, v, w0, w1, w2, w3, w4);
  if constexpr (kPixels > 5)
    a5 = TapIf<kI - 5 * kStep, kTaps>(a5, v, w0, w1, w2, w3, w4);
  if constexpr (kI + 1 < kStep * (kPixels - 1) + kTaps) {
    Columns<kI + 1, kTaps, kStep, kPixels>(access, x, col, w0, w1, w2, w3, w4,
                                           a0, a1, a2, a3, a4, a5);
  }
}

template <class Access>
HWY_INLINE void Put(Access access, const Sweep& s, VecF acc, float* y) {
  access.Store(s.accumulate ? hn::Add(access.Load(y), acc) : acc, y);
}

template <class Access>
HWY_INLINE VecF Start(Access access, const Sweep& s, size_t channel) {
  return s.bias == nullptr ? hn::Zero(Lanes16())
                           : access.Load(s.bias + channel);
}

// Outputs [j, end) in blocks of kPixels; returns the first one left over.
template <int kTaps, int kStep, int kPixels, class Access>
HWY_INLINE size_t Blocks(Access access, const Sweep& s, size_t channel,
                         size_t j, size_t end) {
  // Floats from one shared source column to the next.
  const ptrdiff_t col = (kTaps == 1 ? s.pixel : s.tap) * s.x_col;
  const float* HWY_RESTRICT w = s.w + channel;
  for (; j + kPixels <= end; j += kPixels) {
    const ptrdiff_t first = s.first + static_cast<ptrdiff_t>(j) * s.pixel;
    const float* HWY_RESTRICT x = s.x + channel + first * s.x_col;
    VecF a0 = Start(access, s, channel);
    VecF a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
    for (size_t r = 0; r < s.rows; ++r) {
      const float* HWY_RESTRICT wr = w + static_cast<ptrdiff_t>(r) * s.w_row;
      const VecF w0 = access.Load(wr);
      const VecF w1 = kTaps > 1 ? access.Load(wr + s.w_tap) : w0;
      const VecF w2 = kTaps > 2 ? access.Load(wr + 2 * s.w_tap) : w0;
      const VecF w3 = kTaps > 3 ? access.Load(wr + 3 * s.w_tap) : w0;
      const VecF w4 = kTaps > 4 ? access.Load(wr + 4 * s.w_tap) : w0;
      Columns<0, kTaps, kStep, kPixels>(
          access, x + static_cast<ptrdiff_t>(r) * s.x_row, col, w0, w1, w2, w3,
          w4, a0, a1, a2, a3, a4, a5);
    }
    float* y = s.y + channel + static_cast<ptrdiff_t>(j) * s.y_pixel;
    Put(access, s, a0, y);
    if constexpr (kPixels > 1) Put(access, s, a1, y + s.y_pixel);
    if constexpr (kPixels > 2) Put(access, s, a2, y + 2 * s.y_pixel);
    if constexpr (kPixels > 3) Put(access, s, a3, y + 3 * s.y_pixel);
    if constexpr (kPixels > 4) Put(access, s, a4, y + 4 * s.y_pixel);
    if constexpr (kPixels > 5) Put(access, s, a5, y + 5 * s.y_pixel);
  }
  return j;
}

// Any number of taps, four outputs at a time.
template <class Access>
HWY_INLINE size_t AnyTaps(Access access, const Sweep& s, size_t channel,
                          size_t j, size_t end) {
  const ptrdiff_t pixel = s.pixel * s.x_col;
  for (; j + 4 <= end; j += 4) {
    const ptrdiff_t first = s.first + static_cast<ptrdiff_t>(j) * s.pixel;
    VecF a0 = Start(access, s, channel);
    VecF a1 = a0, a2 = a0, a3 = a0;
    for (size_t r = 0; r < s.rows; ++r) {
      const float* HWY_RESTRICT x =
          s.x + channel + first * s.x_col + static_cast<ptrdiff_t>(r) * s.x_row;
      const float* HWY_RESTRICT w =
          s.w + channel + static_cast<ptrdiff_t>(r) * s.w_row;
      for (size_t t = 0; t < s.taps; ++t) {
        const VecF weight = access.Load(w);
        a0 = hn::MulAdd(access.Load(x), weight, a0);
        a1 = hn::MulAdd(access.Load(x + pixel), weight, a1);
        a2 = hn::MulAdd(access.Load(x + 2 * pixel), weight, a2);
        a3 = hn::MulAdd(access.Load(x + 3 * pixel), weight, a3);
        x += s.tap * s.x_col;
        w += s.w_tap;
      }
    }
    float* y = s.y + channel + static_cast<ptrdiff_t>(j) * s.y_pixel;
    Put(access, s, a0, y);
    Put(access, s, a1, y + s.y_pixel);
    Put(access, s, a2, y + 2 * s.y_pixel);
    Put(access, s, a3, y + 3 * s.y_pixel);
  }
  return j;
}

// Outputs [j, end), skipping the taps that lie outside.
template <class Access>
HWY_INLINE void Edge(Access access, const Sweep& s, size_t channel, size_t j,
                     size_t end) {
  for (; j < end; ++j) {
    const ptrdiff_t first = s.first + static_cast<ptrdiff_t>(j) * s.pixel;
    VecF acc = Start(access, s, channel);
    for (size_t r = 0; r < s.rows; ++r) {
      const float* HWY_RESTRICT x =
          s.x + channel + static_cast<ptrdiff_t>(r) * s.x_row;
      const float* HWY_RESTRICT w =
          s.w + channel + static_cast<ptrdiff_t>(r) * s.w_row;
      ptrdiff_t column = first;
      for (size_t t = 0; t < s.taps; ++t, column += s.tap, w += s.w_tap) {
        if (column < 0 || column >= s.width) continue;
        acc =
            hn::MulAdd(access.Load(x + column * s.x_col), access.Load(w), acc);
      }
    }
    Put(access, s, acc, s.y + channel + static_cast<ptrdiff_t>(j) * s.y_pixel);
  }
}

template <int kTaps, int kStep, class Access>
HWY_INLINE void Interior(Access access, const Sweep& s, size_t channel) {
  size_t j =
      Blocks<kTaps, kStep, 6>(access, s, channel, s.inner_begin, s.inner_end);
  j = Blocks<kTaps, kStep, 2>(access, s, channel, j, s.inner_end);
  Blocks<kTaps, kStep, 1>(access, s, channel, j, s.inner_end);
}

// One sweep over all channels.
void RunSweep(const Sweep& s, size_t channels) {
  // Source columns are shared between outputs if their distance is a multiple
  // of the distance of taps.
  const bool one = s.taps == 1 || s.pixel == s.tap;
  const bool two = s.pixel == 2 * s.tap;
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    Edge(access, s, c, 0, s.inner_begin);
    if (s.taps == 3 && one) {
      Interior<3, 1>(access, s, c);
    } else if (s.taps == 3 && two) {
      Interior<3, 2>(access, s, c);
    } else if (s.taps == 5 && one) {
      Interior<5, 1>(access, s, c);
    } else if (s.taps == 5 && two) {
      Interior<5, 2>(access, s, c);
    } else if (s.taps == 2 && one) {
      Interior<2, 1>(access, s, c);
    } else if (s.taps == 1) {
      Interior<1, 1>(access, s, c);
    } else {
      const size_t j = AnyTaps(access, s, c, s.inner_begin, s.inner_end);
      Edge(access, s, c, j, s.inner_end);
    }
    Edge(access, s, c, s.inner_end, s.count);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
