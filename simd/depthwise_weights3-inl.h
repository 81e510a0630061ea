// Gradient of the weights of a depthwise 3x3 kernel with stride 1 or 2: the
// algorithm of depthwise_weights-inl.h with fewer decisions. The rows of a
// piece and the taps that are inside are found once and used by all channel
// vectors; a short row takes no longer than finding them does. Next:
// depthwise_weights-inl.h calls it.
#if defined(TEMPER_SIMD_DEPTHWISE_WEIGHTS3_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_DEPTHWISE_WEIGHTS3_INL_H_
#undef TEMPER_SIMD_DEPTHWISE_WEIGHTS3_INL_H_
#else
#define TEMPER_SIMD_DEPTHWISE_WEIGHTS3_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/conv.h"
#include "simd/depthwise_sweep.h"
#include "simd/depthwise_taps-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A row of outputs, or a part of one.
struct WeightRow {
  ptrdiff_t x;       // tap (0, 0) of the first output, in floats
  size_t dy;         // the first output, in floats
  size_t inner;      // outputs whose columns are all inside
  bool left, right;  // before: one without tap 0; after: one without tap 2
  bool top, bottom;  // kernel row 0 or 2 is inside; row 1 always is
};

// How far apart things lie, in floats.
struct WeightSteps {
  ptrdiff_t row, col, out;  // source: kernel row, kernel column, output
  ptrdiff_t dy;             // gradient: output
};

// Kernel rows [kBegin, kEnd) of one row of outputs.
template <int kBegin, int kEnd, int kStep, class Access, class V>
HWY_INLINE void WeightRowTaps(Access access, WeightSteps step, size_t inner,
                              bool left, bool right,
                              const float* HWY_RESTRICT x1,
                              const float* HWY_RESTRICT g, V& a00, V& a01,
                              V& a02, V& a10, V& a11, V& a12, V& a20, V& a21,
                              V& a22) {
  const ptrdiff_t row = step.row, col = step.col;
  V none = access.Zero();
  if (left) {
    const V d = access.Load(g);
    if constexpr (kBegin == 0)
      DyTaps<1, 3>(access, x1 - row, col, d, a00, a01, a02);
    DyTaps<1, 3>(access, x1, col, d, a10, a11, a12);
    if constexpr (kEnd == 3)
      DyTaps<1, 3>(access, x1 + row, col, d, a20, a21, a22);
    x1 += step.out, g += step.dy;
  }
  for (; inner >= 4; inner -= 4) {
    const V d0 = access.Load(g);
    const V d1 = access.Load(g + step.dy);
    const V d2 = access.Load(g + 2 * step.dy);
    const V d3 = access.Load(g + 3 * step.dy);
    if constexpr (kBegin == 0)
      DyColumns<0, 3, kStep, 4>(access, x1 - row, col, d0, d1, d2, d3, a00, a01,
                                a02, none, none);
    DyColumns<0, 3, kStep, 4>(access, x1, col, d0, d1, d2, d3, a10, a11, a12,
                              none, none);
    if constexpr (kEnd == 3)
      DyColumns<0, 3, kStep, 4>(access, x1 + row, col, d0, d1, d2, d3, a20, a21,
                                a22, none, none);
    x1 += 4 * step.out, g += 4 * step.dy;
  }
  if (inner >= 2) {
    const V d0 = access.Load(g);
    const V d1 = access.Load(g + step.dy);
    if constexpr (kBegin == 0)
      DyColumns<0, 3, kStep, 2>(access, x1 - row, col, d0, d1, d1, d1, a00, a01,
                                a02, none, none);
    DyColumns<0, 3, kStep, 2>(access, x1, col, d0, d1, d1, d1, a10, a11, a12,
                              none, none);
    if constexpr (kEnd == 3)
      DyColumns<0, 3, kStep, 2>(access, x1 + row, col, d0, d1, d1, d1, a20, a21,
                                a22, none, none);
    x1 += 2 * step.out, g += 2 * step.dy;
    inner -= 2;
  }
  if (inner != 0) {
    const V d = access.Load(g);
    if constexpr (kBegin == 0)
      DyTaps<0, 3>(access, x1 - row, col, d, a00, a01, a02);
    DyTaps<0, 3>(access, x1, col, d, a10, a11, a12);
    if constexpr (kEnd == 3)
      DyTaps<0, 3>(access, x1 + row, col, d, a20, a21, a22);
    x1 += step.out, g += step.dy;
  }
  if (right) {
    const V d = access.Load(g);
    if constexpr (kBegin == 0)
      DyTaps<0, 2>(access, x1 - row, col, d, a00, a01, a02);
    DyTaps<0, 2>(access, x1, col, d, a10, a11, a12);
    if constexpr (kEnd == 3)
      DyTaps<0, 2>(access, x1 + row, col, d, a20, a21, a22);
  }
}

// All rows of a piece, one channel vector. partial: nine rows of `stride`. All
// at the channel.
template <int kStep, class Access>
HWY_INLINE void WeightRows(Access access, const WeightRow* rows, size_t count,
                           WeightSteps step, const float* HWY_RESTRICT x,
                           const float* HWY_RESTRICT dy,
                           float* HWY_RESTRICT partial, size_t stride) {
  using V = typename Access::V;
  V a00 = access.LoadAll(partial), a01 = access.LoadAll(partial + stride),
    a02 = access.LoadAll(partial + 2 * stride);
  float* const p1 = partial + 3 * stride;
  V a10 = access.LoadAll(p1), a11 = access.LoadAll(p1 + stride),
    a12 = access.LoadAll(p1 + 2 * stride);
  float* const p2 = partial + 6 * stride;
  V a20 = access.LoadAll(p2), a21 = access.LoadAll(p2 + stride),
    a22 = access.LoadAll(p2 + 2 * stride);
  for (size_t i = 0; i < count; ++i) {
    const WeightRow& r = rows[i];
    const float* HWY_RESTRICT x1 = x + r.x + step.row;
    const float* HWY_RESTRICT g = dy + r.dy;
    if (r.top && r.bottom) {
      WeightRowTaps<0, 3, kStep>(access, step, r.inner, r.left, r.right, x1, g,
                                 a00, a01, a02, a10, a11, a12, a20, a21, a22);
    } else if (r.top) {
      WeightRowTaps<0, 2, kStep>(access, step, r.inner, r.left, r.right, x1, g,
                                 a00, a01, a02, a10, a11, a12, a20, a21, a22);
    } else if (r.bottom) {
      WeightRowTaps<1, 3, kStep>(access, step, r.inner, r.left, r.right, x1, g,
                                 a00, a01, a02, a10, a11, a12, a20, a21, a22);
    } else {
      WeightRowTaps<1, 2, kStep>(access, step, r.inner, r.left, r.right, x1, g,
                                 a00, a01, a02, a10, a11, a12, a20, a21, a22);
    }
  }
  access.StoreAll(a00, partial);
  access.StoreAll(a01, partial + stride);
  access.StoreAll(a02, partial + 2 * stride);
  access.StoreAll(a10, p1);
  access.StoreAll(a11, p1 + stride);
  access.StoreAll(a12, p1 + 2 * stride);
  access.StoreAll(a20, p2);
  access.StoreAll(a21, p2 + stride);
  access.StoreAll(a22, p2 + 2 * stride);
}

// The outputs [begin, end), at most kDepthwisePiece and a row of them, channels
// [c0, c1). Returns false and does nothing for shapes that it does not handle,
// such as padding of more than one.
template <int kStep>
bool WeightPiece3(const ConvShape& s, const WeightSource& source, size_t begin,
                  size_t end, size_t c0, size_t c1, const float* dy,
                  float* partial, size_t stride) {
  WeightRow rows[kDepthwisePiece + 2];
  size_t count = 0;
  const ptrdiff_t width = s.in_w, height = s.in_h, out_w = s.out_w;
  const ptrdiff_t pixel = static_cast<ptrdiff_t>(source.pixel);
  const ptrdiff_t pad = s.pad_left;
  // Outputs without tap 0, and outputs with tap 2.
  const ptrdiff_t outside = pad == 0 ? 0 : 1;
  const ptrdiff_t whole = (width + pad - 3 + kStep) / kStep;
  if (pad > 1 || width < 2 || width + pad < 3 || whole < outside ||
      whole + 1 < out_w || (whole < out_w && whole * kStep - pad + 2 != width))
    return false;
  size_t n = begin / s.out_w / s.out_h, oh = begin / s.out_w % s.out_h;
  ptrdiff_t ow = static_cast<ptrdiff_t>(begin % s.out_w);
  for (size_t at = begin; at < end;) {
    ptrdiff_t row_end = ow + static_cast<ptrdiff_t>(end - at);
    if (row_end > out_w) row_end = out_w;
    const ptrdiff_t ih =
        static_cast<ptrdiff_t>(oh * kStep) - static_cast<ptrdiff_t>(s.pad_top);
    if (ih + 1 < 0 || ih + 1 >= height || count == kDepthwisePiece + 2)
      return false;
    WeightRow& row = rows[count++];
    row.top = ih >= 0;
    row.bottom = ih + 2 < height;
    row.left = ow < outside;
    row.right = row_end > whole;
    row.inner = static_cast<size_t>(row_end - ow) - row.left - row.right;
    row.x = static_cast<ptrdiff_t>((n - source.first_image) * source.image) +
            (ih - static_cast<ptrdiff_t>(source.first_row)) *
                static_cast<ptrdiff_t>(source.row) +
            (ow * kStep - pad) * pixel;
    row.dy = at * s.in_c;
    at += static_cast<size_t>(row_end - ow);
    ow = 0;
    if (++oh == s.out_h) oh = 0, ++n;
  }
  const WeightSteps step = {static_cast<ptrdiff_t>(source.row), pixel,
                            kStep * pixel, static_cast<ptrdiff_t>(s.in_c)};
  const float* const x = source.x - source.channel;
  ForEachChannelVector(c0, c1, [&](auto access, size_t c) HWY_ATTR {
    WeightRows<kStep>(access, rows, count, step, x + c, dy + c, partial + c,
                      stride);
  });
  return true;
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
