// See work.h.
#include "models/work.h"

namespace temper::models {

uint64_t MultiplyAdds(const Plan& plan, uint32_t node) {
  const NodePlan& planned = plan.nodes[node];
  const uint64_t pixels = uint64_t{plan.shapes[node].h} * plan.shapes[node].w;
  uint64_t sum = 0;
  for (uint32_t w = 0; w < planned.weight_count; ++w) {
    const WeightSpec& spec = planned.specs[w];
    if (spec.role == WeightRole::kKernel) sum += spec.Count() * pixels;
  }
  return sum;
}

uint64_t StepMultiplyAdds(const Plan& plan) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    const NodeMode& mode = plan.nodes[i].mode;
    sum += MultiplyAdds(plan, i) *
           (1u + mode.need_dx[0] + (mode.backward && mode.train_weights));
  }
  return sum;
}

}  // namespace temper::models
