// Geometry shared by the three directions of a convolution: bands, staging and
// walks over taps. Plain code, compiled once; the vector code is gemm-inl.h.
//
//   batch x height  -> bands: some rows of one image, or several whole images
//   band            -> staged: source rows copied between zeros, so that no
//                      inner loop tests for the border
//   taps            -> Walk: (kernel_h, kernel_w, channel) as nested runs
//
// Next: conv.cc (forward, data gradient), conv_weights.cc (weight gradient).
#ifndef TEMPER_SIMD_CONV_BANDS_H_
#define TEMPER_SIMD_CONV_BANDS_H_

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "simd/conv.h"
#include "simd/gemm.h"
#include "simd/prologue.h"
#include "simd/rows.h"
#include "simd/tile.h"

namespace temper::simd {

// ConvShape in the types the arithmetic needs, with the batch.
struct ConvSizes {
  size_t batch;
  ptrdiff_t in_h, in_w, out_h, out_w;
  size_t in_c, out_c, kernel_h, kernel_w;
  ptrdiff_t stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  size_t groups, group_in, group_out;  // channels per group
  bool one_column = false;             // the batch lies in in_h and out_h

  ConvSizes(const ConvShape& s, size_t n)
      : batch(n),
        in_h(s.in_h),
        in_w(s.in_w),
        out_h(s.out_h),
        out_w(s.out_w),
        in_c(s.in_c),
        out_c(s.out_c),
        kernel_h(s.kernel_h),
        kernel_w(s.kernel_w),
        stride_h(s.stride_h),
        stride_w(s.stride_w),
        pad_top(s.pad_top),
        pad_left(s.pad_left),
        dilation_h(s.dilation_h),
        dilation_w(s.dilation_w),
        groups(s.groups),
        group_in(s.in_c / s.groups),
        group_out(s.out_c / s.groups) {
    if (kernel_h == 1) dilation_h = 1;
    if (kernel_w == 1) dilation_w = 1;
    // Pixels of a 1 x 1 convolution are independent: one long column of them.
    if (kernel_h == 1 && kernel_w == 1 && stride_h == 1 && stride_w == 1 &&
        pad_top == 0 && pad_left == 0 && in_h == out_h && in_w == out_w) {
      in_h = out_h = static_cast<ptrdiff_t>(batch) * in_h * in_w;
      in_w = out_w = 1;
      batch = batch == 0 ? 0 : 1;
      one_column = true;
    }
  }
  size_t Taps() const { return kernel_h * kernel_w; }
  size_t OutPixels() const {
    return batch * static_cast<size_t>(out_h * out_w);
  }
};

// How batch x rows of a grid are cut into bands. Shape only.
struct BandCut {
  size_t batch = 0, rows = 0, cols = 0;  // the grid
  size_t images = 1, band_rows = 0;      // of one full band
  size_t row_bands = 1, image_bands = 1;
  size_t source_rows = 0;    // rows one image of a band reads
  size_t source_floats = 0;  // of a band, for this batch or less
  size_t pixels = 0;         // of the grid, likewise

  size_t Count() const { return image_bands * row_bands; }
};

// A grid row reads `extent` source rows of row_floats, the next one row_step
// further. A band reads at most 48 KB where one row does, but goes up to 128 KB
// to have `pixels` pixels: fewer would not fill tiles. rows_vary: a smaller
// batch may have fewer rows.
inline BandCut CutBands(size_t batch, size_t rows, size_t cols, size_t row_step,
                        size_t extent, size_t row_floats, size_t pixels,
                        bool rows_vary = false) {
  constexpr size_t kFloats = 48 * 1024 / sizeof(float);
  constexpr size_t kMostFloats = 128 * 1024 / sizeof(float);
  const auto floats = [&](size_t n) {
    return ((n - 1) * row_step + extent) * row_floats;
  };
  BandCut cut;
  cut.batch = batch;
  cut.rows = rows;
  cut.cols = cols;
  size_t n = 1;
  while (n < rows && (floats(n + 1) <= kFloats ||
                      (n * cols < pixels && floats(n + 1) <= kMostFloats))) {
    ++n;
  }
  cut.row_bands = DivUp(rows, n);
  cut.band_rows = DivUp(rows, cut.row_bands);
  cut.row_bands = DivUp(rows, cut.band_rows);
  cut.source_rows = (cut.band_rows - 1) * row_step + extent;
  size_t images = 1;
  if (n == rows) {
    const size_t image = floats(rows);
    while (images < batch && ((images + 1) * image <= kFloats ||
                              (images * rows * cols < pixels &&
                               (images + 1) * image <= kMostFloats))) {
      ++images;
    }
  }
  cut.image_bands = DivUp(batch, images);
  cut.images = DivUp(batch, cut.image_bands);
  // Not cut.images: scratch for a large batch must do for a smaller one too.
  if (!rows_vary) n = cut.band_rows;
  cut.source_floats = images * floats(n);
  cut.pixels = images * n * cols;
  return cut;
}

// One band: images [image, image + images), grid rows [row, row + rows).
struct Band {
  size_t image, images, row, rows;
};
inline Band BandAt(const BandCut& cut, size_t i) {
  Band band;
  band.image = i / cut.row_bands * cut.images;
  band.images = std::min(cut.images, cut.batch - band.image);
  band.row = i % cut.row_bands * cut.band_rows;
  band.rows = std::min(cut.band_rows, cut.rows - band.row);
  return band;
}

// Copies c channels of pixels that lie `step` floats apart, or what the
// prologue (of these channels) makes of them, to contiguous pixels.
inline void StagePixels(size_t pixels, size_t step, size_t c, const float* from,
                        const Prologue& prologue, float* to) {
  if (step != c && !prologue.IsIdentity()) {
    StagePrologue(pixels, step, 0, c, from, prologue, to);
    return;
  }
  if (step != c) {
    float* at = to;
    for (size_t i = 0; i < pixels; ++i, from += step, at += c) {
      size_t j = 0;
      for (; j + 16 <= c; j += 16) {  // of constant size: no call
        std::memcpy(at + j, from + j, 16 * sizeof(float));
      }
      for (; j < c; ++j) at[j] = from[j];
    }
  } else if (!prologue.IsIdentity()) {
    ApplyPrologue(pixels, c, from, prologue, to);
  } else {
    std::memcpy(to, from, pixels * c * sizeof(float));
  }
}

// Copies the window rows [row, row + rows) x cols [col, col + cols) of an image
// (h, w), c channels of pixels `step` floats apart, through the prologue;
// outside the image lies zero.
inline void StageWindow(const float* image, ptrdiff_t h, ptrdiff_t w,
                        size_t step, size_t c, ptrdiff_t row, ptrdiff_t rows,
                        ptrdiff_t col, ptrdiff_t cols, const Prologue& prologue,
                        float* to) {
  if (col == 0 && cols == w) {  // whole rows: one piece between zeros
    const size_t line = static_cast<size_t>(w) * c;
    const ptrdiff_t top = std::clamp<ptrdiff_t>(-row, 0, rows);
    const ptrdiff_t below = std::clamp<ptrdiff_t>(h - row, top, rows);
    const size_t inside = static_cast<size_t>(below - top);
    std::fill_n(to, static_cast<size_t>(top) * line, 0.0f);
    to += static_cast<size_t>(top) * line;
    if (inside != 0) {
      StagePixels(inside * static_cast<size_t>(w), step, c,
                  image + static_cast<size_t>((row + top) * w) * step, prologue,
                  to);
    }
    std::fill_n(to + inside * line, static_cast<size_t>(rows - below) * line,
                0.0f);
    return;
  }
  const ptrdiff_t first = std::clamp<ptrdiff_t>(-col, 0, cols);
  const ptrdiff_t last = std::clamp<ptrdiff_t>(w - col, first, cols);
  const size_t left = static_cast<size_t>(first) * c;
  const size_t middle = static_cast<size_t>(last - first) * c;
  const size_t right = static_cast<size_t>(cols - last) * c;
  for (ptrdiff_t r = row; r < row + rows; ++r) {
    if (r < 0 || r >= h || middle == 0) {
      std::fill_n(to, left + middle + right, 0.0f);
    } else {
      std::fill_n(to, left, 0.0f);
      StagePixels(static_cast<size_t>(last - first), step, c,
                  image + static_cast<size_t>(r * w + col + first) * step,
                  prologue, to + left);
      std::fill_n(to + left + middle, right, 0.0f);
    }
    to += left + middle + right;
  }
}

// Where a band's pixels are read: in the source itself or in its staged copy.
struct Window {
  const float* at = nullptr;  // element (image 0, row 0, col 0)
  size_t image_floats = 0, row_floats = 0;
};

// A source image batch read by bands, and where it is staged.
struct Source {
  ptrdiff_t h, w;
  size_t pixel_floats;             // from pixel to pixel
  size_t channels;                 // of the window: fewer only if staged
  ptrdiff_t first_row, first_col;  // of the window at grid pixel (0, 0)
  ptrdiff_t row_step;              // source rows per grid row
  ptrdiff_t cols;                  // of the window
  bool staged;  // the window leaves the source, or is seen through a prologue
  BandCut cut;

  size_t RowFloats() const {
    return staged ? static_cast<size_t>(cols) * channels
                  : static_cast<size_t>(w) * pixel_floats;
  }
  size_t StagedFloats() const { return staged ? cut.source_floats : 0; }

  // The window of a band; x and prologue begin at its first channel. first_*
  // may point before the source only if staged.
  Window Open(const float* x, const Prologue& prologue, const Band& band,
              float* stage) const {
    const ptrdiff_t row =
        first_row + static_cast<ptrdiff_t>(band.row) * row_step;
    const size_t image = static_cast<size_t>(h * w) * pixel_floats;
    Window window;
    window.row_floats = RowFloats();
    const float* from = x + band.image * image;
    if (!staged) {
      window.at =
          from + static_cast<size_t>(row * w + first_col) * pixel_floats;
      window.image_floats = image;
      return window;
    }
    const ptrdiff_t rows =
        static_cast<ptrdiff_t>(cut.source_rows) -
        static_cast<ptrdiff_t>(cut.band_rows - band.rows) * row_step;
    window.at = stage;
    window.image_floats = cut.source_rows * window.row_floats;
    for (size_t i = 0; i < band.images; ++i) {
      StageWindow(from + i * image, h, w, pixel_floats, channels, row, rows,
                  first_col, cols, prologue, stage + i * window.image_floats);
    }
    return window;
  }
};

// x as forward and weight gradient read it: by bands of output rows, `channels`
// at a time if it is staged.
inline Source ForwardSource(const ConvSizes& s, size_t channels,
                            size_t band_pixels, bool prologue) {
  Source source;
  source.h = s.in_h;
  source.w = s.in_w;
  source.pixel_floats = s.in_c;
  source.first_row = -s.pad_top;
  source.first_col = -s.pad_left;
  source.row_step = s.stride_h;
  const ptrdiff_t extent_h =
      (static_cast<ptrdiff_t>(s.kernel_h) - 1) * s.dilation_h + 1;
  const ptrdiff_t extent_w =
      (static_cast<ptrdiff_t>(s.kernel_w) - 1) * s.dilation_w + 1;
  const ptrdiff_t rows = (s.out_h - 1) * s.stride_h + extent_h;
  source.cols = (s.out_w - 1) * s.stride_w + extent_w;
  source.staged = prologue || s.pad_top != 0 || s.pad_left != 0 ||
                  rows > s.in_h || source.cols > s.in_w;
  source.channels = source.staged ? channels : s.in_c;
  source.cut = CutBands(
      s.batch, static_cast<size_t>(s.out_h), static_cast<size_t>(s.out_w),
      static_cast<size_t>(s.stride_h), static_cast<size_t>(extent_h),
      static_cast<size_t>(source.cols) * source.channels, band_pixels,
      s.one_column);
  return source;
}

// The taps of a kernel as a walk over (kernel_h, kernel_w, channel of the
// group), merged into longer runs where taps are neighbours in memory.
inline Walk TapWalk(size_t taps_h, size_t taps_w, size_t step_h, size_t step_w,
                    size_t row_floats, size_t channels, size_t group_channels) {
  Walk walk;
  walk.count = taps_h * taps_w * group_channels;
  if (walk.count == 0) return walk;
  const bool whole_pixels = group_channels == channels;
  if (taps_w == 1 || (step_w == 1 && whole_pixels)) {
    walk.cols = taps_w * group_channels;
    walk.rows = taps_h;
    walk.row_step = step_h * row_floats;
    if (walk.row_step == walk.cols) walk.cols = walk.count, walk.rows = 1;
  } else {
    walk.cols = group_channels;
    walk.rows = taps_w;
    walk.row_step = step_w * channels;
    walk.image_step = step_h * row_floats;
  }
  return walk;
}

// Bytes of a scratch part: 64-byte aligned, followed by the readable tail.
constexpr size_t PartBytes(size_t floats) {
  return RoundUp(floats * sizeof(float), 64) + (floats == 0 ? 0 : kTailBytes);
}

// Slots a ParallelFor over `units` can use.
constexpr size_t SlotCount(size_t units, size_t threads) {
  return std::max<size_t>(1, std::min(units, threads));
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_CONV_BANDS_H_
