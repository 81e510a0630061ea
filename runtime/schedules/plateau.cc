// Reduce on plateau, as torch.optim.lr_scheduler.ReduceLROnPlateau: the rate is
// base_lr * factor^(falls). A fall comes after the epoch with which more than
// `patience` epochs in a row were not better than the best, `cooldown` epochs
// after a fall not counted.
#include <cmath>

#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(PlateauParams, factor, kF64, 1e-6, 0.999999,
                 "factor of a fall"),
    TEMPER_FIELD(PlateauParams, threshold, kF64, 0.0, 1.0,
                 "a loss counts as better below best * (1 - threshold)"),
    TEMPER_FIELD(PlateauParams, min_lr, kF64, 0.0, 1e6, "the least rate"),
    TEMPER_FIELD_U32(PlateauParams, patience, 0, 1000000,
                     "epochs without a better loss before a fall"),
    TEMPER_FIELD_U32(PlateauParams, cooldown, 0, 1000000,
                     "epochs after a fall that do not count"),
};

void Observe(const Schedule& s, double loss, ScheduleState* state) {
  const PlateauParams& p = s.As<PlateauParams>();
  const bool better =
      std::isfinite(loss) &&
      (state->seen == 0 || loss < state->best * (1.0 - p.threshold));
  if (better) {
    state->best = loss;
    state->bad = 0;
    state->seen = 1;
  } else {
    ++state->bad;
  }
  if (state->cooling > 0) {
    --state->cooling;
    state->bad = 0;
  }
  if (state->bad <= p.patience) return;
  state->factor *= p.factor;
  state->bad = 0;
  state->cooling = p.cooldown;
}

Status Check(const Schedule& s) {
  return CheckMinRate(s, s.As<PlateauParams>().min_lr);
}

}  // namespace

extern const ScheduleOp kPlateauSchedule;
const ScheduleOp kPlateauSchedule = {
    .name = "plateau",
    .help = "the rate falls by a factor when the loss stops falling",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<PlateauParams>,
    .rate = [](const Schedule& s, uint64_t, uint64_t) { return s.base_lr; },
    .observe = Observe,
    .least = [](const Schedule& s) { return s.As<PlateauParams>().min_lr; },
    .check = Check,
};

}  // namespace temper
