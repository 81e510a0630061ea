// Element-by-element kernels: each output element depends on the inputs at its
// own index only, so order, target and threads cannot matter.
// Requires: as gemm.h. In place (y == x, dx == dy) is allowed everywhere.
// Error: exact, except Normalize (2 roundings) and dropout (1 rounding).
// Activations: activation.h.
// Next: elementwise-inl.h, tests/reference/elementwise.h.
#ifndef TEMPER_SIMD_ELEMENTWISE_H_
#define TEMPER_SIMD_ELEMENTWISE_H_

#include <cstddef>
#include <cstdint>

#include "simd/activation.h"
#include "temper/parallel.h"

namespace temper::simd {

// y = a + b.
void Add(size_t n, const float* a, const float* b, float* y,
         const ParallelRunner& parallel);
void Copy(size_t n, const float* x, float* y, const ParallelRunner& parallel);
// y = value.
void Fill(size_t n, float value, float* y, const ParallelRunner& parallel);
// y = x * factor.
void Scale(size_t n, float factor, const float* x, float* y,
           const ParallelRunner& parallel);

// y[i] = (x[i] * scale - mean[i % period]) / std[i % period]; `period` is the
// channels or the elements of a sample. Reads exactly n elements of x: the
// caller's own memory has no readable tail. Subnormal floats count as 0, and y
// smaller than 2^-63 in magnitude becomes +0.
void NormalizeU8(size_t n, size_t period, const uint8_t* x, float scale,
                 const float* mean, const float* std, float* y,
                 const ParallelRunner& parallel);
void NormalizeF32(size_t n, size_t period, const float* x, float scale,
                  const float* mean, const float* std, float* y,
                  const ParallelRunner& parallel);

// y = kept ? x * factor : 0 over rows of n elements. Element i of row r is kept
// iff the Philox word for (element i, sample id, epoch, stream; key seed; see
// temper/random.h) is >= threshold. The same call on dy gives the backward
// pass. With accumulate: y += instead (one FMA; dropped elements keep their
// bits). Sample ids are below 2^32.
void Dropout(size_t rows, size_t n, const float* x, float factor,
             uint32_t threshold, uint64_t seed, const uint64_t* sample_ids,
             uint32_t epoch, uint32_t stream, bool accumulate, float* y,
             const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_ELEMENTWISE_H_
