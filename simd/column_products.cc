// Column sums of products: dispatch, chunks and threads. The loops are in
// column_products-inl.h.
#include "simd/column_products.h"

#include <algorithm>

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/column_products.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/chunk_tasks.h"
#include "simd/column_products-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(PlainProducts);
HWY_EXPORT(NegativeProducts);
HWY_EXPORT(NormalizedProducts);
HWY_EXPORT(AddSums);

namespace {

// Channels of one task. A multiple of 16, so that its padded sums are its own.
constexpr size_t kBlock = 128;

// sum(first row, rows, first channel, channels, sums) of every chunk and block
// of channels, then the tree, then out += the result.
template <class Sum>
void SumChunks(size_t rows, size_t channels, float* out, void* scratch,
               const ParallelRunner& parallel, Sum&& sum) {
  if (rows == 0) return;
  const size_t padded = RoundUp(channels, 16);
  float* const partial = static_cast<float*>(scratch);
  const size_t width = std::min(kBlock, channels);
  ForEachChunkTask(
      parallel, rows, 0, rows, (channels + kBlock - 1) / kBlock,
      (kElementGrain + width - 1) / width,
      [&](size_t chunk, size_t first, size_t last, size_t block, size_t) {
        const size_t channel = block * kBlock;
        sum(first, last - first, channel, std::min(kBlock, channels - channel),
            partial + chunk * padded + channel);
      });
  CombineTree(ChunkCount(rows), [&](size_t i, size_t j) {
    HWY_DYNAMIC_DISPATCH(AddSums)
    (padded, partial + j * padded, partial + i * padded);
  });
  HWY_DYNAMIC_DISPATCH(AddSums)(channels, partial, out);
}

}  // namespace

size_t ColumnProductsScratch(size_t rows, size_t channels) {
  return MostChunks(rows) * RoundUp(channels, 16) * sizeof(float);
}

void ColumnProducts(size_t rows, size_t channels, const float* a,
                    const float* b, float* out, void* scratch,
                    const ParallelRunner& parallel) {
  SumChunks(rows, channels, out, scratch, parallel,
            [&](size_t row, size_t n, size_t c, size_t count, float* sums) {
              const size_t at = row * channels + c;
              HWY_DYNAMIC_DISPATCH(PlainProducts)
              (n, channels, count, a + at, b + at, sums);
            });
}

void ColumnNegativeProducts(size_t rows, size_t channels, const float* a,
                            const float* b, float* out, void* scratch,
                            const ParallelRunner& parallel) {
  SumChunks(rows, channels, out, scratch, parallel,
            [&](size_t row, size_t n, size_t c, size_t count, float* sums) {
              const size_t at = row * channels + c;
              HWY_DYNAMIC_DISPATCH(NegativeProducts)
              (n, channels, count, a + at, b + at, sums);
            });
}

void ColumnNormalizedProducts(size_t rows, size_t channels, const float* a,
                              const float* mean, const float* rstd,
                              const float* b, float* out, void* scratch,
                              const ParallelRunner& parallel) {
  SumChunks(rows, channels, out, scratch, parallel,
            [&](size_t row, size_t n, size_t c, size_t count, float* sums) {
              const size_t at = row * channels + c;
              HWY_DYNAMIC_DISPATCH(NormalizedProducts)
              (n, channels, count, a + at, mean + row, rstd + row, b + at,
               sums);
            });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
