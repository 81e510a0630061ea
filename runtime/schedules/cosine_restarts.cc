// Cosine annealing with warm restarts (Loshchilov and Hutter 2017, SGDR):
//   lr = min_lr + (base_lr - min_lr) * (1 + cos(pi * u / U)) / 2
// u steps after the last restart; U = period * mult^n after the n-th one.
#include <algorithm>

#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(CosineRestartsParams, period, kU64, 1, 0x1p53,
                 "time until the first restart", "epochs"),
    TEMPER_FIELD(CosineRestartsParams, min_lr, kF64, 0.0, 1e6,
                 "the rate before a restart"),
    TEMPER_FIELD(CosineRestartsParams, mult, kU64, 1, 100,
                 "factor of the time after each restart"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t) {
  const CosineRestartsParams& p = s.As<CosineRestartsParams>();
  uint64_t period = p.period;
  t = std::min(t, uint64_t{1} << 53);
  if (p.mult == 1) {
    t %= period;
  } else {
    // At most 53 times: the period doubles at least.
    while (t >= period) {
      t -= period;
      period *= p.mult;
    }
  }
  const double half_turns =
      static_cast<double>(t) / static_cast<double>(period);
  const double cosine = exact::SinCosTurns(0.5 * half_turns).cos;
  return p.min_lr + (s.base_lr - p.min_lr) * (1.0 + cosine) * 0.5;
}

Status Check(const Schedule& s) {
  return CheckMinRate(s, s.As<CosineRestartsParams>().min_lr);
}

}  // namespace

extern const ScheduleOp kCosineRestartsSchedule;
const ScheduleOp kCosineRestartsSchedule = {
    .name = "cosine_restarts",
    .help = "cosine annealing that starts again, each time for longer",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<CosineRestartsParams>,
    .rate = Rate,
    .check = Check,
};

}  // namespace temper
