// Drops at chosen times: lr = base_lr * gamma^(milestones at or before t).
#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(MultiStepParams, milestone1, kU64, 0, 0x1p53,
                 "time of a drop; 0: none", "epochs"),
    TEMPER_FIELD(MultiStepParams, milestone2, kU64, 0, 0x1p53,
                 "of the second one", "epochs"),
    TEMPER_FIELD(MultiStepParams, milestone3, kU64, 0, 0x1p53,
                 "of the third one", "epochs"),
    TEMPER_FIELD(MultiStepParams, milestone4, kU64, 0, 0x1p53,
                 "of the fourth one", "epochs"),
    TEMPER_FIELD(MultiStepParams, gamma, kF64, 1e-6, 1.0, "factor of a drop"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t) {
  const MultiStepParams& p = s.As<MultiStepParams>();
  uint64_t drops = 0;
  for (const uint64_t at :
       {p.milestone1, p.milestone2, p.milestone3, p.milestone4}) {
    drops += at != 0 && at <= t;
  }
  return s.base_lr * exact::Power(p.gamma, drops);
}

Status Check(const Schedule& s) {
  const MultiStepParams& p = s.As<MultiStepParams>();
  uint64_t before = 0;
  for (const uint64_t at :
       {p.milestone1, p.milestone2, p.milestone3, p.milestone4}) {
    if (at == 0) continue;
    if (at <= before) {
      return Error(StatusCode::kInvalidArgument,
                   "the milestones must be in ascending order");
    }
    before = at;
  }
  return Ok();
}

}  // namespace

extern const ScheduleOp kMultiStepSchedule;
const ScheduleOp kMultiStepSchedule = {
    .name = "multi_step",
    .help = "the rate drops by gamma at up to four milestones",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MultiStepParams>,
    .rate = Rate,
    .check = Check,
};

}  // namespace temper
