// Gradient of the depthwise weights. Contract: depthwise.h.
//
// A pass takes some taps (a group) of one channel vector over some output
// pixels in ascending order, with one accumulator per tap in a register: all
// nine of a 3x3 kernel, ten of a 5x5, up to five of a row otherwise. Between
// passes the accumulators lie in the chunk's partial result, so that a chunk
// can be walked in pieces that fit the cache, all channels of a piece in turn.
// Next: depthwise.cc splits the chunks over threads and combines them.
#if defined(TEMPER_SIMD_DEPTHWISE_WEIGHTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_DEPTHWISE_WEIGHTS_INL_H_
#undef TEMPER_SIMD_DEPTHWISE_WEIGHTS_INL_H_
#else
#define TEMPER_SIMD_DEPTHWISE_WEIGHTS_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/conv.h"
#include "simd/depthwise_sweep.h"
#include "simd/depthwise_taps-inl.h"
#include "simd/depthwise_weights3-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Which taps, where the outputs are whose taps are all inside, and which output
// is the first one.
struct TapGroup {
  size_t kernel_row, kernel_col;  // the first tap
  size_t inner_begin, inner_end;  // output columns
  size_t n, oh, ow;               // the first output
};

// One output, each tap of one row tested: column is tap 0's.
template <int kTaps, class Access, class V>
HWY_INLINE void DyEdge(Access access, const float* HWY_RESTRICT x,
                       ptrdiff_t column, ptrdiff_t tap, ptrdiff_t width,
                       ptrdiff_t pixel, V dy, V& a0, V& a1, V& a2, V& a3,
                       V& a4) {
  const auto inside = [&](int t) {
    return column + t * tap >= 0 && column + t * tap < width;
  };
  const auto at = [&](int t) { return x + (column + t * tap) * pixel; };
  if (inside(0)) a0 = hn::MulAdd(access.Load(at(0)), dy, a0);
  if constexpr (kTaps > 1)
    if (inside(1)) a1 = hn::MulAdd(access.Load(at(1)), dy, a1);
  if constexpr (kTaps > 2)
    if (inside(2)) a2 = hn::MulAdd(access.Load(at(2)), dy, a2);
  if constexpr (kTaps > 3)
    if (inside(3)) a3 = hn::MulAdd(access.Load(at(3)), dy, a3);
  if constexpr (kTaps > 4)
    if (inside(4)) a4 = hn::MulAdd(access.Load(at(4)), dy, a4);
}

// Loads or stores the accumulators of one tap row.
template <int kTaps, class Access, class V>
HWY_INLINE void LoadTaps(Access access, const float* partial, size_t stride,
                         V& a0, V& a1, V& a2, V& a3, V& a4) {
  a0 = access.LoadAll(partial);
  if constexpr (kTaps > 1) a1 = access.LoadAll(partial + stride);
  if constexpr (kTaps > 2) a2 = access.LoadAll(partial + 2 * stride);
  if constexpr (kTaps > 3) a3 = access.LoadAll(partial + 3 * stride);
  if constexpr (kTaps > 4) a4 = access.LoadAll(partial + 4 * stride);
}
template <int kTaps, class Access, class V>
HWY_INLINE void StoreTaps(Access access, V a0, V a1, V a2, V a3, V a4,
                          float* partial, size_t stride) {
  access.StoreAll(a0, partial);
  if constexpr (kTaps > 1) access.StoreAll(a1, partial + stride);
  if constexpr (kTaps > 2) access.StoreAll(a2, partial + 2 * stride);
  if constexpr (kTaps > 3) access.StoreAll(a3, partial + 3 * stride);
  if constexpr (kTaps > 4) access.StoreAll(a4, partial + 4 * stride);
}

// kRows x kTaps taps of one channel vector over the outputs [begin, end) of the
// flattened (n, oh, ow). kStep: outputs are that many tap distances apart, so
// columns are shared; 0: nothing is shared. partial: row stride `stride`.
template <int kRows, int kTaps, int kStep, class Access>
HWY_INLINE void WeightPass(Access access, const ConvShape& s,
                           const WeightSource& source, const TapGroup& group,
                           size_t begin, size_t end, size_t channel,
                           const float* HWY_RESTRICT dy,
                           float* HWY_RESTRICT partial, size_t stride) {
  using V = typename Access::V;
  const ptrdiff_t channels = s.in_c;
  const ptrdiff_t width = s.in_w, height = s.in_h;
  const ptrdiff_t pixel = static_cast<ptrdiff_t>(source.pixel);
  const ptrdiff_t tap = s.dilation_w, col = tap * pixel;
  const ptrdiff_t row_floats = static_cast<ptrdiff_t>(source.row);
  const ptrdiff_t first_row = static_cast<ptrdiff_t>(source.first_row);
  const V zero = access.Zero();
  V a00 = zero, a01 = zero, a02 = zero, a03 = zero, a04 = zero;
  V a10 = zero, a11 = zero, a12 = zero, a13 = zero, a14 = zero;
  V a20 = zero, a21 = zero, a22 = zero, a23 = zero, a24 = zero;
  float* const p0 =
      partial + (group.kernel_row * s.kernel_w + group.kernel_col) * stride +
      channel;
  float* const p1 = p0 + s.kernel_w * stride;
  float* const p2 = p1 + s.kernel_w * stride;
  LoadTaps<kTaps>(access, p0, stride, a00, a01, a02, a03, a04);
  if constexpr (kRows > 1)
    LoadTaps<kTaps>(access, p1, stride, a10, a11, a12, a13, a14);
  if constexpr (kRows > 2)
    LoadTaps<kTaps>(access, p2, stride, a20, a21, a22, a23, a24);

  size_t ow = group.ow, oh = group.oh, n = group.n;
  const float* HWY_RESTRICT g = dy + begin * s.in_c + channel;
  for (size_t left = end - begin; left != 0;) {
    const size_t row_end = s.out_w - ow < left ? s.out_w : ow + left;
    left -= row_end - ow;
    const ptrdiff_t ih0 = static_cast<ptrdiff_t>(oh * s.stride_h) -
                          static_cast<ptrdiff_t>(s.pad_top) +
                          static_cast<ptrdiff_t>(group.kernel_row) *
                              static_cast<ptrdiff_t>(s.dilation_h);
    const ptrdiff_t ih1 = ih0 + s.dilation_h, ih2 = ih1 + s.dilation_h;
    const bool in0 = ih0 >= 0 && ih0 < height;
    const bool in1 = kRows > 1 && ih1 >= 0 && ih1 < height;
    const bool in2 = kRows > 2 && ih2 >= 0 && ih2 < height;
    const float* HWY_RESTRICT image = source.x +
                                      (n - source.first_image) * source.image +
                                      channel - source.channel;
    const auto row_at = [&](bool inside, ptrdiff_t ih) {
      return inside ? image + (ih - first_row) * row_floats : image;
    };
    const float* HWY_RESTRICT x0 = row_at(in0, ih0);
    const float* HWY_RESTRICT x1 = row_at(in1, ih1);
    const float* HWY_RESTRICT x2 = row_at(in2, ih2);
    ptrdiff_t column = static_cast<ptrdiff_t>(ow * s.stride_w) -
                       static_cast<ptrdiff_t>(s.pad_left) +
                       static_cast<ptrdiff_t>(group.kernel_col) * tap;

    const size_t inner_begin =
        group.inner_begin < row_end ? group.inner_begin : row_end;
    const size_t inner_end =
        group.inner_end < row_end ? group.inner_end : row_end;
    for (; ow < row_end; ++ow, column += s.stride_w, g += channels) {
      if (ow == inner_begin) {
        if constexpr (kStep != 0) {
          for (; ow + 4 <= inner_end;
               ow += 4, column += 4 * s.stride_w, g += 4 * channels) {
            const V d0 = access.Load(g);
            const V d1 = access.Load(g + channels);
            const V d2 = access.Load(g + 2 * channels);
            const V d3 = access.Load(g + 3 * channels);
            const ptrdiff_t at = column * pixel;
            if (in0)
              DyColumns<0, kTaps, kStep, 4>(access, x0 + at, col, d0, d1, d2,
                                            d3, a00, a01, a02, a03, a04);
            if (in1)
              DyColumns<0, kTaps, kStep, 4>(access, x1 + at, col, d0, d1, d2,
                                            d3, a10, a11, a12, a13, a14);
            if (in2)
              DyColumns<0, kTaps, kStep, 4>(access, x2 + at, col, d0, d1, d2,
                                            d3, a20, a21, a22, a23, a24);
          }
        }
        for (; ow < inner_end; ++ow, column += s.stride_w, g += channels) {
          const V dv = access.Load(g);
          const ptrdiff_t at = column * pixel;
          if (in0)
            DyColumns<0, kTaps, 1, 1>(access, x0 + at, col, dv, dv, dv, dv, a00,
                                      a01, a02, a03, a04);
          if (in1)
            DyColumns<0, kTaps, 1, 1>(access, x1 + at, col, dv, dv, dv, dv, a10,
                                      a11, a12, a13, a14);
          if (in2)
            DyColumns<0, kTaps, 1, 1>(access, x2 + at, col, dv, dv, dv, dv, a20,
                                      a21, a22, a23, a24);
        }
        if (ow == row_end) break;
      }
      const V dv = access.Load(g);
      if constexpr (kTaps == 3) {
        // The usual edges: the first or the last tap is outside.
        const ptrdiff_t at = column * pixel;
        if (column == -tap && column + 2 * tap < width) {
          if (in0) DyTaps<1, 3>(access, x0 + at, col, dv, a00, a01, a02);
          if (in1) DyTaps<1, 3>(access, x1 + at, col, dv, a10, a11, a12);
          if (in2) DyTaps<1, 3>(access, x2 + at, col, dv, a20, a21, a22);
          continue;
        }
        if (column >= 0 && column + 2 * tap == width) {
          if (in0) DyTaps<0, 2>(access, x0 + at, col, dv, a00, a01, a02);
          if (in1) DyTaps<0, 2>(access, x1 + at, col, dv, a10, a11, a12);
          if (in2) DyTaps<0, 2>(access, x2 + at, col, dv, a20, a21, a22);
          continue;
        }
      }
      if (in0)
        DyEdge<kTaps>(access, x0, column, tap, width, pixel, dv, a00, a01, a02,
                      a03, a04);
      if (in1)
        DyEdge<kTaps>(access, x1, column, tap, width, pixel, dv, a10, a11, a12,
                      a13, a14);
      if (in2)
        DyEdge<kTaps>(access, x2, column, tap, width, pixel, dv, a20, a21, a22,
                      a23, a24);
    }
    ow = 0;
    if (++oh == s.out_h) oh = 0, ++n;
  }

  StoreTaps<kTaps>(access, a00, a01, a02, a03, a04, p0, stride);
  if constexpr (kRows > 1)
    StoreTaps<kTaps>(access, a10, a11, a12, a13, a14, p1, stride);
  if constexpr (kRows > 2)
    StoreTaps<kTaps>(access, a20, a21, a22, a23, a24, p2, stride);
}

// The channels [c0, c1) of one group.
template <int kRows, int kTaps, int kStep>
void WeightGroup(const ConvShape& s, const WeightSource& source,
                 const TapGroup& group, size_t begin, size_t end, size_t c0,
                 size_t c1, const float* dy, float* partial, size_t stride) {
  ForEachChannelVector(c0, c1, [&](auto access, size_t c) HWY_ATTR {
    WeightPass<kRows, kTaps, kStep>(access, s, source, group, begin, end, c, dy,
                                    partial, stride);
  });
}

// Chooses the loop for a group of rows x taps.
void RunGroup(const ConvShape& s, const WeightSource& source,
              const TapGroup& group, size_t rows, size_t taps, size_t begin,
              size_t end, size_t c0, size_t c1, const float* dy, float* partial,
              size_t stride) {
  const auto run = [&](auto loop) {
    loop(s, source, group, begin, end, c0, c1, dy, partial, stride);
  };
  const bool one = s.stride_w == s.dilation_w;
  const bool two = s.stride_w == 2 * s.dilation_w;
  if (rows == 3) {
    return one   ? run(WeightGroup<3, 3, 1>)
           : two ? run(WeightGroup<3, 3, 2>)
                 : run(WeightGroup<3, 3, 0>);
  }
  if (rows == 2) {
    return one ? run(WeightGroup<2, 5, 1>) : run(WeightGroup<2, 5, 2>);
  }
  if (taps == 5) return run(WeightGroup<1, 5, 0>);
  if (taps == 4) return run(WeightGroup<1, 4, 0>);
  if (taps == 3) return run(WeightGroup<1, 3, 0>);
  if (taps == 2) return run(WeightGroup<1, 2, 0>);
  run(WeightGroup<1, 1, 0>);
}

// A piece of the usual kind, if it is one.
bool WeightPiece(const ConvShape& s, const WeightSource& source, size_t begin,
                 size_t end, size_t c0, size_t c1, const float* dy,
                 float* partial, size_t stride) {
  if (s.kernel_h != 3 || s.kernel_w != 3 || s.dilation_h != 1 ||
      s.dilation_w != 1 || s.stride_h != s.stride_w)
    return false;
  if (s.stride_w == 1)
    return WeightPiece3<1>(s, source, begin, end, c0, c1, dy, partial, stride);
  if (s.stride_w == 2)
    return WeightPiece3<2>(s, source, begin, end, c0, c1, dy, partial, stride);
  return false;
}

// Adds the outputs [begin, end) of one chunk, channels [c0, c1), to partial
// (kernel_h * kernel_w rows of `stride` >= RoundUp(channels, 16) floats).
void WeightChunk(const ConvShape& s, const WeightSource& source, size_t begin,
                 size_t end, size_t c0, size_t c1, const float* dy,
                 float* partial, size_t stride) {
  const bool shared =
      s.stride_w == s.dilation_w || s.stride_w == 2 * s.dilation_w;
  // Many channels: pixels are so far apart that they map to few sets of the L1
  // cache, and lines that another channel vector has read are soon evicted.
  const size_t piece = source.pixel < 512 ? kDepthwisePiece : 4;
  while (begin < end) {
    // A piece of whole output rows that stays in the cache while all groups and
    // channel vectors walk over it.
    size_t stop = (begin + piece + s.out_w - 1) / s.out_w * s.out_w;
    if (stop > end) stop = end;
    if (WeightPiece(s, source, begin, stop, c0, c1, dy, partial, stride)) {
      begin = stop;
      continue;
    }
    for (size_t kh = 0; kh < s.kernel_h;) {
      size_t rows = 1;
      for (size_t kw = 0; kw < s.kernel_w;) {
        const size_t left = s.kernel_w - kw;
        const size_t taps = left < 5 ? left : 5;
        if (s.kernel_w == 3 && s.kernel_h - kh >= 3) rows = 3;
        if (s.kernel_w == 5 && s.kernel_h - kh >= 2 && shared) rows = 2;
        TapGroup group;
        group.n = begin / s.out_w / s.out_h;
        group.oh = begin / s.out_w % s.out_h;
        group.ow = begin % s.out_w;
        group.kernel_row = kh;
        group.kernel_col = kw;
        InnerRange(static_cast<ptrdiff_t>(kw * s.dilation_w) -
                       static_cast<ptrdiff_t>(s.pad_left),
                   s.stride_w,
                   static_cast<ptrdiff_t>((taps - 1) * s.dilation_w), s.in_w,
                   s.out_w, &group.inner_begin, &group.inner_end);
        RunGroup(s, source, group, rows, taps, begin, stop, c0, c1, dy, partial,
                 stride);
        kw += taps;
      }
      kh += rows;
    }
    begin = stop;
  }
}

// a += b.
void AddFloats(size_t count, float* HWY_RESTRICT a,
               const float* HWY_RESTRICT b) {
  ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
    access.Store(hn::Add(access.Load(a + j), access.Load(b + j)), a + j);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
