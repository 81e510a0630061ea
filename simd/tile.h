// The entry points under gemm.h and conv.h: two loops over register tiles.
// Both compute outer products: rows are broadcast, columns are lanes.
//
//   Product    many rows (pixels of a grid), short sums: A is read through one
//              pointer per row, B is packed in panels or row-major.
//   Reduction  few rows, long sums (weight gradients): A and B are both read
//              along the sum.
//
// The sum runs over a Walk: up to three nested loops, so that a convolution
// needs no copy of its taps. Offsets and strides are in floats.
// Next: gemm-inl.h (the tile), conv.cc and conv_weights.cc (the users).
#ifndef TEMPER_SIMD_TILE_H_
#define TEMPER_SIMD_TILE_H_

#include <cstddef>

namespace temper::simd {

// Most rows of one register tile and vectors side by side, on any target.
inline constexpr size_t kMaxTileRows = 16;
inline constexpr size_t kMaxTileVectors = 4;

constexpr size_t DivUp(size_t value, size_t by) {
  return (value + by - 1) / by;
}

// `count` steps over (image, row, col), the last one fastest, beginning at
// (0, first_row, first_col). Row and col wrap at rows and cols; image does not.
struct Walk {
  size_t count = 0;
  size_t cols = 1, rows = 1;
  size_t first_col = 0, first_row = 0;
  size_t col_step = 1, row_step = 0, image_step = 0;
};

// c[pixel][j] = start + sum over the walk of a[pixel][step] * b[step][j].
// A pixel is an element of images x rows x cols, flattened.
struct Product {
  size_t images = 1, rows = 1, cols = 1;
  const float* a = nullptr;
  size_t a_image = 0, a_row = 0, a_col = 0;  // strides over pixels
  Walk walk;  // offsets into a from a pixel; col_step is 1
  // Element (step, j) lies at
  // b + j / kPanel * b_panel + step * b_step + j % kPanel.
  const float* b = nullptr;
  size_t b_panel = 0, b_step = 0;
  const float* bias = nullptr;  // start value per column; null: +0
  bool accumulate = false;      // start from c; then bias is null
  bool fetch_ahead = false;     // a comes from memory, row after row
  float* c = nullptr;
  size_t c_image = 0, c_row = 0, c_col = 0;
};

// Pixels [pixel_begin, pixel_end), columns [col_begin, col_end); col_begin is a
// multiple of kPanel.
void RunProduct(const Product& p, size_t pixel_begin, size_t pixel_end,
                size_t col_begin, size_t col_end);

// c (rows, cols; row stride ldc) = sum over the walk of a[row] * b[col].
struct Reduction {
  // With a_offsets the walk moves through a: row r reads a + a_offsets[r], and
  // b moves by dense_step. Without, row r reads a + r, which moves by
  // dense_step, and the walk moves through b.
  const float* a = nullptr;
  const size_t* a_offsets = nullptr;
  const float* b = nullptr;
  size_t dense_step = 0;
  Walk walk;
  size_t rows = 0, cols = 0;  // rows <= kMaxTileRows
  float* c = nullptr;
  size_t ldc = 0;
  bool resume = false;  // the chains go on from c instead of +0
  bool add = false;     // c = c + chain; not with resume
};
void RunReduction(const Reduction& r);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_TILE_H_
