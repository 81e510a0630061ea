// Cosine annealing (Loshchilov and Hutter 2017, one cycle):
//   lr = min_lr + (base_lr - min_lr) * (1 + cos(pi * t / total)) / 2.
#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {

extern const ScheduleOp kCosineSchedule;
const ScheduleOp kCosineSchedule = {
    "cosine", [](const Schedule& s, uint64_t t, uint64_t total) {
      const double half_turns =
          static_cast<double>(t) / static_cast<double>(total);
      const double cosine = exact::SinCosTurns(0.5 * half_turns).cos;
      return s.min_lr + (s.base_lr - s.min_lr) * (1.0 + cosine) * 0.5;
    }};

}  // namespace temper
