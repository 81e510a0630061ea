// Softmax cross-entropy whose classes have weights, and its focal form (Lin et
// al. 2017), on (rows, classes). Sums over a row take 16 virtual lanes (loss.h).
// With p = softmax(logits), w_j the weight of class j and W that of the row,
// w_label, or of probabilities sum_j w_j target_j:
//   v_j = (1 - smoothing) w_j target_j + W smoothing / classes
//   row_loss = -sum_j v_j (1 - p_j)^gamma log p_j
// Of a label v_j is W q_j (loss.h): the row counts W times, and its smoothing
// with it. (PyTorch has w_j q_j: smoothing that a rare class's weight multiplies
// teaches that class, whatever the label.) Weights 1 and gamma 0 are the losses of
// loss.h up to rounding.
// Requires: as gemm.h. Error against double: rtol 4e-6, atol 2e-6, times the
// largest weight; with 0 < gamma < 1 the gradient's slope at p = 1 is infinite,
// and 1 - p is known to 2^-24 only: atol 2e-3 there.
// Next: focal-inl.h, loss.h, tests/reference/class_loss.h.
#ifndef TEMPER_SIMD_FOCAL_H_
#define TEMPER_SIMD_FOCAL_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

// What rows are compared with, and how it counts.
struct ClassTargets {
  // One of the two: a class of every row, or (rows, classes) probabilities.
  const int32_t* labels = nullptr;
  const float* targets = nullptr;
  const float* weights = nullptr;  // (classes), >= 0; null: all 1
  float smoothing = 0.0f;
  float gamma = 0.0f;  // >= 0
};

// A label outside [0, classes) gives +infinity; classes with v_j = 0 enter
// with 0, whatever their logit.
void SoftmaxFocal(size_t rows, size_t classes, const float* logits,
                  const ClassTargets& targets, float* probabilities,
                  float* row_loss, const ParallelRunner& parallel);
// With a_j = v_j (gamma (1 - p_j)^(gamma - 1) p_j log p_j - (1 - p_j)^gamma):
// dlogits_k = (accumulate ? dlogits_k : 0) + (a_k - p_k sum_j a_j) * factor;
// smaller than 2^-63 in magnitude: +0.
void SoftmaxFocalBackward(size_t rows, size_t classes,
                          const float* probabilities,
                          const ClassTargets& targets, float factor,
                          bool accumulate, float* dlogits,
                          const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_FOCAL_H_
