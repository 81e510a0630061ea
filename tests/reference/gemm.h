// Scalar twins of simd/gemm.h, in any number type.
#ifndef TEMPER_TESTS_REFERENCE_GEMM_H_
#define TEMPER_TESTS_REFERENCE_GEMM_H_

#include <cstddef>

#include "tests/testing/flops.h"

namespace temper::reference {

// c (m, n) = a (m, k) * b (k, n) + bias (n) or, with accumulate, + c.
template <class T>
void MatMul(size_t m, size_t n, size_t k, const T* a, size_t lda, const T* b,
            size_t ldb, const T* bias, bool accumulate, T* c, size_t ldc) {
  testing::CountFlops(2 * m * n * k);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      T sum = accumulate ? c[i * ldc + j] : bias != nullptr ? bias[j] : T(0);
      for (size_t p = 0; p < k; ++p) sum += a[i * lda + p] * b[p * ldb + j];
      c[i * ldc + j] = sum;
    }
  }
}

// c (m, n) += a^T b over rows.
template <class T>
void MatMulTransposed(size_t rows, size_t m, size_t n, const T* a, size_t lda,
                      const T* b, size_t ldb, T* c, size_t ldc) {
  testing::CountFlops(2 * rows * m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      T sum = T(0);
      for (size_t p = 0; p < rows; ++p) sum += a[p * lda + i] * b[p * ldb + j];
      c[i * ldc + j] += sum;
    }
  }
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_GEMM_H_
