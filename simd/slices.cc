// Kernels that move rows: dispatch and threads. Contract: slices.h.
#include "simd/slices.h"

#include <cstring>

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/slices.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/slices-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(AddSliceRows);
HWY_EXPORT(UpsampleBackwardRows);

namespace {

size_t RowGrain(size_t count) { return (kElementGrain + count - 1) / count; }

}  // namespace

void CopySlice(size_t rows, size_t count, const float* from, size_t from_stride,
               bool accumulate, float* to, size_t to_stride,
               const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(count),
              [&](size_t begin, size_t end, size_t) {
                if (accumulate) {
                  HWY_DYNAMIC_DISPATCH(AddSliceRows)
                  (begin, end, count, from, from_stride, to, to_stride);
                  return;
                }
                for (size_t r = begin; r < end; ++r) {
                  std::memcpy(to + r * to_stride, from + r * from_stride,
                              count * sizeof(float));
                }
              });
}

void UpsampleForward(uint32_t batch, size_t h, size_t w, size_t channels,
                     size_t factor, const float* x, float* y,
                     const ParallelRunner& parallel) {
  const size_t line = w * factor * channels;
  ParallelFor(parallel, batch * h, RowGrain(line * factor),
              [&](size_t begin, size_t end, size_t) {
                for (size_t r = begin; r < end; ++r) {
                  float* const to = y + r * factor * line;
                  for (size_t i = 0; i < w * factor; ++i) {
                    std::memcpy(to + i * channels,
                                x + (r * w + i / factor) * channels,
                                channels * sizeof(float));
                  }
                  for (size_t i = 1; i < factor; ++i) {
                    std::memcpy(to + i * line, to, line * sizeof(float));
                  }
                }
              });
}

void UpsampleBackward(uint32_t batch, size_t h, size_t w, size_t channels,
                      size_t factor, const float* dy, bool accumulate,
                      float* dx, const ParallelRunner& parallel) {
  ParallelFor(parallel, batch * h, RowGrain(w * factor * factor * channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(UpsampleBackwardRows)
                (begin, end, w, channels, factor, dy, accumulate, dx);
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
