// Batch normalisation: dispatch, splitting over threads, and the order in which
// chunks are combined. The loops are in norm-inl.h.
#include "simd/norm.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/chunk_tasks.h"
#include "simd/norm-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(MergeStats);
HWY_EXPORT(ChunkStats);
HWY_EXPORT(FinishStats);
HWY_EXPORT(Coefficients);
HWY_EXPORT(RunningStats);
HWY_EXPORT(Pivot);
HWY_EXPORT(ChunkSums);
HWY_EXPORT(AddPartial);
HWY_EXPORT(FinishSums);
HWY_EXPORT(BackwardRows);
HWY_EXPORT(ScaleBackwardRows);

namespace {

using HWY_NAMESPACE::kStatsBlock;

size_t RowGrain(size_t channels) {
  return (kElementGrain + channels - 1) / channels;
}

// Two padded vectors per chunk.
size_t PartialBytes(size_t rows, size_t channels) {
  return MostChunks(rows) * 2 * RoundUp(channels, 16) * sizeof(float);
}

// Calls f(chunk, first row, last row, first channel, channels) for every chunk
// that [begin, end) touches, with the rows in common, and every block of
// channels; they are independent of each other.
template <class F>
void ForEachChunkBlock(size_t rows, size_t begin, size_t end, size_t channels,
                       const ParallelRunner& parallel, F&& f) {
  if (begin >= end) return;
  const size_t step = ChunkRows(rows);
  const size_t first_chunk = begin / step;
  const size_t chunks = (end - 1) / step + 1 - first_chunk;
  // With fewer chunks than threads the channels are split further.
  size_t width = kStatsBlock;
  if (chunks < parallel.threads) {
    const size_t share = RoundUp(channels / parallel.threads + 1, 16);
    if (share < width) width = share;
  }
  ForEachChunkTask(
      parallel, rows, begin, end, (channels + width - 1) / width,
      RowGrain(std::min(channels, width)),
      [&](size_t chunk, size_t first, size_t last, size_t block, size_t) {
        const size_t channel = block * width;
        f(chunk, first, last, channel, std::min(width, channels - channel));
      });
}

}  // namespace

size_t BatchStatsScratch(size_t rows, size_t channels) {
  return PartialBytes(rows, channels) + RoundUp(channels, 16) * sizeof(float);
}

void BatchStats(size_t rows, RowRange part, size_t channels, const float* x,
                float* mean, float* variance, void* scratch,
                const ParallelRunner& parallel) {
  const size_t padded = RoundUp(channels, 16);
  const size_t step = ChunkRows(rows);
  float* const pivot = static_cast<float*>(scratch);
  float* const partial = pivot + padded;
  if (part.first == 0) HWY_DYNAMIC_DISPATCH(Pivot)(rows, channels, x, pivot);
  ForEachChunkBlock(
      rows, WholePieces(rows, part.first, kChunkUnit),
      WholePieces(rows, part.End(), kChunkUnit), channels, parallel,
      [&](size_t chunk, size_t first, size_t last, size_t channel,
          size_t count) {
        float* const to = partial + chunk * 2 * padded + channel;
        const size_t row = chunk * step;
        HWY_DYNAMIC_DISPATCH(ChunkStats)
        (first - row, last - row, channels, count, x + row * channels + channel,
         pivot + channel, to, to + padded);
      });
  if (part.End() != rows) return;
  // Rows after each partial result; sums of whole numbers below 2^24 are exact
  // and larger ones round the same way everywhere.
  float sizes[kMaxChunks];
  const size_t chunks = ChunkCount(rows);
  for (size_t i = 0; i < chunks; ++i) {
    sizes[i] =
        static_cast<float>(rows - i * step < step ? rows - i * step : step);
  }
  CombineTree(chunks, [&](size_t i, size_t j) {
    float* const a = partial + i * 2 * padded;
    const float* const b = partial + j * 2 * padded;
    HWY_DYNAMIC_DISPATCH(MergeStats)
    (channels, sizes[i], a, a + padded, sizes[j], b, b + padded);
    sizes[i] += sizes[j];
  });
  HWY_DYNAMIC_DISPATCH(FinishStats)
  (channels, rows, pivot, partial, partial + padded, mean, variance);
}

void BatchNormCoefficients(size_t channels, const float* mean,
                           const float* variance, const float* gamma,
                           const float* beta, float eps, float* rstd,
                           float* scale, float* shift) {
  HWY_DYNAMIC_DISPATCH(Coefficients)
  (channels, mean, variance, gamma, beta, eps, rstd, scale, shift);
}

void UpdateRunningStats(size_t channels, float momentum, float variance_factor,
                        const float* mean, const float* variance,
                        float* running_mean, float* running_variance) {
  HWY_DYNAMIC_DISPATCH(RunningStats)
  (channels, momentum, variance_factor, mean, variance, running_mean,
   running_variance);
}

size_t BatchNormSumsScratch(size_t rows, size_t channels) {
  return PartialBytes(rows, channels);
}

void BatchNormSums(size_t rows, RowRange part, size_t channels, const float* x,
                   const Prologue& prologue, const float* dy, const float* mean,
                   const float* rstd, float* dgamma, float* dbeta,
                   void* scratch, const ParallelRunner& parallel) {
  using HWY_NAMESPACE::kSumTile;
  const size_t padded = RoundUp(channels, 16);
  float* const partial = static_cast<float*>(scratch);
  const size_t chunks = ChunkCount(rows);
  if (part.first == 0) {
    std::memset(partial, 0, chunks * 2 * padded * sizeof(float));
  }
  ForEachChunkBlock(rows, WholePieces(rows, part.first, kSumTile),
                    WholePieces(rows, part.End(), kSumTile), channels, parallel,
                    [&](size_t chunk, size_t first, size_t last, size_t channel,
                        size_t count) {
                      float* const to = partial + chunk * 2 * padded + channel;
                      const size_t at = first * channels + channel;
                      Prologue block = prologue;
                      if (!block.IsIdentity())
                        block.scale += channel, block.shift += channel;
                      HWY_DYNAMIC_DISPATCH(ChunkSums)
                      (last - first, channels, count, x + at, block, dy + at,
                       mean + channel, to, to + padded);
                    });
  if (part.End() != rows) return;
  CombineTree(chunks, [&](size_t i, size_t j) {
    HWY_DYNAMIC_DISPATCH(AddPartial)
    (2 * padded, partial + i * 2 * padded, partial + j * 2 * padded);
  });
  HWY_DYNAMIC_DISPATCH(FinishSums)
  (channels, partial, partial + padded, rstd, dgamma, dbeta);
}

void BatchNormBackward(size_t rows, RowRange part, size_t channels,
                       const float* x, const Prologue& prologue,
                       const float* dy, const float* mean, const float* rstd,
                       const float* gamma, const float* dgamma,
                       const float* dbeta, bool accumulate, float* dx,
                       const ParallelRunner& parallel) {
  ParallelFor(parallel, part.count, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(BackwardRows)
                (part.first + begin, part.first + end, rows, channels, x,
                 prologue, dy, mean, rstd, gamma, dgamma, dbeta, accumulate,
                 dx);
              });
}

void ScaleBackward(size_t rows, size_t channels, const float* x,
                   const Prologue& prologue, const float* dy, bool accumulate,
                   float* dx, const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(ScaleBackwardRows)
                (begin, end, channels, x, prologue, dy, accumulate, dx);
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
