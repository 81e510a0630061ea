// Sums over rows of products, one per channel, added to out: by the chunk rule of
// rows.h, each chunk one chain of fused multiply-adds. Rows x channels,
// contiguous. Scratch is enough for fewer rows, too. Requires: as gemm.h. Error:
// as norm.h's backward sums, rtol 1e-5 of the sum of magnitudes.
// Next: column_products-inl.h, runtime/layers/prelu.cc, multiply.cc,
// layer_norm.cc.
#ifndef TEMPER_SIMD_COLUMN_PRODUCTS_H_
#define TEMPER_SIMD_COLUMN_PRODUCTS_H_

#include <cstddef>

#include "temper/parallel.h"

namespace temper::simd {

size_t ColumnProductsScratch(size_t rows, size_t channels);

// out += sum a * b.
void ColumnProducts(size_t rows, size_t channels, const float* a,
                    const float* b, float* out, void* scratch,
                    const ParallelRunner& parallel);
// out += sum min(a, 0) * b. NaN counts.
void ColumnNegativeProducts(size_t rows, size_t channels, const float* a,
                            const float* b, float* out, void* scratch,
                            const ParallelRunner& parallel);
// out += sum (a - mean) * rstd * b, with a mean and an rstd for each row.
void ColumnNormalizedProducts(size_t rows, size_t channels, const float* a,
                              const float* mean, const float* rstd,
                              const float* b, float* out, void* scratch,
                              const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_COLUMN_PRODUCTS_H_
