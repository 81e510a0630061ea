// Warm-up, range checks and the table of schedules. See temper/schedules.h.
#include "runtime/schedule.h"

#include <algorithm>

namespace temper {

#define TEMPER_DECLARE(Name, file) extern const ScheduleOp k##Name##Schedule;
TEMPER_SCHEDULES(TEMPER_DECLARE)
#undef TEMPER_DECLARE

const ScheduleOp& OpOf(ScheduleKind kind) {
  static const ScheduleOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Schedule,
      TEMPER_SCHEDULES(TEMPER_POINTER)
#undef TEMPER_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}

FieldList CommonScheduleFields() {
  static constexpr Field kFields[] = {
      TEMPER_FIELD(Schedule, warmup, kU64, 0, 0x1p50, "linear warm-up",
                   "steps"),
  };
  return ListOf(kFields);
}

double LearningRate(const Schedule& s, uint64_t step,
                    const ScheduleState& state) {
  if (step >= s.total_steps) step = s.total_steps - 1;
  if (step < s.warmup) {
    return s.base_lr * static_cast<double>(step + 1) /
           static_cast<double>(s.warmup + 1);
  }
  const ScheduleOp& op = OpOf(s.kind);
  const double rate = op.rate(s, step - s.warmup, s.total_steps - s.warmup);
  if (state.factor == 1.0 || op.least == nullptr) return rate;
  return std::max(rate * state.factor, op.least(s));
}

double Momentum(const Schedule& s, uint64_t step) {
  const ScheduleOp& op = OpOf(s.kind);
  if (op.momentum == nullptr) return -1.0;
  if (step >= s.total_steps) step = s.total_steps - 1;
  const uint64_t t = step < s.warmup ? 0 : step - s.warmup;
  return op.momentum(s, t, s.total_steps - s.warmup);
}

void ObserveLoss(const Schedule& s, double loss, ScheduleState* state) {
  const ScheduleOp& op = OpOf(s.kind);
  if (op.observe != nullptr) op.observe(s, loss, state);
}

Status CheckMinRate(const Schedule& s, double min_lr) {
  if (min_lr <= s.base_lr) return Ok();
  return Error(StatusCode::kInvalidArgument,
               "the final learning rate must lie between 0 and the first one");
}

Status CheckSchedule(const Schedule& s) {
  const auto bad = [](const char* message) {
    return Error(StatusCode::kInvalidArgument, message);
  };
  if (static_cast<uint32_t>(s.kind) >=
      static_cast<uint32_t>(ScheduleKind::kCount)) {
    return bad("unknown schedule");
  }
  // Written so that NaN fails.
  if (!(s.base_lr > 0.0 && s.base_lr <= 1e6)) {
    return bad("the learning rate must be above 0 and at most 1e6");
  }
  if (s.total_steps == 0) return bad("a run needs at least one step");
  if (s.warmup >= s.total_steps) {
    return bad("the warm-up must be shorter than the run");
  }
  const ScheduleOp& op = OpOf(s.kind);
  if (FieldOutOfRange(op.fields, s.params) != nullptr) {
    return bad("a parameter of the schedule is outside its range");
  }
  return op.check != nullptr ? op.check(s) : Ok();
}

const char* ScheduleName(ScheduleKind kind) { return OpOf(kind).name; }

}  // namespace temper
