// The part of CheckPlan that knows segments: each one is in its place, of nodes
// that only predict and that the other backend takes. What a segment's step
// touches: plan_check.cc; which values it reads: plan_check_values.cc.
#ifndef TEMPER_RUNTIME_PLAN_CHECK_SEGMENTS_H_
#define TEMPER_RUNTIME_PLAN_CHECK_SEGMENTS_H_

#include "temper/plan.h"
#include "temper/status.h"

namespace temper {

// Graph, shapes and options have been checked.
Status CheckSegments(const Plan& plan);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PLAN_CHECK_SEGMENTS_H_
