// Optimizer updates: dispatch. The loops are in update-inl.h.
#include "simd/update.h"

#include <atomic>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/update.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/update-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(SgdRange);

bool SgdUpdate(size_t n, float lr, float momentum, float decay, bool nesterov,
               const float* g, float* w, float* v,
               const ParallelRunner& parallel) {
  std::atomic<bool> bad{false};
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                if (HWY_DYNAMIC_DISPATCH(SgdRange)(begin, end, lr, momentum,
                                                   decay, nesterov, g, w, v)) {
                  bad.store(true, std::memory_order_relaxed);
                }
              });
  return bad.load(std::memory_order_relaxed);
}

}  // namespace temper::simd
#endif  // HWY_ONCE
