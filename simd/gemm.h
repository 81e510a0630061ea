// Matrix products. One register tile (gemm-inl.h) serves them all and serves
// the convolutions: lanes run over columns of the result, never over the sum,
// which is one FMA chain per element in ascending k.
//
// Requires: f32; row-major unless strides say otherwise; every buffer followed
// by kTailBytes readable bytes (rows.h); outputs do not overlap inputs.
// Order: results do not depend on target (FMA targets) or thread count.
// Error: |error| <= k * eps * sum |a_i b_i| per element, against
// tests/reference/gemm.h in double.
// Next: tile.h (what lies beneath), gemm-inl.h (the tile), conv.h.
#ifndef TEMPER_SIMD_GEMM_H_
#define TEMPER_SIMD_GEMM_H_

#include <cstddef>

#include "simd/rows.h"
#include "temper/parallel.h"

namespace temper::simd {

// Columns per packed panel: the same on every target, so that plans are too.
inline constexpr size_t kPanel = 16;

// Bytes of B (k x n) packed into panels of kPanel columns:
// packed[panel][k][kPanel], columns past n zero.
constexpr size_t PackedBytes(size_t k, size_t n) {
  return RoundUp(n, kPanel) * k * sizeof(float);
}

// Packs B, whose element (i, j) lies at b[i * k_stride + j * n_stride].
void PackB(size_t k, size_t n, const float* b, size_t k_stride, size_t n_stride,
           float* packed, const ParallelRunner& parallel);

// Packs w (n, k), which is B^T as layers store it, over itself: panel p takes the
// place of the rows that it is made of. w has room for PackedBytes; scratch:
// PackRowsFloats.
constexpr size_t PackRowsFloats(size_t k, size_t n) {
  return (n < kPanel ? n : kPanel) * k;
}
void PackRows(size_t k, size_t n, float* w, float* scratch);

// c (m, n; row stride ldc) = a (m, k; row stride lda) * B + bias (n).
// bias may be null (starts from +0). With accumulate the chain starts from c
// (then bias must be null). B is packed by PackB.
void MatMul(size_t m, size_t n, size_t k, const float* a, size_t lda,
            const float* packed_b, const float* bias, bool accumulate, float* c,
            size_t ldc, const ParallelRunner& parallel);

// The same with B as it lies: b (k, n; row stride ldb).
void MatMulUnpacked(size_t m, size_t n, size_t k, const float* a, size_t lda,
                    const float* b, size_t ldb, bool accumulate, float* c,
                    size_t ldc, const ParallelRunner& parallel);

// c (m, n; row stride ldc) += a^T b over `rows`, cut by the chunk rule:
// c[i][j] += tree over chunks of chain over p of a[p * lda + i] * b[p * ldb +
// j]. scratch: MatMulTransposedScratch bytes; partial sums of a tile fit the
// stack (9 KB), so that it is 0 and scratch may be null.
size_t MatMulTransposedScratch(size_t rows, size_t m, size_t n);
void MatMulTransposed(size_t rows, size_t m, size_t n, const float* a,
                      size_t lda, const float* b, size_t ldb, float* c,
                      size_t ldc, void* scratch,
                      const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_GEMM_H_
