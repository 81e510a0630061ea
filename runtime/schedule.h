// What a schedule is: one file in schedules/ fills in one ScheduleOp.
#ifndef TEMPER_RUNTIME_SCHEDULE_H_
#define TEMPER_RUNTIME_SCHEDULE_H_

#include "runtime/table.h"
#include "temper/schedules.h"

namespace temper {

struct ScheduleOp {
  const char* name = "";
  const char* help = "";  // one line
  FieldList fields = {};
  void (*defaults)(void* params) = nullptr;
  // Rate at step t of `total`, both counted after the warm-up; t < total.
  double (*rate)(const Schedule& schedule, uint64_t t,
                 uint64_t total) = nullptr;
  // Momentum at that step. Null: the schedule leaves it alone.
  double (*momentum)(const Schedule& schedule, uint64_t t,
                     uint64_t total) = nullptr;
  // Goes on from an epoch's loss; its `factor` multiplies the rate, down to
  // `least`. Null: it goes by the step alone.
  void (*observe)(const Schedule& schedule, double loss,
                  ScheduleState* state) = nullptr;
  double (*least)(const Schedule& schedule) = nullptr;
  // What the ranges of the fields do not say, or Ok. Null: they say all.
  Status (*check)(const Schedule& schedule) = nullptr;
};

const ScheduleOp& OpOf(ScheduleKind kind);
// Ok if min_lr is at most the first rate.
Status CheckMinRate(const Schedule& schedule, double min_lr);
// Fields of every schedule, in Schedule itself.
FieldList CommonScheduleFields();

}  // namespace temper

#endif  // TEMPER_RUNTIME_SCHEDULE_H_
