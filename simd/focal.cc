// Weighted and focal softmax cross-entropy: dispatch, threads. The loops are in
// focal-inl.h.
#include "simd/focal.h"

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/focal.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/focal-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(SoftmaxFocalRows);
HWY_EXPORT(SoftmaxFocalBackwardRows);

void SoftmaxFocal(size_t rows, size_t classes, const float* logits,
                  const ClassTargets& targets, float* probabilities,
                  float* row_loss, const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, kElementGrain / 8 / (classes + 1) + 1,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftmaxFocalRows)
                (begin, end, classes, logits, targets, probabilities, row_loss);
              });
}

void SoftmaxFocalBackward(size_t rows, size_t classes,
                          const float* probabilities,
                          const ClassTargets& targets, float factor,
                          bool accumulate, float* dlogits,
                          const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, kElementGrain / 8 / (classes + 1) + 1,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftmaxFocalBackwardRows)
                (begin, end, classes, probabilities, targets, factor,
                 accumulate, dlogits);
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
