// Depthwise convolution loops. Contract: depthwise.h. Helpers: channels-inl.h.
//
// Forward and input gradient share one loop, a Sweep: along one output row,
// each output sums over tap rows and taps at fixed steps in the source. The
// input gradient is swept from right to left, so that its taps, too, step
// forward in ascending kernel order; with stride s it is s sweeps of every s-th
// column with every s-th tap. Outputs whose taps are all inside go in blocks of
// four or six that share source columns (3x3 and less: weights in registers),
// the others test their taps; the order of taps is the same. Next: depthwise.cc
// makes the sweeps, depthwise_strided-inl.h has the input gradient of 3x3
// kernels with stride 2, depthwise_weights-inl.h the gradient of the weights.
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
template <int kT, class V>
HWY_INLINE V Pick(V w0, V w1, V w2, V w3, V w4) {
  if constexpr (kT == 0) return w0;
  if constexpr (kT == 1) return w1;
  if constexpr (kT == 2) return w2;
  if constexpr (kT == 3) return w3;
  return w4;
}

// acc + v * (weight kT), if there is such a tap.
template <int kT, int kTaps, class V>
HWY_INLINE V TapIf(V acc, V v, V w0, V w1, V w2, V w3, V w4) {
  if constexpr (kT < 0 || kT >= kTaps) {
    return acc;
  } else {
    return hn::MulAdd(v, Pick<kT>(w0, w1, w2, w3, w4), acc);
  }
}

// Loads source column kI and gives it to all of kPixels outputs, kStep columns
// apart, that use it; then continues with column kI + 1. Each output adds its
// taps in ascending order.
template <int kI, int kTaps, int kStep, int kPixels, class Access, class V>
HWY_INLINE void Columns(Access access, const float* HWY_RESTRICT x,
                        ptrdiff_t col, V w0, V w1, V w2, V w3, V w4, V& a0,
                        V& a1, V& a2, V& a3, V& a4, V& a5, V& a6, V& a7) {
  const V v = access.Load(x + kI * col);
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
  if constexpr (kPixels > 6)
    a6 = TapIf<kI - 6 * kStep, kTaps>(a6, v, w0, w1, w2, w3, w4);
  if constexpr (kPixels > 7)
    a7 = TapIf<kI - 7 * kStep, kTaps>(a7, v, w0, w1, w2, w3, w4);
  if constexpr (kI + 1 < kStep * (kPixels - 1) + kTaps) {
    Columns<kI + 1, kTaps, kStep, kPixels>(access, x, col, w0, w1, w2, w3, w4,
                                           a0, a1, a2, a3, a4, a5, a6, a7);
  }
}

template <bool kAccumulate, class Access>
HWY_INLINE void Put(Access access, typename Access::V acc, float* y) {
  StoreVector(access, kAccumulate ? hn::Add(access.Load(y), acc) : acc, y);
}
template <class Access>
HWY_INLINE void Put(Access access, const Sweep& s, typename Access::V acc,
                    float* y) {
  s.accumulate ? Put<true>(access, acc, y) : Put<false>(access, acc, y);
}

template <class Access>
HWY_INLINE typename Access::V Start(Access access, const Sweep& s,
                                    size_t channel) {
  return s.bias == nullptr ? access.Zero() : access.Load(s.bias + channel);
}

// Outputs [j, end) in blocks of kPixels; returns the first one left over.
template <int kTaps, int kStep, int kPixels, class Access>
HWY_INLINE size_t Blocks(Access access, const Sweep& s, size_t channel,
                         size_t j, size_t end) {
  using V = typename Access::V;
  // Floats from one shared source column to the next.
  const ptrdiff_t col = (kTaps == 1 ? s.pixel : s.tap) * s.x_col;
  const float* HWY_RESTRICT w = s.w + channel;
  for (; j + kPixels <= end; j += kPixels) {
    const ptrdiff_t first = s.first + static_cast<ptrdiff_t>(j) * s.pixel;
    const float* HWY_RESTRICT x = s.x + channel + first * s.x_col;
    V a0 = Start(access, s, channel);
    V a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
    for (size_t r = 0; r < s.rows; ++r) {
      const float* HWY_RESTRICT wr = w + static_cast<ptrdiff_t>(r) * s.w_row;
      const V w0 = access.Load(wr);
      const V w1 = kTaps > 1 ? access.Load(wr + s.w_tap) : w0;
      const V w2 = kTaps > 2 ? access.Load(wr + 2 * s.w_tap) : w0;
      const V w3 = kTaps > 3 ? access.Load(wr + 3 * s.w_tap) : w0;
      const V w4 = kTaps > 4 ? access.Load(wr + 4 * s.w_tap) : w0;
      Columns<0, kTaps, kStep, kPixels>(
          access, x + static_cast<ptrdiff_t>(r) * s.x_row, col, w0, w1, w2, w3,
          w4, a0, a1, a2, a3, a4, a5, a6, a7);
    }
    float* y = s.y + channel + static_cast<ptrdiff_t>(j) * s.y_pixel;
    Put(access, s, a0, y);
    if constexpr (kPixels > 1) Put(access, s, a1, y + s.y_pixel);
    if constexpr (kPixels > 2) Put(access, s, a2, y + 2 * s.y_pixel);
    if constexpr (kPixels > 3) Put(access, s, a3, y + 3 * s.y_pixel);
    if constexpr (kPixels > 4) Put(access, s, a4, y + 4 * s.y_pixel);
    if constexpr (kPixels > 5) Put(access, s, a5, y + 5 * s.y_pixel);
    if constexpr (kPixels > 6) Put(access, s, a6, y + 6 * s.y_pixel);
    if constexpr (kPixels > 7) Put(access, s, a7, y + 7 * s.y_pixel);
  }
  return j;
}

// Any number of taps, four outputs at a time.
template <class Access>
HWY_INLINE size_t AnyTaps(Access access, const Sweep& s, size_t channel,
                          size_t j, size_t end) {
  using V = typename Access::V;
  const ptrdiff_t pixel = s.pixel * s.x_col;
  for (; j + 4 <= end; j += 4) {
    const ptrdiff_t first = s.first + static_cast<ptrdiff_t>(j) * s.pixel;
    V a0 = Start(access, s, channel);
    V a1 = a0, a2 = a0, a3 = a0;
    for (size_t r = 0; r < s.rows; ++r) {
      const float* HWY_RESTRICT x =
          s.x + channel + first * s.x_col + static_cast<ptrdiff_t>(r) * s.x_row;
      const float* HWY_RESTRICT w =
          s.w + channel + static_cast<ptrdiff_t>(r) * s.w_row;
      for (size_t t = 0; t < s.taps; ++t) {
        const V weight = access.Load(w);
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
HWY_NOINLINE void Edge(Access access, const Sweep& s, size_t channel, size_t j,
                       size_t end) {
  using V = typename Access::V;
  for (; j < end; ++j) {
    const ptrdiff_t first = s.first + static_cast<ptrdiff_t>(j) * s.pixel;
    V acc = Start(access, s, channel);
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

// Chains that fill the pipelines of a core whose multiply-adds take four cycles
// (Arm: two of them at once).
#if HWY_ARCH_ARM_A64
inline constexpr int kLongBlock = 8;
#else
inline constexpr int kLongBlock = 6;
#endif

template <int kTaps, int kStep, class Access>
HWY_INLINE void Interior(Access access, const Sweep& s, size_t channel,
                         size_t j, size_t end) {
  j = Blocks<kTaps, kStep, kLongBlock>(access, s, channel, j, end);
  if (kLongBlock > 6) j = Blocks<kTaps, kStep, 4>(access, s, channel, j, end);
  j = Blocks<kTaps, kStep, 2>(access, s, channel, j, end);
  Blocks<kTaps, kStep, 1>(access, s, channel, j, end);
}

HWY_INLINE size_t ClampIndex(size_t value, size_t low, size_t high) {
  return value < low ? low : value > high ? high : value;
}

// Calls body(access, channel, first, last output) for all channel vectors of a
// stretch of outputs, stretch by stretch. Many channels: short ones, since a
// long walk with a wide stride falls on few sets of the first-level cache.
template <class Body>
HWY_INLINE void ForEachSegment(const Sweep& s, size_t channels, Body&& body) {
  size_t length = s.count;
  if (length * channels > 2048)
    length = channels < 512 ? 2048 / channels / 4 * 4 : 4;
  for (size_t begin = 0; begin < s.count; begin += length) {
    const size_t end = s.count - begin < length ? s.count : begin + length;
    ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
      body(access, c, begin, end);
    });
  }
}

// Taps [kBegin, kEnd) of one row of at most three, all inside.
template <int kBegin, int kEnd, class Access, class V>
HWY_INLINE V TapRow(Access access, const float* HWY_RESTRICT x, ptrdiff_t tap,
                    V w0, V w1, V w2, V acc) {
  if constexpr (kBegin == 0) acc = hn::MulAdd(access.Load(x), w0, acc);
  if constexpr (kBegin <= 1 && kEnd > 1)
    acc = hn::MulAdd(access.Load(x + tap), w1, acc);
  if constexpr (kBegin <= 2 && kEnd > 2)
    acc = hn::MulAdd(access.Load(x + 2 * tap), w2, acc);
  return acc;
}
template <int kRows, int kBegin, int kEnd, class Access, class V>
HWY_INLINE V TapRows(Access access, const float* HWY_RESTRICT x0,
                     const float* HWY_RESTRICT x1, const float* HWY_RESTRICT x2,
                     ptrdiff_t tap, V w00, V w01, V w02, V w10, V w11, V w12,
                     V w20, V w21, V w22, V acc) {
  acc = TapRow<kBegin, kEnd>(access, x0, tap, w00, w01, w02, acc);
  if constexpr (kRows > 1)
    acc = TapRow<kBegin, kEnd>(access, x1, tap, w10, w11, w12, acc);
  if constexpr (kRows > 2)
    acc = TapRow<kBegin, kEnd>(access, x2, tap, w20, w21, w22, acc);
  return acc;
}

// One output that may lie at an edge: column is that of its first tap. Taps
// inside follow each other, so one choice serves all rows.
template <int kRows, int kTaps, class Access, class V>
HWY_INLINE V EdgeOutput(Access access, const float* HWY_RESTRICT x0,
                        const float* HWY_RESTRICT x1,
                        const float* HWY_RESTRICT x2, ptrdiff_t column,
                        ptrdiff_t width, ptrdiff_t tap, ptrdiff_t x_col, V w00,
                        V w01, V w02, V w10, V w11, V w12, V w20, V w21, V w22,
                        V acc) {
  const auto inside = [&](int t) {
    return t < kTaps && column + t * tap >= 0 && column + t * tap < width;
  };
  const ptrdiff_t at = column * x_col, col = tap * x_col;
  x0 += at, x1 += at, x2 += at;
#define TEMPER_TAPS(begin, end)                                               \
  TapRows<kRows, (begin), (end)>(access, x0, x1, x2, col, w00, w01, w02, w10, \
                                 w11, w12, w20, w21, w22, acc)
  if (inside(0)) {
    if (inside(2)) return TEMPER_TAPS(0, 3);
    return inside(1) ? TEMPER_TAPS(0, 2) : TEMPER_TAPS(0, 1);
  }
  if (inside(1)) return inside(2) ? TEMPER_TAPS(1, 3) : TEMPER_TAPS(1, 2);
  if (inside(2)) return TEMPER_TAPS(2, 3);
#undef TEMPER_TAPS
  return acc;
}

// Outputs of a block: enough chains to fill the pipelines, few enough that nine
// weights stay in registers as well.
#if HWY_ARCH_ARM_V7 || (HWY_ARCH_X86 && HWY_MAX_BYTES < 64)
inline constexpr int kSmallBlock = 4;  // of 16 registers
#elif HWY_ARCH_ARM_A64
inline constexpr int kSmallBlock = kLongBlock;
#else
inline constexpr int kSmallBlock = 6;
#endif

template <int kRows, int kTaps, int kStep, int kPixels, bool kAccumulate,
          class Access, class V>
HWY_INLINE void SmallBlock(Access access, const float* HWY_RESTRICT x0,
                           const float* HWY_RESTRICT x1,
                           const float* HWY_RESTRICT x2, ptrdiff_t col, V w00,
                           V w01, V w02, V w10, V w11, V w12, V w20, V w21,
                           V w22, V start, const float* start_memory, float* y,
                           ptrdiff_t y_pixel) {
  V a0 = Copy(access, start, start_memory);
  V a1 = Copy(access, start, start_memory);
  V a2 = Copy(access, start, start_memory);
  V a3 = Copy(access, start, start_memory);
  V a4 = kPixels > 4 ? Copy(access, start, start_memory) : start;
  V a5 = kPixels > 4 ? Copy(access, start, start_memory) : start;
  V a6 = kPixels > 6 ? Copy(access, start, start_memory) : start;
  V a7 = kPixels > 6 ? Copy(access, start, start_memory) : start;
  Columns<0, kTaps, kStep, kPixels>(access, x0, col, w00, w01, w02, w00, w00,
                                    a0, a1, a2, a3, a4, a5, a6, a7);
  if constexpr (kRows > 1)
    Columns<0, kTaps, kStep, kPixels>(access, x1, col, w10, w11, w12, w00, w00,
                                      a0, a1, a2, a3, a4, a5, a6, a7);
  if constexpr (kRows > 2)
    Columns<0, kTaps, kStep, kPixels>(access, x2, col, w20, w21, w22, w00, w00,
                                      a0, a1, a2, a3, a4, a5, a6, a7);
  Put<kAccumulate>(access, a0, y);
  Put<kAccumulate>(access, a1, y + y_pixel);
  if constexpr (kPixels > 2) {
    Put<kAccumulate>(access, a2, y + 2 * y_pixel);
    Put<kAccumulate>(access, a3, y + 3 * y_pixel);
  }
  if constexpr (kPixels > 4) {
    Put<kAccumulate>(access, a4, y + 4 * y_pixel);
    Put<kAccumulate>(access, a5, y + 5 * y_pixel);
  }
  if constexpr (kPixels > 6) {
    Put<kAccumulate>(access, a6, y + 6 * y_pixel);
    Put<kAccumulate>(access, a7, y + 7 * y_pixel);
  }
}

// Whether all lines of a sweep reuse the weights that are in registers. On A64
// the loop over lines would take registers that the loop over blocks needs.
inline constexpr bool kLinesInside = !HWY_ARCH_ARM_A64;

// The outputs [begin, end) of every line of a sweep (A64: of the first) of at
// most 3 x 3 taps, one channel vector, with the weights in registers.
template <int kRows, int kTaps, int kStep, bool kAccumulate, class Access>
HWY_INLINE void SmallSweep(Access access, const Sweep& s, size_t channel,
                           size_t begin, size_t end) {
  using V = typename Access::V;
  const float* HWY_RESTRICT w = s.w + channel;
  const V w00 = access.Load(w);
  const V w01 = kTaps > 1 ? access.Load(w + s.w_tap) : w00;
  const V w02 = kTaps > 2 ? access.Load(w + 2 * s.w_tap) : w00;
  if constexpr (kRows > 1) w += s.w_row;
  const V w10 = kRows > 1 ? access.Load(w) : w00;
  const V w11 = kRows > 1 && kTaps > 1 ? access.Load(w + s.w_tap) : w00;
  const V w12 = kRows > 1 && kTaps > 2 ? access.Load(w + 2 * s.w_tap) : w00;
  if constexpr (kRows > 2) w += s.w_row;
  const V w20 = kRows > 2 ? access.Load(w) : w00;
  const V w21 = kRows > 2 && kTaps > 1 ? access.Load(w + s.w_tap) : w00;
  const V w22 = kRows > 2 && kTaps > 2 ? access.Load(w + 2 * s.w_tap) : w00;
  const V start = Start(access, s, channel);
  HWY_ALIGN float start_memory[16];
  access.StoreAll(start, start_memory);
  const ptrdiff_t col = (kTaps == 1 ? s.pixel : s.tap) * s.x_col;
  const ptrdiff_t pixel = s.pixel * s.x_col;
  const size_t inner_begin = ClampIndex(s.inner_begin, begin, end);
  const size_t inner_end = ClampIndex(s.inner_end, begin, end);
  const auto column = [&](size_t j) {
    return s.first + static_cast<ptrdiff_t>(j) * s.pixel;
  };
  // The usual edges: one output without its first tap, one without its last.
  const bool left = kTaps == 3 && inner_begin == begin + 1 &&
                    column(begin) + s.tap == 0 && 2 * s.tap <= s.width;
  const bool right = kTaps == 3 && inner_end + 1 == end &&
                     column(inner_end) >= 0 &&
                     column(inner_end) + 2 * s.tap == s.width;
  // Source offset of the first output's first tap.
  const ptrdiff_t start_at = column(begin) * s.x_col;
  for (size_t line = 0; line < (kLinesInside ? s.lines : 1); ++line) {
    const ptrdiff_t i = kLinesInside ? static_cast<ptrdiff_t>(line) : 0;
    const float* HWY_RESTRICT x0 = s.x + channel + i * s.x_line;
    const float* HWY_RESTRICT x1 = kRows > 1 ? x0 + s.x_row : x0;
    const float* HWY_RESTRICT x2 = kRows > 2 ? x1 + s.x_row : x0;
    float* y = s.y + channel + i * s.y_line +
               static_cast<ptrdiff_t>(begin) * s.y_pixel;
    ptrdiff_t at = start_at;
    size_t j = begin;
#define TEMPER_OUTPUT(first, last)                                            \
  Put<kAccumulate>(access,                                                    \
                   TapRows<kRows, (first), (last)>(                           \
                       access, x0 + at, x1 + at, x2 + at, col, w00, w01, w02, \
                       w10, w11, w12, w20, w21, w22, start),                  \
                   y);                                                        \
  ++j, at += pixel, y += s.y_pixel
#define TEMPER_EDGE()                                                          \
  Put<kAccumulate>(access,                                                     \
                   EdgeOutput<kRows, kTaps>(                                   \
                       access, x0, x1, x2, column(j), s.width, s.tap, s.x_col, \
                       w00, w01, w02, w10, w11, w12, w20, w21, w22, start),    \
                   y);                                                         \
  ++j, at += pixel, y += s.y_pixel
#define TEMPER_BLOCK(pixels)                                                \
  SmallBlock<kRows, kTaps, kStep, (pixels), kAccumulate>(                   \
      access, x0 + at, x1 + at, x2 + at, col, w00, w01, w02, w10, w11, w12, \
      w20, w21, w22, start, start_memory, y, s.y_pixel);                    \
  j += (pixels), at += (pixels)*pixel, y += (pixels)*s.y_pixel
    if (left) {
      TEMPER_OUTPUT(1, 3);
    }
    while (j < inner_begin) {
      TEMPER_EDGE();
    }
    while (j + kSmallBlock <= inner_end) {
      TEMPER_BLOCK(kSmallBlock);
    }
    if (kSmallBlock > 4 && j + 4 <= inner_end) {
      TEMPER_BLOCK(4);
    }
    if (j + 2 <= inner_end) {
      TEMPER_BLOCK(2);
    }
    if (j < inner_end) {
      TEMPER_OUTPUT(0, kTaps);
    }
    if (right) {
      TEMPER_OUTPUT(0, 2);
    }
    while (j < end) {
      TEMPER_EDGE();
    }
#undef TEMPER_OUTPUT
#undef TEMPER_EDGE
#undef TEMPER_BLOCK
  }
}

template <int kRows, int kTaps, int kStep, bool kAccumulate>
HWY_NOINLINE void RunSmall(const Sweep& in, size_t channels) {
  // A local copy that does not escape can stay in registers across stores.
  const Sweep s = in;
  ForEachSegment(s, channels,
                 [&](auto access, size_t c, size_t begin, size_t end) HWY_ATTR {
                   SmallSweep<kRows, kTaps, kStep, kAccumulate>(access, s, c,
                                                                begin, end);
                 });
}

template <int kTaps, int kStep>
void RunFive(const Sweep& in, size_t channels) {
  const Sweep s = in;
  ForEachSegment(s, channels,
                 [&](auto access, size_t c, size_t begin, size_t end) HWY_ATTR {
                   const size_t inner_begin =
                       ClampIndex(s.inner_begin, begin, end);
                   const size_t inner_end = ClampIndex(s.inner_end, begin, end);
                   Edge(access, s, c, begin, inner_begin);
                   Interior<kTaps, kStep>(access, s, c, inner_begin, inner_end);
                   Edge(access, s, c, inner_end, end);
                 });
}

void RunAny(const Sweep& in, size_t channels) {
  const Sweep s = in;
  ForEachSegment(
      s, channels,
      [&](auto access, size_t c, size_t begin, size_t end) HWY_ATTR {
        const size_t inner_begin = ClampIndex(s.inner_begin, begin, end);
        const size_t inner_end = ClampIndex(s.inner_end, begin, end);
        Edge(access, s, c, begin, inner_begin);
        const size_t j = AnyTaps(access, s, c, inner_begin, inner_end);
        Edge(access, s, c, j, end);
      });
}

template <int kRows, int kTaps, int kStep>
void RunSmallRow(const Sweep& s, size_t channels) {
  if (s.accumulate) return RunSmall<kRows, kTaps, kStep, true>(s, channels);
  RunSmall<kRows, kTaps, kStep, false>(s, channels);
}

template <int kTaps, int kStep>
void RunSmallRows(const Sweep& s, size_t channels) {
  // Fewer than three taps come from strided gradients, with fewer rows too.
  if constexpr (kTaps == 3) {
    if (s.rows == 3) return RunSmallRow<3, kTaps, kStep>(s, channels);
  }
  if (s.rows == 2) return RunSmallRow<2, kTaps, kStep>(s, channels);
  RunSmallRow<1, kTaps, kStep>(s, channels);
}

// One sweep over all channels and lines.
void RunSweep(const Sweep& s, size_t channels) {
  // Source columns are shared between outputs if their distance is a multiple
  // of the distance of taps.
  const bool one = s.taps == 1 || s.pixel == s.tap;
  const bool two = s.pixel == 2 * s.tap;
  const bool small = s.taps >= 1 && s.taps <= 3 && s.rows >= 1 &&
                     s.rows <= (s.taps == 3 ? 3 : 2) &&
                     (one || (two && s.taps == 3));
  const auto run = [&](const Sweep& part) {
    if (small && s.taps == 3) {
      one ? RunSmallRows<3, 1>(part, channels)
          : RunSmallRows<3, 2>(part, channels);
    } else if (small && s.taps == 2) {
      RunSmallRows<2, 1>(part, channels);
    } else if (small && s.taps == 1) {
      RunSmallRows<1, 1>(part, channels);
    } else if (s.taps == 5 && one) {
      RunFive<5, 1>(part, channels);
    } else if (s.taps == 5 && two) {
      RunFive<5, 2>(part, channels);
    } else {
      RunAny(part, channels);
    }
  };
  if (s.lines == 1 || (small && kLinesInside)) return run(s);
  Sweep line = s;
  for (size_t i = 0; i < s.lines; ++i) {
    run(line);
    line.x += s.x_line, line.y += s.y_line;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
