// Dense layers on few samples. Such a layer does little with each weight (3
// multiply-adds per sample and step), so its cost is the memory traffic of
// weights, momentum and gradients, and thread synchronisation. Hence W is
// packed where it is used, and its gradient is computed in pieces that fit the
// L1 cache and are passed to the caller's function (an optimizer) at once. One
// thread handles the same rows of W in forward and in the gradient.
//
// Requires, order, error: as gemm.h; the bits are those of MatMul,
// MatMulUnpacked and MatMulTransposed.
// Next: gemm.h (for many samples), runtime/layers/dense.cc (the user).
#ifndef TEMPER_SIMD_DENSE_H_
#define TEMPER_SIMD_DENSE_H_

#include <cstddef>
#include <cstdint>

#include "simd/prologue.h"
#include "simd/rows.h"
#include "temper/parallel.h"

namespace temper::simd {

// Most samples of a gradient in pieces: its sums are one chunk, without partial
// sums.
inline constexpr size_t kMaxPieceRows = kChunkUnit;

// Up to this many floats of a derived x are computed by every thread for
// itself: that costs less than waiting for one thread to compute them and
// fetching them from its cache.
inline constexpr size_t kMaxOwnFloats = 4096;

// x (rows, in) of a dense layer.
struct DenseInput {
  const float* x;
  // Where x is derived: the prologue over a matrix of `channels` columns.
  Prologue prologue = {};
  size_t channels = 1;
  // DenseInputBytes(rows * in) bytes where x is derived.
  float* formed = nullptr;
};
constexpr uint64_t DenseInputBytes(uint64_t floats) {
  return floats <= kMaxOwnFloats
             ? 0
             : (floats * sizeof(float) + 63) / 64 * 64 + kTailBytes;
}

// y (rows, out) = x (rows, in) w^T + bias; w (out, in), bias may be null.
// packed: DenseForwardScratch bytes, for at least as many rows and threads.
size_t DenseForwardScratch(size_t rows, size_t in, size_t out,
                           uint32_t threads);
void DenseForward(size_t rows, size_t in, size_t out, const DenseInput& x,
                  const float* w, const float* bias, float* packed, float* y,
                  const ParallelRunner& parallel);

// The same with w as PackRows leaves it: no scratch.
void DenseForwardPacked(size_t rows, size_t in, size_t out, const DenseInput& x,
                        const float* w, const float* bias, float* y,
                        const ParallelRunner& parallel);

// Takes elements [first, first + count) of dw, stored at g. Called on any
// thread, once for each element. The memory at g is reused afterwards.
struct GradientTaker {
  void (*take)(void* context, size_t first, size_t count,
               const float* g) = nullptr;
  void* context = nullptr;
};

// dx (rows, in) = or += dy (rows, out) w, if dx is not null; dw = dy^T x goes
// to `taker`, which may write the same elements of w. rows <= kMaxPieceRows.
void DenseBackward(size_t rows, size_t in, size_t out, const DenseInput& x,
                   const float* w, const float* dy, bool accumulate, float* dx,
                   const GradientTaker& taker, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_DENSE_H_
