// Part of CheckPlan: whether every step reads the values that it is meant to.
#ifndef TEMPER_RUNTIME_PLAN_CHECK_VALUES_H_
#define TEMPER_RUNTIME_PLAN_CHECK_VALUES_H_

#include <vector>

#include "runtime/layer.h"
#include "temper/plan.h"

namespace temper {

// `needs`: one per node, of absorbed ones too. Every index of the plan has been
// checked.
Status CheckValues(const Plan& plan, const std::vector<Needs>& needs);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PLAN_CHECK_VALUES_H_
