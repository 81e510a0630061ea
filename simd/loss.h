// Losses on (rows, n), and sums to one number. Sums to one number put element i
// into virtual lane i % 16 (FMA chain, ascending) and fold the 16 lanes by the
// tree 8-4-2-1: lane j += lane j + 8, then + 4, + 2, + 1. Short inputs leave
// the missing lanes at the neutral element. exp and log are math-inl.h's.
// Requires: as gemm.h. Error: rtol 2e-6, atol 1e-6 against double; the sums
// have k * 2^-24 * sum |term| with k = the longest chain (n / 16 or the rows of
// a chunk) + 4.
// Next: loss-inl.h, math-inl.h, tests/reference/loss.h.
#ifndef TEMPER_SIMD_LOSS_H_
#define TEMPER_SIMD_LOSS_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

// probabilities[r] = softmax(logits[r]) (max subtracted);
// row_loss[r] = logsumexp - sum_j q_j * logit_j with
// q_j = smoothing / classes + (j == label ? 1 - smoothing : 0) (PyTorch).
// The maximum is taken from every logit in the loss too, so that large logits
// cost no digits. A NaN or +infinity among the logits gives NaN throughout the
// row; -infinity gives probability 0, and enters the loss only where q_j != 0.
// labels may be null: then row_loss is not written. A label outside
// [0, classes) gives row_loss = +infinity (the runtime checks labels first).
// A class whose logit is more than 69 below the maximum has probability +0.
void SoftmaxCrossEntropy(size_t rows, size_t classes, const float* logits,
                         const int32_t* labels, float smoothing,
                         float* probabilities, float* row_loss,
                         const ParallelRunner& parallel);
// dlogits = (accumulate ? dlogits : 0) + (p - q) * factor, factor = 1 / rows;
// smaller than 2^-63 in magnitude: +0 (flush-inl.h).
void SoftmaxCrossEntropyBackward(size_t rows, size_t classes,
                                 const float* probabilities,
                                 const int32_t* labels, float smoothing,
                                 float factor, bool accumulate, float* dlogits,
                                 const ParallelRunner& parallel);

// The same with a weight of every class, targets[r][j] >= 0, in place of the
// label (PyTorch's class probabilities):
//   q_j = smoothing / classes + (1 - smoothing) * targets[r][j]
//   Q = T + smoothing * (1 - T), T = sum_j targets[r][j]    (T = 1: Q = 1)
//   row_loss[r] = Q * logsumexp - sum_j q_j * logit_j
//   dlogits = (accumulate ? dlogits : 0) + (Q * p - q) * factor
// The sums over a row take 16 virtual lanes, FMA. A row that is 1 at one class
// and 0 elsewhere gives the bits of that label. Of classes with targets 0
// logits of -infinity enter only where smoothing is not 0.
void SoftmaxCrossEntropySoft(size_t rows, size_t classes, const float* logits,
                             const float* targets, float smoothing,
                             float* probabilities, float* row_loss,
                             const ParallelRunner& parallel);
void SoftmaxCrossEntropySoftBackward(size_t rows, size_t classes,
                                     const float* probabilities,
                                     const float* targets, float smoothing,
                                     float factor, bool accumulate,
                                     float* dlogits,
                                     const ParallelRunner& parallel);

// row_loss[r] = sum_i (prediction - target)^2 / n.
void MeanSquaredError(size_t rows, size_t n, const float* prediction,
                      const float* target, float* row_loss,
                      const ParallelRunner& parallel);
// d = (accumulate ? d : 0) + (prediction - target) * factor,
// factor = 2 / (rows * n); smaller than 2^-63 in magnitude: +0.
void MeanSquaredErrorBackward(size_t rows, size_t n, const float* prediction,
                              const float* target, float factor,
                              bool accumulate, float* d,
                              const ParallelRunner& parallel);

// With d = prediction - target: row_loss[r] = mean over n of
//   |d| <= delta: d^2 / 2, else delta (|d| - delta / 2)    (PyTorch's HuberLoss)
void Huber(size_t rows, size_t n, const float* prediction, const float* target,
           float delta, float* row_loss, const ParallelRunner& parallel);
// g = (accumulate ? g : 0) + min(max(d, -delta), delta) * factor,
// factor = 1 / (rows * n); smaller than 2^-63 in magnitude: +0.
void HuberBackward(size_t rows, size_t n, const float* prediction,
                   const float* target, float delta, float factor,
                   bool accumulate, float* g, const ParallelRunner& parallel);

// Sum of x; sum of x^2; sum of |a - b|.
float Sum(size_t n, const float* x);
float SumOfSquares(size_t n, const float* x);
float SumOfDistances(size_t n, const float* a, const float* b);

// out[j] += tree over chunks (rows.h) of the chain over rows of x[r][j].
// Scratch is enough for fewer rows, too.
size_t ColumnSumsScratch(size_t rows, size_t columns);
void ColumnSums(size_t rows, size_t columns, const float* x, float* out,
                void* scratch, const ParallelRunner& parallel);

// How many rows have their label as the (first) largest probability. A row with
// a NaN counts as wrong.
uint32_t CountCorrect(size_t rows, size_t classes, const float* probabilities,
                      const int32_t* labels);
// The first largest of a row of `targets` is its label.
uint32_t CountCorrect(size_t rows, size_t classes, const float* probabilities,
                      const float* targets);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_LOSS_H_
