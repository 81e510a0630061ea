// The loop of fused multiply-adds. See machine.h.
#include "simd/machine.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/machine.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Returns the lanes of one multiply-add; *result keeps the work alive.
size_t FmaLoop(size_t steps, float* result) {
  const Lanes16 d;
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
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(FmaLoop);

double RunFmaLoop(size_t steps) {
  float value;
  const size_t lanes = HWY_DYNAMIC_DISPATCH(FmaLoop)(steps, &value);
  volatile float sink = value;
  static_cast<void>(sink);
  return 2.0 * 12.0 * static_cast<double>(steps) * static_cast<double>(lanes);
}

}  // namespace temper::simd
#endif  // HWY_ONCE
