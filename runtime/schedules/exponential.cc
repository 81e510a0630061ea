// Exponential decay: lr = base_lr * gamma^floor(t / every).
#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(ExponentialParams, gamma, kF64, 1e-6, 1.0, "factor"),
    TEMPER_FIELD(ExponentialParams, every, kU64, 1, 0x1p53,
                 "time between two factors", "epochs"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t) {
  const ExponentialParams& p = s.As<ExponentialParams>();
  return s.base_lr * exact::Power(p.gamma, t / p.every);
}

}  // namespace

extern const ScheduleOp kExponentialSchedule;
const ScheduleOp kExponentialSchedule = {
    .name = "exponential",
    .help = "the rate falls by gamma every epoch",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<ExponentialParams>,
    .rate = Rate,
};

}  // namespace temper
