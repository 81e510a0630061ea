// Cosine annealing (Loshchilov and Hutter 2017, one cycle):
//   lr = min_lr + (base_lr - min_lr) * (1 + cos(pi * t / total)) / 2.
#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(CosineParams, min_lr, kF64, 0.0, 1e6, "the rate at the end"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t total) {
  const double min_lr = s.As<CosineParams>().min_lr;
  const double half_turns = static_cast<double>(t) / static_cast<double>(total);
  const double cosine = exact::SinCosTurns(0.5 * half_turns).cos;
  return min_lr + (s.base_lr - min_lr) * (1.0 + cosine) * 0.5;
}

Status Check(const Schedule& s) {
  return CheckMinRate(s, s.As<CosineParams>().min_lr);
}

}  // namespace

extern const ScheduleOp kCosineSchedule;
const ScheduleOp kCosineSchedule = {
    .name = "cosine",
    .help = "cosine annealing from --lr to min_lr",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<CosineParams>,
    .rate = Rate,
    .check = Check,
};

}  // namespace temper
