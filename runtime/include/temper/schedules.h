// Learning-rate schedules: a pure function of the step, computed in double with
// our own cosine, so that every machine gets the same rate. One file each in
// runtime/schedules/.
#ifndef TEMPER_SCHEDULES_H_
#define TEMPER_SCHEDULES_H_

#include <cstdint>
#include <string_view>

#include "temper/status.h"

namespace temper {

// constant: base_lr.
// step:     base_lr * gamma^(number of passed milestones), one milestone every
//           step_size steps (torch.optim.lr_scheduler.StepLR).
// cosine:   min_lr + (base_lr - min_lr) * (1 + cos(pi * t / T)) / 2 with t
// steps
//           since the warm-up and T those that are left (Loshchilov and Hutter
//           2017, without restarts).
#define TEMPER_SCHEDULES(SCHEDULE) \
  SCHEDULE(Constant, constant)     \
  SCHEDULE(Step, step)             \
  SCHEDULE(Cosine, cosine)

enum class ScheduleKind : uint32_t {
#define TEMPER_SCHEDULE_ENUM(Name, file) k##Name,
  TEMPER_SCHEDULES(TEMPER_SCHEDULE_ENUM)
#undef TEMPER_SCHEDULE_ENUM
      kCount
};

struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double base_lr = 0.01;     // > 0
  double min_lr = 0.0;       // cosine: the rate at the end
  uint64_t total_steps = 1;  // of the whole run
  // Linear warm-up before any schedule: step t < warmup_steps runs at
  // base_lr * (t + 1) / (warmup_steps + 1).
  uint64_t warmup_steps = 0;
  uint64_t step_size = 1;  // step: steps between drops
  double gamma = 0.1;      // step: factor of a drop
};

// The rate of step `step` (0-based). Past the end the last rate is kept.
double LearningRate(const Schedule& schedule, uint64_t step);

// Ranges: finite rates > 0, 0 <= min_lr <= base_lr, warm-up shorter than the
// run, step_size > 0, gamma in (0, 1].
Status CheckSchedule(const Schedule& schedule);

const char* ScheduleName(ScheduleKind kind);
// kCount for an unknown name.
ScheduleKind ScheduleByName(std::string_view name);

}  // namespace temper

#endif  // TEMPER_SCHEDULES_H_
