// What a schedule is: one file in schedules/ fills in one ScheduleOp.
#ifndef TEMPER_RUNTIME_SCHEDULE_H_
#define TEMPER_RUNTIME_SCHEDULE_H_

#include "temper/schedules.h"

namespace temper {

struct ScheduleOp {
  const char* name;
  // Rate at step t of `total`, both counted after the warm-up; t < total.
  double (*rate)(const Schedule& schedule, uint64_t t, uint64_t total);
};

}  // namespace temper

#endif  // TEMPER_RUNTIME_SCHEDULE_H_
