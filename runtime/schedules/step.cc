// Step decay: lr = base_lr * gamma^floor(t / step_size). The power is made by
// repeated squaring, always in the same order, so that every machine rounds
// alike.
#include "runtime/schedule.h"

namespace temper {

extern const ScheduleOp kStepSchedule;
const ScheduleOp kStepSchedule = {
    "step", [](const Schedule& s, uint64_t t, uint64_t) {
      double power = 1.0, square = s.gamma;
      for (uint64_t drops = t / s.step_size; drops > 0; drops /= 2) {
        if (drops % 2 == 1) power *= square;
        square *= square;
      }
      return s.base_lr * power;
    }};

}  // namespace temper
