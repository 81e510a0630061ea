// Constant: lr = base_lr.
#include "runtime/schedule.h"

namespace temper {

extern const ScheduleOp kConstantSchedule;
const ScheduleOp kConstantSchedule = {
    .name = "constant",
    .help = "the same rate for all steps",
    .defaults = DefaultsOf<ConstantParams>,
    .rate = [](const Schedule& s, uint64_t, uint64_t) { return s.base_lr; },
};

}  // namespace temper
