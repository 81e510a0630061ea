// Linear decay: lr = min_lr + (base_lr - min_lr) * (1 - t / total).
#include <algorithm>

#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(LinearParams, min_lr, kF64, 0.0, 1e6, "the rate at the end"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t total) {
  const double min_lr = s.As<LinearParams>().min_lr;
  const double left = 1.0 - static_cast<double>(t) / static_cast<double>(total);
  // Rounding may not lift it above the first one.
  return std::min(min_lr + (s.base_lr - min_lr) * left, s.base_lr);
}

Status Check(const Schedule& s) {
  return CheckMinRate(s, s.As<LinearParams>().min_lr);
}

}  // namespace

extern const ScheduleOp kLinearSchedule;
const ScheduleOp kLinearSchedule = {
    .name = "linear",
    .help = "a straight line from --lr to min_lr (0: linear to zero)",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<LinearParams>,
    .rate = Rate,
    .check = Check,
};

}  // namespace temper
