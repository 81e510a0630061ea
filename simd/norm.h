// Batch normalisation over rows x channels (rows = batch * h * w), lanes over
// channels. Statistics: one pass, of x less a pivot, the channel's mean over 24
// rows spread over the first unit. A unit of kChunkUnit rows is four chains of
// a quarter of it, for the sum s and the sum of squares q, combined as
// (0+1)+(2+3); its mean is s / n, its m2 q - s * s / n; the units of a chunk
// (rows.h) are merged in ascending order, then the chunks pairwise, by Chan's
// formula
//   delta = mean_b - mean_a, n = n_a + n_b,
//   mean = mean_a + delta * (n_b / n),
//   m2 = m2_a + m2_b + delta^2 * (n_a n_b / n)
// (Chan, Golub, LeVeque 1979). The pivot lies within a fraction of a standard
// deviation of the mean, so that q - s * s / n does not cancel.
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

#include "simd/prologue.h"
#include "simd/rows.h"
#include "temper/parallel.h"

namespace temper::simd {

// mean (channels), variance (channels; population, divided by rows). May be
// asked for in parts (rows.h), the first one of at least kChunkUnit rows, with
// the same scratch; x is the whole tensor's; the result comes with the last.
size_t BatchStatsScratch(size_t rows, size_t channels);
void BatchStats(size_t rows, RowRange part, size_t channels, const float* x,
                float* mean, float* variance, void* scratch,
                const ParallelRunner& parallel);

// rstd = 1 / sqrt(variance + eps); scale = gamma * rstd;
// shift = beta - mean * scale. rstd may be null.
void BatchNormCoefficients(size_t channels, const float* mean,
                           const float* variance, const float* gamma,
                           const float* beta, float eps, float* rstd,
                           float* scale, float* shift);

// running = (1 - momentum) * running + momentum * value, with value = mean, and
// variance * variance_factor (rows / (rows - 1) for the unbiased convention):
// with momentum 1 the old value has no effect. Below 2^-63 in magnitude: +0.
void UpdateRunningStats(size_t channels, float momentum, float variance_factor,
                        const float* mean, const float* variance,
                        float* running_mean, float* running_variance);

// Backward, where dx smaller than 2^-63 in magnitude becomes +0 (flush-inl.h).
// y = act(x * scale + shift) was read through `prologue`
// (prologue.h): dy is the gradient after the activation, g in front of it,
// where the activation is open. Without an activation g is dy and the prologue
// may be the identity.

// dbeta = sum g, dgamma = sum g * (x - mean) * rstd, by the chunk rule.
// Overwrites dbeta and dgamma. In parts of any size (rows.h), with the same
// scratch; the result comes with the last.
size_t BatchNormSumsScratch(size_t rows, size_t channels);
void BatchNormSums(size_t rows, RowRange part, size_t channels, const float* x,
                   const Prologue& prologue, const float* dy, const float* mean,
                   const float* rstd, float* dgamma, float* dbeta,
                   void* scratch, const ParallelRunner& parallel);

// Live statistics: dx = gamma * rstd * (g - dbeta/rows - xhat * dgamma/rows),
// xhat = (x - mean) * rstd. dx == dy allowed. accumulate adds to dx (then dx
// must not be dy). With an activation prologue.scale must be gamma * rstd.
// Only the rows of `part`; x, dy and dx are the whole tensors'.
void BatchNormBackward(size_t rows, RowRange part, size_t channels,
                       const float* x, const Prologue& prologue,
                       const float* dy, const float* mean, const float* rstd,
                       const float* gamma, const float* dgamma,
                       const float* dbeta, bool accumulate, float* dx,
                       const ParallelRunner& parallel);

// Frozen statistics: dx = (accumulate ? dx : 0) + g * prologue.scale. dx == dy
// allowed without accumulate. x is read only with an activation.
void ScaleBackward(size_t rows, size_t channels, const float* x,
                   const Prologue& prologue, const float* dy, bool accumulate,
                   float* dx, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_NORM_H_
