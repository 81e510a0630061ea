// Geometry of pooling windows along one axis, and what a window is divided by.
// Private to pool.cc and pool-inl.h.
#ifndef TEMPER_SIMD_POOL_WINDOW_H_
#define TEMPER_SIMD_POOL_WINDOW_H_

#include <cstddef>

#include "simd/pool.h"

namespace temper::simd {

// Channels of one task of the global average.
inline constexpr size_t kGlobalBlock = 64;

struct Span {
  size_t begin, end;
};

// The part of window `out` that lies in [0, size); empty if it is all padding.
inline Span WindowSpan(size_t out, size_t kernel, size_t stride, size_t pad,
                       size_t size) {
  const size_t from = out * stride, to = from + kernel;  // shifted by pad
  Span span;
  span.begin = from < pad ? 0 : from - pad;
  span.end = to < pad ? 0 : to - pad;
  if (span.end > size) span.end = size;
  if (span.begin > span.end) span.begin = span.end;
  return span;
}

// The windows of `count` that contain input position `at`; for an empty span,
// begin is the first window after it.
inline Span WindowsCovering(size_t at, size_t kernel, size_t stride, size_t pad,
                            size_t count) {
  const size_t shifted = at + pad;
  Span span;
  span.begin = shifted < kernel ? 0 : (shifted - kernel) / stride + 1;
  span.end = shifted / stride + 1;
  if (span.end > count) span.end = count;
  if (span.begin > span.end) span.begin = span.end;
  return span;
}

// PyTorch's rule. A window without taps has sum 0 and divisor at least 1, so
// that its average is 0.
inline float WindowDivisor(const ConvShape& s, const AvgPoolOptions& options,
                           size_t oh, size_t ow) {
  const Span rows = WindowSpan(oh, s.kernel_h, s.stride_h, s.pad_top, s.in_h);
  const Span cols = WindowSpan(ow, s.kernel_w, s.stride_w, s.pad_left, s.in_w);
  const size_t inside = (rows.end - rows.begin) * (cols.end - cols.begin);
  if (inside == 0) return 1.0f;
  if (!options.count_include_pad) return static_cast<float>(inside);
  // Clipped to the padded image, in its own coordinates.
  const size_t bottom = size_t{s.pad_top} + s.in_h + options.pad_bottom;
  const size_t right = size_t{s.pad_left} + s.in_w + options.pad_right;
  const size_t top = oh * s.stride_h, left = ow * s.stride_w;
  const size_t h = top + s.kernel_h < bottom ? s.kernel_h : bottom - top;
  const size_t w = left + s.kernel_w < right ? s.kernel_w : right - left;
  return static_cast<float>(h * w);
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_POOL_WINDOW_H_
