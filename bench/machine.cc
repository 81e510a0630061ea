// The FMA peak. See machine.h.
#include "bench/machine.h"

#include <algorithm>
#include <chrono>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/machine.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace temper {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// `steps` times 12 independent chains; returns the lanes of one FMA.
size_t FmaLoop(size_t steps, float* result) {
  const hn::CappedTag<float, 16> d;
  const auto x = hn::Set(d, 0.999f), y = hn::Set(d, 1e-3f);
#define TEMPER_EACH(X) \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define TEMPER_DECLARE(i) auto acc##i = hn::Set(d, i * 0.5f);
#define TEMPER_FMA(i) acc##i = hn::MulAdd(acc##i, x, y);
#define TEMPER_SUM(i) sum = hn::Add(sum, acc##i);
  TEMPER_EACH(TEMPER_DECLARE)
  for (size_t step = 0; step < steps; ++step) {
    TEMPER_EACH(TEMPER_FMA)
  }
  auto sum = hn::Zero(d);
  TEMPER_EACH(TEMPER_SUM)
  HWY_ALIGN float lanes[16];
  hn::Store(sum, d, lanes);
  *result = lanes[0];
  return hn::Lanes(d);
#undef TEMPER_EACH
#undef TEMPER_DECLARE
#undef TEMPER_FMA
#undef TEMPER_SUM
}

}  // namespace HWY_NAMESPACE
}  // namespace temper
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {
HWY_EXPORT(FmaLoop);

namespace bench {

double FmaPeakGflops() {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int i = 0; i < 50; ++i) {
    const size_t steps = 100000;
    volatile float result;
    float value;
    const auto begin = Clock::now();
    const size_t lanes = HWY_DYNAMIC_DISPATCH(FmaLoop)(steps, &value);
    result = value;
    static_cast<void>(result);
    const std::chrono::duration<double> time = Clock::now() - begin;
    best = std::max(
        best, 2e-9 * 12 * static_cast<double>(steps * lanes) / time.count());
  }
  return best;
}

}  // namespace bench
}  // namespace temper
#endif  // HWY_ONCE
