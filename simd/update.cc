// Optimizer updates: dispatch. The loops are in update-inl.h.
#include "simd/update.h"

#include <algorithm>
#include <atomic>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/update.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/fetch.h"
#include "simd/flush.h"
#include "simd/update-inl.h"

#if HWY_ONCE
namespace temper::simd {
static_assert(kFlushBound == kTiny);
HWY_EXPORT(SgdRange);
HWY_EXPORT(RmspropRange);

namespace {

// Floats of w that are fetched while as many before them are updated.
constexpr size_t kFetchFloats = 1024;

// Calls update(begin, end), which returns true if a value is bad, for ranges of
// w. True if one was.
template <class F>
bool UpdateRanges(size_t n, const float* w, bool w_shared,
                  const ParallelRunner& parallel, F&& update) {
  std::atomic<bool> bad{false};
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                const size_t most = w_shared ? kFetchFloats : end - begin;
                const auto fetch = [&](size_t first) {
                  if (w_shared && first < end)
                    FetchForWriting(w + first, std::min(most, end - first));
                };
                bool found = false;
                fetch(begin);
                while (begin < end) {
                  const size_t stop = begin + std::min(most, end - begin);
                  fetch(stop);
                  found |= update(begin, stop);
                  begin = stop;
                }
                if (found) bad.store(true, std::memory_order_relaxed);
              });
  return bad.load(std::memory_order_relaxed);
}

}  // namespace

bool SgdUpdate(size_t n, const SgdStep& step, const float* g, float* w,
               float* v, bool w_shared, const ParallelRunner& parallel) {
  return UpdateRanges(n, w, w_shared, parallel, [&](size_t begin, size_t end) {
    return HWY_DYNAMIC_DISPATCH(SgdRange)(begin, end, step, g, w, v);
  });
}

bool RmspropUpdate(size_t n, const RmspropStep& step, const float* g, float* w,
                   float* v, float* m, float* b, bool w_shared,
                   const ParallelRunner& parallel) {
  return UpdateRanges(n, w, w_shared, parallel, [&](size_t begin, size_t end) {
    return HWY_DYNAMIC_DISPATCH(RmspropRange)(begin, end, step, g, w, v, m, b);
  });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
