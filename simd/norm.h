// Batch normalisation over rows x channels (rows = batch * h * w), lanes over
// channels. Statistics: each kChunkUnit rows yield their mean and their sum of
// squared deviations from that mean (two passes while they are in cache), taken
// of x less the channel's value in row 0; the units of a chunk (rows.h) are
// merged in ascending order, then the chunks pairwise, by Chan's formula
//   delta = mean_b - mean_a, n = n_a + n_b,
//   mean = mean_a + delta * (n_b / n), m2 = m2_a + m2_b + delta^2 * (n_a n_b /
//   n)
// so nothing cancels as E[x^2] - E[x]^2 would (Chan, Golub, LeVeque 1979).
// The backward sums cut each chunk further into tiles of 24 rows (504 = 21 *
// 24): a tile is one chain from +0, and joins the chunk's sum in ascending
// order. One chain through a whole chunk costs ten times PyTorch's error where
// the terms cancel (docs/design/003-batch-norm-sums.md). Requires: as gemm.h;
// in-place y == x and dx == dy are allowed where said. Order: bits do not
// depend on target (FMA) or threads. Error: variance rtol 2e-6 against double,
// mean 2e-6 * (|mean| + standard deviation), backward rtol 1e-5. Next:
// norm-inl.h, runtime/layers/batch_norm.cc, tests/reference/norm.h.
#ifndef TEMPER_SIMD_NORM_H_
#define TEMPER_SIMD_NORM_H_

#include <cstddef>

#include "simd/rows.h"
#include "temper/parallel.h"

namespace temper::simd {

// mean (channels), variance (channels; population, divided by rows).
size_t BatchStatsScratch(size_t rows, size_t channels);
void BatchStats(size_t rows, size_t channels, const float* x, float* mean,
                float* variance, void* scratch, const ParallelRunner& parallel);

// rstd = 1 / sqrt(variance + eps); scale = gamma * rstd;
// shift = beta - mean * scale. rstd may be null.
void BatchNormCoefficients(size_t channels, const float* mean,
                           const float* variance, const float* gamma,
                           const float* beta, float eps, float* rstd,
                           float* scale, float* shift);

// running = running + momentum * (value - running), with value = mean, and
// variance * variance_factor (rows / (rows - 1) for the unbiased convention).
void UpdateRunningStats(size_t channels, float momentum, float variance_factor,
                        const float* mean, const float* variance,
                        float* running_mean, float* running_variance);

// y = x * scale + shift per channel. y == x allowed.
void ScaleShift(size_t rows, size_t channels, const float* x,
                const float* scale, const float* shift, float* y,
                const ParallelRunner& parallel);

// dbeta = sum dy, dgamma = sum dy * (x - mean) * rstd, by the chunk rule.
// Overwrites dbeta and dgamma.
size_t BatchNormSumsScratch(size_t rows, size_t channels);
void BatchNormSums(size_t rows, size_t channels, const float* x,
                   const float* dy, const float* mean, const float* rstd,
                   float* dgamma, float* dbeta, void* scratch,
                   const ParallelRunner& parallel);

// Live statistics: dx = gamma * rstd * (dy - dbeta/rows - xhat * dgamma/rows),
// xhat = (x - mean) * rstd. dx == dy allowed. accumulate adds to dx (then dx
// must not be dy).
void BatchNormBackward(size_t rows, size_t channels, const float* x,
                       const float* dy, const float* mean, const float* rstd,
                       const float* gamma, const float* dgamma,
                       const float* dbeta, bool accumulate, float* dx,
                       const ParallelRunner& parallel);

// Frozen statistics: dx = (accumulate ? dx : 0) + dy * scale. dx == dy allowed
// without accumulate.
void ScaleBackward(size_t rows, size_t channels, const float* dy,
                   const float* scale, bool accumulate, float* dx,
                   const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_NORM_H_
