// Input gradient of a depthwise 3x3 convolution with stride 2. Contract:
// depthwise.h.
//
// Seen from the input, columns come in pairs: with padding added, the even one
// gathers taps 0 and 2 (from outputs b and b - 1), the odd one tap 1 (from b).
// A pair is taken at once, so that an output gradient is loaded once per row.
// Rows pair up in the same way, and a row has one or two rows of the gradient.
// The order of taps is that of depthwise-inl.h, which handles all other shapes.
// Next: depthwise.cc calls it.
#if defined(TEMPER_SIMD_DEPTHWISE_STRIDED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_DEPTHWISE_STRIDED_INL_H_
#undef TEMPER_SIMD_DEPTHWISE_STRIDED_INL_H_
#else
#define TEMPER_SIMD_DEPTHWISE_STRIDED_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/conv.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class Access>
HWY_INLINE void PutGradient(Access access, bool accumulate,
                            typename Access::V acc, float* y) {
  access.Store(accumulate ? hn::Add(access.Load(y), acc) : acc, y);
}

// Pairs of columns of a row, the same for all channels.
struct Pairs {
  size_t begin, end;
  size_t low,
      high;        // both columns in the row, both outputs in theirs; or empty
  bool first_odd;  // before low lies one pair, of which column 0 is the odd one
  bool last_even;  // after high lies one pair: the even column, after output b
};
HWY_INLINE Pairs CutPairs(size_t begin, size_t end, size_t pad, size_t in_w,
                          size_t out_w) {
  Pairs p{begin, end, (pad + 1) / 2, (in_w + pad) / 2, false, false};
  if (p.low < 1) p.low = 1;
  if (p.high > out_w) p.high = out_w;
  if (p.low < begin) p.low = begin;
  if (p.high > end) p.high = end;
  if (p.low >= p.high) {
    p.low = p.high = end;
    return p;
  }
  p.first_odd = pad == 1 && begin == 0 && p.low == 1;
  p.last_even =
      p.high + 1 == end && p.high == out_w && 2 * p.high + 1 == in_w + pad;
  return p;
}

// One input row and one channel vector. d0, d1: gradient rows, with the kernel
// rows w0, w1; y: column 0 of the input row. All at the channel. kRows of them
// count.
template <int kRows, class Access>
HWY_INLINE void StridedRow(Access access, size_t channels, size_t pad,
                           size_t in_w, size_t out_w, Pairs pairs,
                           const float* HWY_RESTRICT d0,
                           const float* HWY_RESTRICT d1,
                           const float* HWY_RESTRICT w0,
                           const float* HWY_RESTRICT w1, bool accumulate,
                           float* HWY_RESTRICT y) {
  using V = typename Access::V;
  const V zero = access.Zero();
  const V w00 = access.Load(w0), w01 = access.Load(w0 + channels),
          w02 = access.Load(w0 + 2 * channels);
  const V w10 = kRows > 1 ? access.Load(w1) : w00;
  const V w11 = kRows > 1 ? access.Load(w1 + channels) : w00;
  const V w12 = kRows > 1 ? access.Load(w1 + 2 * channels) : w00;

  size_t b = pairs.begin;
  if (pairs.first_odd) {
    V o = hn::MulAdd(access.Load(d0), w01, zero);
    if constexpr (kRows > 1) o = hn::MulAdd(access.Load(d1), w11, o);
    PutGradient(access, accumulate, o, y);
    b = 1;
  }
  for (; b < pairs.end; ++b) {
    if (b == pairs.low) {
      const float* HWY_RESTRICT x0 = d0 + (b - 1) * channels;
      const float* HWY_RESTRICT x1 = d1 + (b - 1) * channels;
      float* HWY_RESTRICT even = y + (2 * b - pad) * channels;
      V p0 = access.Load(x0), p1 = kRows > 1 ? access.Load(x1) : p0;
      for (; b < pairs.high; ++b) {
        x0 += channels;
        const V v0 = access.Load(x0);
        V e = hn::MulAdd(v0, w00, zero), o = hn::MulAdd(v0, w01, zero);
        e = hn::MulAdd(p0, w02, e);
        p0 = v0;
        if constexpr (kRows > 1) {
          x1 += channels;
          const V v1 = access.Load(x1);
          e = hn::MulAdd(v1, w10, e);
          o = hn::MulAdd(v1, w11, o);
          e = hn::MulAdd(p1, w12, e);
          p1 = v1;
        }
        PutGradient(access, accumulate, e, even);
        PutGradient(access, accumulate, o, even + channels);
        even += 2 * channels;
      }
      if (pairs.last_even) {
        V e = hn::MulAdd(p0, w02, zero);
        if constexpr (kRows > 1) e = hn::MulAdd(p1, w12, e);
        return PutGradient(access, accumulate, e, even);
      }
      if (b == pairs.end) return;
    }
    const bool now = b < out_w, before = b >= 1 && b <= out_w;
    V e = zero, o = zero;
    if (now) {
      const V v = access.Load(d0 + b * channels);
      e = hn::MulAdd(v, w00, e);
      o = hn::MulAdd(v, w01, o);
    }
    if (before) e = hn::MulAdd(access.Load(d0 + (b - 1) * channels), w02, e);
    if constexpr (kRows > 1) {
      if (now) {
        const V v = access.Load(d1 + b * channels);
        e = hn::MulAdd(v, w10, e);
        o = hn::MulAdd(v, w11, o);
      }
      if (before) e = hn::MulAdd(access.Load(d1 + (b - 1) * channels), w12, e);
    }
    float* const even = y + static_cast<ptrdiff_t>(2 * b * channels) -
                        static_cast<ptrdiff_t>(pad * channels);
    if (2 * b >= pad && 2 * b - pad < in_w)
      PutGradient(access, accumulate, e, even);
    if (2 * b + 1 >= pad && 2 * b + 1 - pad < in_w)
      PutGradient(access, accumulate, o, even + channels);
  }
}

// The input rows [begin, end) of one image.
void RunStrided(const ConvShape& shape, size_t begin, size_t end,
                const float* dy, const float* w, bool accumulate, float* dx) {
  // A local copy that does not escape can stay in registers across stores.
  const ConvShape s = shape;
  const size_t channels = s.in_c, pad = s.pad_left, in_w = s.in_w,
               out_w = s.out_w, out_row = out_w * channels,
               w_row = 3 * channels;
  const size_t first = pad / 2, last = (in_w + pad + 1) / 2;
  // The rows that all channel vectors walk over in turn stay in the L1 cache.
  size_t pairs = last - first;
  if (in_w * channels > 4096)
    pairs = channels < 512 ? 1024 / channels / 2 * 2 : 8;
  for (size_t ih = begin; ih < end; ++ih) {
    const size_t a = (ih + s.pad_top) / 2;
    const bool even = (ih + s.pad_top) % 2 == 0;
    // Taps of kernel row 1, or of 0 (now) and 2 (from the output row before).
    const bool now = a < s.out_h, before = even && a >= 1 && a <= s.out_h;
    const float *d0 = dy, *d1 = dy, *w0 = w, *w1 = w;
    if (now) d0 = dy + a * out_row, w0 = even ? w : w + w_row;
    if (before) {
      (now ? d1 : d0) = dy + (a - 1) * out_row;
      (now ? w1 : w0) = w + 2 * w_row;
    }
    float* const y = dx + ih * in_w * channels;
    for (size_t b = first; b < last; b += pairs) {
      const Pairs part =
          CutPairs(b, last - b < pairs ? last : b + pairs, pad, in_w, out_w);
      if (now && before) {
        ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
          StridedRow<2>(access, channels, pad, in_w, out_w, part, d0 + c,
                        d1 + c, w0 + c, w1 + c, accumulate, y + c);
        });
      } else if (now || before) {
        ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
          StridedRow<1>(access, channels, pad, in_w, out_w, part, d0 + c,
                        d0 + c, w0 + c, w0 + c, accumulate, y + c);
        });
      } else {
        // No output reads this row: sums of nothing.
        ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
          for (size_t iw = 2 * b < pad ? 0 : 2 * b - pad;
               iw < in_w && iw + pad < 2 * part.end; ++iw)
            PutGradient(access, accumulate, access.Zero(),
                        y + iw * channels + c);
        });
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
