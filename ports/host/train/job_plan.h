// The last part of making a job: graph and data are settled, what follows is
// what is frozen, the plan, the arena and the schedule. Next: job_plan.cc.
#ifndef TEMPER_PORTS_HOST_TRAIN_JOB_PLAN_H_
#define TEMPER_PORTS_HOST_TRAIN_JOB_PLAN_H_

#include "ports/host/train/job.h"

namespace temper::host {

// Fills plan_options, plan, arena_bytes, schedule, augment and the counts of
// batches and steps. Throws Failure as PrepareJob does.
void PlanJob(Job& job, bool resume);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_JOB_PLAN_H_
