// Sweep: the description of one row of depthwise outputs, or of a few rows with
// the same taps. Private to depthwise.cc (which fills it in) and
// depthwise-inl.h (which runs it).
#ifndef TEMPER_SIMD_DEPTHWISE_SWEEP_H_
#define TEMPER_SIMD_DEPTHWISE_SWEEP_H_

#include <cstddef>

namespace temper::simd {

// Output j, channel c:
//   y[j * y_pixel + c] = bias[c] + sum over r < rows, t < taps of
//     x[r * x_row + column * x_col + c] * w[r * w_row + t * w_tap + c],
//   column = first + j * pixel + t * tap, where 0 <= column < width.
// Columns may run against memory (x_col < 0, x at column 0).
struct Sweep {
  const float* x;
  ptrdiff_t x_row, x_col;
  ptrdiff_t first, pixel, tap, width;
  const float* w;
  ptrdiff_t w_row, w_tap;
  size_t rows, taps;
  const float* bias;  // null: +0
  float* y;
  ptrdiff_t y_pixel;
  size_t count;
  bool accumulate;                // y += instead
  size_t inner_begin, inner_end;  // outputs whose taps are all inside
  // Rows of outputs with the same tap rows, and the way from one to the next.
  size_t lines = 1;
  ptrdiff_t x_line = 0, y_line = 0;
};

// Most lines of a sweep, so that the data that a channel vector walks over stay
// in the L1 cache. line: floats of the source between two lines.
constexpr size_t MostLines(size_t line) {
  return line == 0 || line > 4096 ? 1 : 4096 / line;
}

// Where the weight gradient reads: element (n, ih, iw, c) lies at
//   x[(n - first_image) * image + (ih - first_row) * row + iw * pixel
//     + c - channel]
struct WeightSource {
  const float* x = nullptr;
  size_t pixel = 0, row = 0, image = 0;
  size_t first_image = 0, first_row = 0, channel = 0;
};

// Output pixels that the weight gradient takes at a time.
inline constexpr size_t kDepthwisePiece = 64;

// Outputs j in [*begin, *end) of `count` have 0 <= first + j * pixel and
// first + j * pixel + reach < width; reach is the distance of the last tap.
inline void InnerRange(ptrdiff_t first, ptrdiff_t pixel, ptrdiff_t reach,
                       ptrdiff_t width, size_t count, size_t* begin,
                       size_t* end) {
  const ptrdiff_t n = static_cast<ptrdiff_t>(count);
  ptrdiff_t lo = first >= 0 ? 0 : (-first + pixel - 1) / pixel;
  const ptrdiff_t last = width - 1 - reach - first;
  ptrdiff_t hi = last < 0 ? 0 : last / pixel + 1;
  if (lo > n) lo = n;
  if (hi > n) hi = n;
  if (hi < lo) hi = lo;
  *begin = static_cast<size_t>(lo);
  *end = static_cast<size_t>(hi);
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_DEPTHWISE_SWEEP_H_
