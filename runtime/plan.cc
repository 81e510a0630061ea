// MakePlan: program, then layout, then the independent check.
#include "temper/plan.h"

#include <utility>

#include "runtime/planner.h"
#include "runtime/program.h"

namespace temper {

Status MakePlan(const Graph& graph, const PlanOptions& options, Plan* plan) {
  Plan made;
  TEMPER_RETURN_IF_ERROR(MakeProgram(graph, options, &made));
  LayOut(&made);
  const Status checked = CheckPlan(made);
  if (!checked.ok()) {
    return Error(StatusCode::kInternal, checked.message, checked.node);
  }
  *plan = std::move(made);
  return Ok();
}

const char* TensorKindName(TensorKind kind) {
  switch (kind) {
    case TensorKind::kActivation:
      return "activation";
    case TensorKind::kActivationGradient:
      return "gradient";
    case TensorKind::kSaved:
      return "saved";
    case TensorKind::kScratch:
      return "scratch";
    case TensorKind::kWeightGradient:
      return "weight gradient";
    case TensorKind::kWeight:
      return "weight";
    case TensorKind::kOptimizer:
      return "optimizer";
    case TensorKind::kStepState:
      return "step state";
    case TensorKind::kCount:
      break;
  }
  return "?";
}

}  // namespace temper
