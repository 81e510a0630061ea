// Dense layers on few samples. Such a layer does little with each weight (3
// multiply-adds per sample and step), so what it costs is how often weights,
// momentum and gradients come and go and how often threads meet: W is packed
// where it is used, and its gradient is made in pieces that fit the first-level
// cache and go to whoever takes them (an optimizer) at once. The same rows of W
// are the same thread's in forward and in the gradient.
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

// Most floats of x that every thread forms for itself where x is derived: that
// costs less than to wait for one thread that forms it, and to fetch it from
// there.
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

// Takes elements [first, first + count) of dw, which lie at g. Called on any
// thread, once for each element. What lies at g is gone afterwards.
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
