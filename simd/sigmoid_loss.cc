// Binary cross-entropy from logits: dispatch, threads. The loops are in
// sigmoid_loss-inl.h.
#include "simd/sigmoid_loss.h"

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/sigmoid_loss.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/sigmoid_loss-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(SigmoidsRange);
HWY_EXPORT(SigmoidFocalRows);
HWY_EXPORT(SigmoidFocalBackwardRows);

namespace {

// Exponentials and logarithms cost several times an element of a plain loop.
constexpr size_t kGrain = kElementGrain / 8;

}  // namespace

void Sigmoids(size_t count, const float* logits, float* p,
              const ParallelRunner& parallel) {
  ParallelFor(parallel, count, kGrain, [&](size_t begin, size_t end, size_t) {
    HWY_DYNAMIC_DISPATCH(SigmoidsRange)(begin, end, logits, p);
  });
}

void SigmoidFocal(size_t rows, size_t n, const float* logits,
                  const BinaryTargets& targets, float* row_loss,
                  const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, kGrain / (n + 1) + 1,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SigmoidFocalRows)
                (begin, end, n, logits, targets, row_loss);
              });
}

void SigmoidFocalBackward(size_t rows, size_t n, const float* logits,
                          const BinaryTargets& targets, float factor,
                          bool accumulate, float* dlogits,
                          const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, kGrain / (n + 1) + 1,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SigmoidFocalBackwardRows)
                (begin, end, n, logits, targets, factor, accumulate, dlogits);
              });
}

uint32_t CountAllRight(size_t rows, size_t n, const float* probabilities,
                       const float* targets) {
  uint32_t right = 0;
  for (size_t r = 0; r < rows; ++r) {
    bool all = true;
    for (size_t i = r * n; i < (r + 1) * n; ++i) {
      const float p = probabilities[i];
      all &= p == p && (p > 0.5f) == (targets[i] > 0.5f);
    }
    right += all;
  }
  return right;
}

}  // namespace temper::simd
#endif  // HWY_ONCE
