// Pooling over NHWC, lanes over channels; windows may overlap and be padded.
// ConvShape with in_c == out_c == groups and dilation 1; bottom and right
// padding follow from the output size.
// Max: padding is minus infinity, the first maximum in (kh, kw) order wins, NaN
// wins over everything and the first NaN wins. Average: the window is summed in
// ascending (kh, kw) and divided by the window size. With count_include_pad
// that is kernel_h * kernel_w clipped to the padded image, as in PyTorch; else
// the number of taps inside. Global average: sum over pixels of a sample by the
// chunk rule of rows.h (rows = h * w), times 1 / (h * w) as one division.
// Backward sums into dx in ascending output order per element: gather form, so
// that threads may split over input rows. Requires: as gemm.h; no overlap.
// Error: max exact, averages rtol 2e-6. Next: pool-inl.h,
// tests/reference/pool.h.
#ifndef TEMPER_SIMD_POOL_H_
#define TEMPER_SIMD_POOL_H_

#include "simd/conv.h"
#include "simd/prologue.h"

namespace temper::simd {

void MaxPoolForward(const ConvShape& s, uint32_t batch, const float* x,
                    float* y, const ParallelRunner& parallel);
// Recomputes the winner of each window from x.
void MaxPoolBackward(const ConvShape& s, uint32_t batch, const float* x,
                     const float* dy, bool accumulate, float* dx,
                     const ParallelRunner& parallel);

// pad_bottom and pad_right are needed for count_include_pad.
struct AvgPoolOptions {
  uint32_t pad_bottom, pad_right;
  bool count_include_pad;
};
void AvgPoolForward(const ConvShape& s, const AvgPoolOptions& options,
                    uint32_t batch, const float* x, float* y,
                    const ParallelRunner& parallel);
void AvgPoolBackward(const ConvShape& s, const AvgPoolOptions& options,
                     uint32_t batch, const float* dy, bool accumulate,
                     float* dx, const ParallelRunner& parallel);

// x (batch, pixels, channels), read through the prologue -> y (batch,
// channels).
void GlobalAvgPoolForward(uint32_t batch, size_t pixels, size_t channels,
                          const float* x, const Prologue& prologue, float* y,
                          const ParallelRunner& parallel);
void GlobalAvgPoolBackward(uint32_t batch, size_t pixels, size_t channels,
                           const float* dy, bool accumulate, float* dx,
                           const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_POOL_H_
