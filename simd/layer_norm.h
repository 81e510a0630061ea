// Layer normalisation: each row of `channels` floats by its own mean and
// population variance (Ba, Kiros, Hinton 2016). Sums to one number by the 16
// virtual lanes of sum-inl.h: the mean first, then the squares of what is left.
// Requires: as gemm.h. In place (y == x, dx == dy) is allowed. Error: y rtol 4e-6
// of the row's largest |y - bias|, dx rtol 1e-5 of its largest term.
// dgamma and dbeta: column_products.h (ColumnNormalizedProducts) and ColumnSums.
// Next: layer_norm-inl.h, runtime/layers/layer_norm.cc.
#ifndef TEMPER_SIMD_LAYER_NORM_H_
#define TEMPER_SIMD_LAYER_NORM_H_

#include <cstddef>

#include "temper/parallel.h"

namespace temper::simd {

// y = (x - mean) * rstd * gamma + beta, rstd = 1 / sqrt(variance + eps). mean and
// rstd (rows) are written.
void LayerNormForward(size_t rows, size_t channels, const float* x,
                      const float* gamma, const float* beta, float eps,
                      float* mean, float* rstd, float* y,
                      const ParallelRunner& parallel);

// dx = (accumulate ? dx : 0) + rstd * (g - mean of g - xhat * mean of g xhat),
// g = dy * gamma, xhat = (x - mean) * rstd; smaller than 2^-63 in magnitude: +0.
void LayerNormBackward(size_t rows, size_t channels, const float* x,
                       const float* mean, const float* rstd, const float* gamma,
                       const float* dy, bool accumulate, float* dx,
                       const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_LAYER_NORM_H_
