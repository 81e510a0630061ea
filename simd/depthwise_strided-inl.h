// Input gradient of a depthwise 3x3 convolution with stride 2. Contract:
// depthwise.h.
//
// Seen from the input, columns come in pairs: with padding added, the even one
// gathers taps 0 and 2 (from outputs b and b - 1), the odd one tap 1 (from b).
// A pair is taken at once, so that an output gradient is loaded once per row.
// Rows pair up in the same way, and a row has one or two rows of the gradient.
// The order of taps is that of depthwise-inl.h, which does all other shapes.
// Next: depthwise.cc calls it.
#if defined(TEMPER_SIMD_DEPTHWISE_STRIDED_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
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

// The column pairs [begin, end) of one input row and one channel vector. d0, d1:
// gradient rows, with the kernel rows w0, w1; y: column 0 of the input row. All
// at the channel. kRows of them count.
template <int kRows, class Access>
HWY_INLINE void StridedRow(Access access, size_t channels, size_t pad,
                           size_t in_w, size_t out_w, size_t begin, size_t end,
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

  const auto edges = [&](size_t from, size_t to) HWY_ATTR {
    for (size_t b = from; b < to; ++b) {
      const bool now = b < out_w, before = b >= 1 && b <= out_w;
      if (2 * b >= pad && 2 * b - pad < in_w) {
        V acc = zero;
        if (now) acc = hn::MulAdd(access.Load(d0 + b * channels), w00, acc);
        if (before)
          acc = hn::MulAdd(access.Load(d0 + (b - 1) * channels), w02, acc);
        if constexpr (kRows > 1) {
          if (now) acc = hn::MulAdd(access.Load(d1 + b * channels), w10, acc);
          if (before)
            acc = hn::MulAdd(access.Load(d1 + (b - 1) * channels), w12, acc);
        }
        PutGradient(access, accumulate, acc, y + (2 * b - pad) * channels);
      }
      if (2 * b + 1 >= pad && 2 * b + 1 - pad < in_w) {
        V acc = zero;
        if (now) acc = hn::MulAdd(access.Load(d0 + b * channels), w01, acc);
        if constexpr (kRows > 1) {
          if (now) acc = hn::MulAdd(access.Load(d1 + b * channels), w11, acc);
        }
        PutGradient(access, accumulate, acc, y + (2 * b + 1 - pad) * channels);
      }
    }
  };

  // Pairs with both columns in the row and both outputs in theirs.
  size_t low = (pad + 1) / 2, high = (in_w + pad) / 2;
  if (low < 1) low = 1;
  if (high > out_w) high = out_w;
  if (low < begin) low = begin;
  if (high > end) high = end;
  if (low >= high) return edges(begin, end);
  edges(begin, low);
  const float* HWY_RESTRICT x0 = d0 + (low - 1) * channels;
  const float* HWY_RESTRICT x1 = d1 + (low - 1) * channels;
  float* HWY_RESTRICT even = y + (2 * low - pad) * channels;
  V p0 = access.Load(x0), p1 = kRows > 1 ? access.Load(x1) : p0;
  for (size_t left = high - low; left != 0; --left) {
    x0 += channels;
    const V v0 = access.Load(x0);
    V a = hn::MulAdd(v0, w00, zero), b = hn::MulAdd(v0, w01, zero);
    a = hn::MulAdd(p0, w02, a);
    p0 = v0;
    if constexpr (kRows > 1) {
      x1 += channels;
      const V v1 = access.Load(x1);
      a = hn::MulAdd(v1, w10, a);
      b = hn::MulAdd(v1, w11, b);
      a = hn::MulAdd(p1, w12, a);
      p1 = v1;
    }
    PutGradient(access, accumulate, a, even);
    PutGradient(access, accumulate, b, even + channels);
    even += 2 * channels;
  }
  edges(high, end);
}

// Input row ih of one image, column pairs [begin, end); dy, dx: the image.
template <class Access>
HWY_INLINE void StridedRowOf(Access access, const ConvShape& s, size_t ih,
                             size_t begin, size_t end, size_t channel,
                             const float* dy, const float* w, bool accumulate,
                             float* dx) {
  const size_t channels = s.in_c, pad = s.pad_left, in_w = s.in_w,
               out_w = s.out_w, out_row = out_w * channels;
  const size_t a = (ih + s.pad_top) / 2;
  float* const y = dx + ih * in_w * channels + channel;
  const float* const d = dy + channel;
  const float* const wc = w + channel;
  const size_t w_row = 3 * channels;
  if ((ih + s.pad_top) % 2 == 0) {
    if (a >= 1 && a < s.out_h) {
      return StridedRow<2>(access, channels, pad, in_w, out_w, begin, end,
                           d + a * out_row, d + (a - 1) * out_row, wc,
                           wc + 2 * w_row, accumulate, y);
    }
    if (a < s.out_h) {
      return StridedRow<1>(access, channels, pad, in_w, out_w, begin, end,
                           d + a * out_row, d, wc, wc, accumulate, y);
    }
    if (a == s.out_h) {
      return StridedRow<1>(access, channels, pad, in_w, out_w, begin, end,
                           d + (a - 1) * out_row, d, wc + 2 * w_row, wc,
                           accumulate, y);
    }
  } else if (a < s.out_h) {
    return StridedRow<1>(access, channels, pad, in_w, out_w, begin, end,
                         d + a * out_row, d, wc + w_row, wc, accumulate, y);
  }
  // A row that no output reads: sums of nothing.
  for (size_t iw = begin * 2 < pad ? 0 : begin * 2 - pad;
       iw < in_w && iw + pad < end * 2; ++iw) {
    PutGradient(access, accumulate, access.Zero(), y + iw * channels);
  }
}

// The input rows [begin, end) of one image.
void RunStrided(const ConvShape& shape, size_t begin, size_t end,
                const float* dy, const float* w, bool accumulate, float* dx) {
  // A copy whose address nobody has stays in registers across stores.
  const ConvShape s = shape;
  const size_t channels = s.in_c;
  const size_t first = s.pad_left / 2, last = (s.in_w + s.pad_left + 1) / 2;
  // What all channel vectors walk over in turn stays in the first cache: some
  // rows, or a part of one.
  const size_t row = s.in_w * channels;
  const size_t rows = row < 4096 ? 4096 / row : 1;
  size_t pairs = last - first;
  if (rows == 1) pairs = channels < 512 ? 1024 / channels / 2 * 2 : 4;
  for (size_t ih = begin; ih < end; ih += rows) {
    const size_t stop = end - ih < rows ? end : ih + rows;
    for (size_t b = first; b < last; b += pairs) {
      const size_t b_end = last - b < pairs ? last : b + pairs;
      ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
        for (size_t r = ih; r < stop; ++r)
          StridedRowOf(access, s, r, b, b_end, c, dy, w, accumulate, dx);
      });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
