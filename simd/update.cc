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
HWY_EXPORT(MomentumRange);
HWY_EXPORT(AdagradRange);
HWY_EXPORT(AdamRange);
HWY_EXPORT(SoftThresholdRange);
HWY_EXPORT(ClampRange);
HWY_EXPORT(MoveTowardRange);

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

bool MomentumUpdate(size_t n, const MomentumStep& step, const float* g,
                    float* w, float* v, bool w_shared,
                    const ParallelRunner& parallel) {
  return UpdateRanges(n, w, w_shared, parallel, [&](size_t begin, size_t end) {
    return HWY_DYNAMIC_DISPATCH(MomentumRange)(begin, end, step, g, w, v);
  });
}

bool AdagradUpdate(size_t n, const AdagradStep& step, const float* g, float* w,
                   float* s, bool w_shared, const ParallelRunner& parallel) {
  return UpdateRanges(n, w, w_shared, parallel, [&](size_t begin, size_t end) {
    return HWY_DYNAMIC_DISPATCH(AdagradRange)(begin, end, step, g, w, s);
  });
}

bool AdamUpdate(size_t n, const AdamStep& step, const float* g, float* w,
                float* m, float* v, float* h, bool w_shared,
                const ParallelRunner& parallel) {
  return UpdateRanges(n, w, w_shared, parallel, [&](size_t begin, size_t end) {
    return HWY_DYNAMIC_DISPATCH(AdamRange)(begin, end, step, g, w, m, v, h);
  });
}

void SoftThreshold(size_t n, float threshold, float* w,
                   const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(SoftThresholdRange)
                (begin, end, threshold, w);
              });
}

bool Clamp(size_t n, float scale, float most, float* x,
           const ParallelRunner& parallel) {
  return UpdateRanges(n, x, false, parallel, [&](size_t begin, size_t end) {
    return HWY_DYNAMIC_DISPATCH(ClampRange)(begin, end, scale, most, x);
  });
}

void MoveToward(size_t n, float rest, const float* x, float* average,
                const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(MoveTowardRange)
                (begin, end, rest, x, average);
              });
}

void Transpose(size_t rows, size_t columns, const float* x, float* y) {
  for (size_t c = 0; c < columns; ++c) {
    for (size_t r = 0; r < rows; ++r) y[c * rows + r] = x[r * columns + c];
  }
}

// Plain C++: whatever instructions the compiler takes, products are exact and
// every sum has its place.
double SumOfSquaresDouble(size_t n, const float* x) {
  double sum = 0.0;
  for (size_t first = 0; first < n; first += kSumPiece) {
    const size_t end = std::min(n, first + kSumPiece);
    double lanes[16] = {};
    size_t i = first;
    for (; i + 16 <= end; i += 16) {
      for (size_t k = 0; k < 16; ++k) {
        lanes[k] += static_cast<double>(x[i + k]) * x[i + k];
      }
    }
    for (size_t k = 0; i < end; ++i, ++k) {
      lanes[k] += static_cast<double>(x[i]) * x[i];
    }
    for (const double lane : lanes) sum += lane;
  }
  return sum;
}

}  // namespace temper::simd
#endif  // HWY_ONCE
