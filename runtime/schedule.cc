// Warm-up, range checks and the table of schedules. See temper/schedules.h.
#include "runtime/schedule.h"

#include <cmath>

namespace temper {

#define TEMPER_DECLARE(Name, file) extern const ScheduleOp k##Name##Schedule;
TEMPER_SCHEDULES(TEMPER_DECLARE)
#undef TEMPER_DECLARE

namespace {
const ScheduleOp& OpOf(ScheduleKind kind) {
  static const ScheduleOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Schedule,
      TEMPER_SCHEDULES(TEMPER_POINTER)
#undef TEMPER_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}
}  // namespace

double LearningRate(const Schedule& s, uint64_t step) {
  if (step >= s.total_steps) step = s.total_steps - 1;
  if (step < s.warmup_steps) {
    return s.base_lr * static_cast<double>(step + 1) /
           static_cast<double>(s.warmup_steps + 1);
  }
  return OpOf(s.kind).rate(s, step - s.warmup_steps,
                           s.total_steps - s.warmup_steps);
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
  if (!(s.min_lr >= 0.0 && s.min_lr <= s.base_lr)) {
    return bad("the final learning rate must lie between 0 and the first one");
  }
  if (s.total_steps == 0) return bad("a run needs at least one step");
  if (s.warmup_steps >= s.total_steps) {
    return bad("the warm-up must be shorter than the run");
  }
  if (s.step_size == 0) return bad("step size must be at least 1");
  if (!(s.gamma > 0.0 && s.gamma <= 1.0)) {
    return bad("gamma must be above 0 and at most 1");
  }
  return Ok();
}

const char* ScheduleName(ScheduleKind kind) { return OpOf(kind).name; }

ScheduleKind ScheduleByName(std::string_view name) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(ScheduleKind::kCount); ++i) {
    if (name == ScheduleName(static_cast<ScheduleKind>(i))) {
      return static_cast<ScheduleKind>(i);
    }
  }
  return ScheduleKind::kCount;
}

}  // namespace temper
