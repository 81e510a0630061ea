// Pooling: dispatch and splitting over threads: output rows forward, input rows
// backward, so that no two threads write the same element.
// The loops are in pool-inl.h.
#include "simd/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/pool.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/pool-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(MaxForwardRows);
HWY_EXPORT(MaxBackwardRows);
HWY_EXPORT(AvgForwardRows);
HWY_EXPORT(AvgBackwardRows);
HWY_EXPORT(GlobalForwardBlock);
HWY_EXPORT(GlobalBackwardPixels);

namespace {

// Rows worth one task: every output pixel looks at its whole window.
size_t PoolGrain(const ConvShape& s, size_t image_rows) {
  const size_t work = size_t{s.out_h} * s.out_w * s.in_c * s.kernel_h *
                          s.kernel_w / (image_rows == 0 ? 1 : image_rows) +
                      1;
  return (kElementGrain + work - 1) / work;
}

}  // namespace

void MaxPoolForward(const ConvShape& s, uint32_t batch, const float* x,
                    float* y, const ParallelRunner& parallel) {
  ParallelFor(parallel, size_t{batch} * s.out_h, PoolGrain(s, s.out_h),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MaxForwardRows)(s, begin, end, x, y);
              });
}

void MaxPoolBackward(const ConvShape& s, uint32_t batch, const float* x,
                     const float* dy, bool accumulate, float* dx,
                     const ParallelRunner& parallel) {
  ParallelFor(parallel, size_t{batch} * s.in_h, PoolGrain(s, s.in_h),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MaxBackwardRows)
                (s, begin, end, accumulate, x, dy, dx);
              });
}

void AvgPoolForward(const ConvShape& s, const AvgPoolOptions& options,
                    uint32_t batch, const float* x, float* y,
                    const ParallelRunner& parallel) {
  ParallelFor(parallel, size_t{batch} * s.out_h, PoolGrain(s, s.out_h),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(AvgForwardRows)
                (s, options, begin, end, x, y);
              });
}

void AvgPoolBackward(const ConvShape& s, const AvgPoolOptions& options,
                     uint32_t batch, const float* dy, bool accumulate,
                     float* dx, const ParallelRunner& parallel) {
  ParallelFor(parallel, size_t{batch} * s.in_h, PoolGrain(s, s.in_h),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(AvgBackwardRows)
                (s, options, begin, end, accumulate, dy, dx);
              });
}

void GlobalAvgPoolForward(uint32_t batch, size_t pixels, size_t channels,
                          const float* x, const Prologue& prologue, float* y,
                          const ParallelRunner& parallel) {
  const size_t blocks = (channels + kGlobalBlock - 1) / kGlobalBlock;
  const size_t work =
      pixels * (channels < kGlobalBlock ? channels : kGlobalBlock);
  ParallelFor(parallel, batch * blocks, (kElementGrain + work - 1) / work,
              [&](size_t begin, size_t end, size_t) {
                for (size_t i = begin; i < end; ++i) {
                  const size_t n = i / blocks, c = i % blocks * kGlobalBlock;
                  const size_t left = channels - c;
                  HWY_DYNAMIC_DISPATCH(GlobalForwardBlock)
                  (pixels, channels, c,
                   c + (left < kGlobalBlock ? left : kGlobalBlock),
                   x + n * pixels * channels, prologue, y + n * channels);
                }
              });
}

void GlobalAvgPoolBackward(uint32_t batch, size_t pixels, size_t channels,
                           const float* dy, bool accumulate, float* dx,
                           const ParallelRunner& parallel) {
  ParallelFor(
      parallel, batch * pixels, (kElementGrain + channels - 1) / channels,
      [&](size_t begin, size_t end, size_t) {
        while (begin < end) {
          const size_t n = begin / pixels, first = n * pixels;
          const size_t stop = first + pixels < end ? first + pixels : end;
          HWY_DYNAMIC_DISPATCH(GlobalBackwardPixels)
          (begin - first, stop - first, pixels, channels, dy + n * channels,
           accumulate, dx + first * channels);
          begin = stop;
        }
      });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
