// Factors per channel or element: dispatch and threads. The loops are in
// channel_factors-inl.h.
#include "simd/channel_factors.h"

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/channel_factors.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/channel_factors-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(MultiplyRange);
HWY_EXPORT(MultiplyChannelRows);
HWY_EXPORT(PreluRows);
HWY_EXPORT(PreluBackwardRows);

namespace {

size_t RowGrain(size_t channels) {
  return (kElementGrain + channels - 1) / channels;
}

}  // namespace

void Multiply(size_t n, const float* a, const float* b, bool accumulate,
              float* y, const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MultiplyRange)
                (begin, end, a, b, accumulate, y);
              });
}

void MultiplyChannels(size_t rows, size_t channels, const float* a,
                      const float* b, bool accumulate, float* y,
                      const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MultiplyChannelRows)
                (begin, end, channels, a, b, accumulate, y);
              });
}

void PreluForward(size_t rows, size_t channels, const float* x,
                  const float* slope, float* y,
                  const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(PreluRows)
                (begin, end, channels, x, slope, y);
              });
}

void PreluBackward(size_t rows, size_t channels, const float* x,
                   const float* slope, const float* dy, bool accumulate,
                   float* dx, const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(PreluBackwardRows)
                (begin, end, channels, x, slope, dy, accumulate, dx);
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
