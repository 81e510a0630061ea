// Step decay: lr = base_lr * gamma^floor(t / step_size).
#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(StepParams, step_size, kU64, 1, 0x1p53, "time between drops",
                 "epochs"),
    TEMPER_FIELD(StepParams, gamma, kF64, 1e-6, 1.0, "factor of a drop"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t) {
  const StepParams& p = s.As<StepParams>();
  return s.base_lr * exact::Power(p.gamma, t / p.step_size);
}

}  // namespace

extern const ScheduleOp kStepSchedule;
const ScheduleOp kStepSchedule = {
    .name = "step",
    .help = "the rate drops by gamma every step_size",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<StepParams>,
    .rate = Rate,
};

}  // namespace temper
