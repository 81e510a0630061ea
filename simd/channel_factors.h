// Element-by-element kernels with a factor per channel or per element, over rows
// x channels, contiguous. Results smaller than 2^-63 in magnitude become +0
// (flush-inl.h). Order and threads cannot matter. Requires: as gemm.h. In place
// (y == a, dx == dy) is allowed. Error: one rounding, two with accumulate.
// Next: channel_factors-inl.h, runtime/layers/multiply.cc, prelu.cc.
#ifndef TEMPER_SIMD_CHANNEL_FACTORS_H_
#define TEMPER_SIMD_CHANNEL_FACTORS_H_

#include <cstddef>

#include "temper/parallel.h"

namespace temper::simd {

// y = (accumulate ? y : 0) + a * b, n elements each.
void Multiply(size_t n, const float* a, const float* b, bool accumulate,
              float* y, const ParallelRunner& parallel);
// The same with b (channels).
void MultiplyChannels(size_t rows, size_t channels, const float* a,
                      const float* b, bool accumulate, float* y,
                      const ParallelRunner& parallel);

// y = x > 0 ? x : slope[c] * x. NaN stays.
void PreluForward(size_t rows, size_t channels, const float* x,
                  const float* slope, float* y, const ParallelRunner& parallel);
// dx = (accumulate ? dx : 0) + (x > 0 ? dy : slope[c] * dy).
void PreluBackward(size_t rows, size_t channels, const float* x,
                   const float* slope, const float* dy, bool accumulate,
                   float* dx, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_CHANNEL_FACTORS_H_
