// Binary cross-entropy from logits and its focal form (Lin et al. 2017), on
// (rows, n): n labels of a sample, each there or not, or one output for two
// classes. With t' = t (1 - smoothing) + smoothing / 2, p = sigmoid(z),
// softplus(z) = log(1 + e^z), of every output:
//   term = positive t' (1 - p)^gamma softplus(-z)
//        + negative (1 - t') p^gamma softplus(z)
//   row_loss = mean of the terms (PyTorch's BCEWithLogitsLoss, torchvision's
//   sigmoid_focal_loss)
// With weights, smoothing counts as much as what it smooths:
//   positive t (1 - smoothing) + W smoothing / 2 stands for positive t', and
//   negative (1 - t) (1 - smoothing) + W smoothing / 2 for negative (1 - t'),
//   W = positive t + negative (1 - t).
// Requires: as gemm.h. Error against double: rtol 4e-6, atol 1e-7, times the
// largest weight, whatever the logits.
// Next: sigmoid_loss-inl.h, tests/reference/class_loss.h.
#ifndef TEMPER_SIMD_SIGMOID_LOSS_H_
#define TEMPER_SIMD_SIGMOID_LOSS_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

struct BinaryTargets {
  // One of the two. A label of every row: of one output 0 or 1; of n outputs the
  // one that is there. Or (rows, n) numbers in [0, 1].
  const int32_t* labels = nullptr;
  const float* targets = nullptr;
  // (n), >= 0: weight where a label is there, and where it is not. Null: 1.
  const float* positive = nullptr;
  const float* negative = nullptr;
  float smoothing = 0.0f;
  float gamma = 0.0f;  // >= 0
};

// p = 1 / (1 + e^-z), +0 below 1e-30.
void Sigmoids(size_t count, const float* logits, float* p,
              const ParallelRunner& parallel);
// A label that is none of the outputs (of one output: neither 0 nor 1) gives
// +infinity.
void SigmoidFocal(size_t rows, size_t n, const float* logits,
                  const BinaryTargets& targets, float* row_loss,
                  const ParallelRunner& parallel);
// dz = (accumulate ? dz : 0) + factor *
//      (negative (1 - t') p^gamma (gamma (1 - p) softplus(z) + p)
//       - positive t' (1 - p)^gamma (gamma p softplus(-z) + 1 - p));
// smaller than 2^-63 in magnitude: +0. factor = 1 / (rows * n).
void SigmoidFocalBackward(size_t rows, size_t n, const float* logits,
                          const BinaryTargets& targets, float factor,
                          bool accumulate, float* dlogits,
                          const ParallelRunner& parallel);
// Rows whose outputs all lie on their targets' side of 1/2 (p > 1/2 for a label
// that is there). A row with a NaN counts as wrong.
uint32_t CountAllRight(size_t rows, size_t n, const float* probabilities,
                       const float* targets);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_SIGMOID_LOSS_H_
