// Step decay: lr = base_lr * gamma^floor(t / step_size), by repeated
// multiplication so that every machine rounds alike.
#include "runtime/schedule.h"

namespace temper {

extern const ScheduleOp kStepSchedule;
const ScheduleOp kStepSchedule = {
    "step", [](const Schedule& s, uint64_t t, uint64_t) {
      double lr = s.base_lr;
      // A rate that has become 0 stays 0: the loop is bounded by that too.
      for (uint64_t drops = t / s.step_size; drops > 0 && lr > 0.0; --drops) {
        lr *= s.gamma;
        if (s.gamma == 1.0) break;
      }
      return lr;
    }};

}  // namespace temper
