// What an update hook is, and how one is added: a file hooks/<name>.cc that
// fills in one UpdateHookOp, its parameters and its line in
// temper/update_hooks.h. The program lists one step for each hook of
// PlanOptions::hooks, in their order: those before the update after all of
// backward (they need whole gradients: PlanOptions::gradients), the others at
// the end. tests/runtime/update_hook_test.cc has one of each: clipping by the
// global norm, and an average of the weights.
// Next: trainer_update.cc (the caller), optimizer.h.
#ifndef TEMPER_RUNTIME_UPDATE_HOOK_H_
#define TEMPER_RUNTIME_UPDATE_HOOK_H_

#include <vector>

#include "temper/fields.h"
#include "temper/parallel.h"
#include "temper/plan.h"
#include "temper/trainer.h"

namespace temper {

struct HookCall {
  const UpdateHook& hook;
  uint64_t step;        // UpdateCall::step
  float learning_rate;  // of the step, without the layers' factors
  // Before the update: what all gradients are going to be multiplied by. A hook
  // may change it (clipping by a norm): that is cheaper than to change the
  // gradients.
  float* gradient_scale;
  // Set if the hook has made gradients smaller (Trainer::clipped).
  bool* clipped;
  // All stored tensors. Trained ones may be changed after the update; gradient
  // is null unless they are whole.
  const std::vector<TensorView>& tensors;
  const std::vector<float>& rate_factors;  // PlanOptions::rate_factors
  const ParallelRunner& parallel;

  // State s of this hook for tensors[t], the tensor's size. Null if it is not
  // trained.
  float* State(uint32_t t, uint32_t s) const {
    return state(trainer, t, first_state + s);
  }
  // The gradient of tensors[t], to be changed before the update. Null as
  // TensorView::gradient.
  float* Gradient(uint32_t t) const {
    return const_cast<float*>(tensors[t].gradient);
  }
  // The rate of the layer that tensors[t] belongs to.
  float Rate(uint32_t t) const {
    return rate_factors.empty() ? learning_rate
                                : learning_rate * rate_factors[tensors[t].node];
  }
  const Trainer* trainer;
  uint32_t first_state;
  float* (*state)(const Trainer* trainer, uint32_t tensor, uint32_t state);
};

struct UpdateHookOp {
  const char* name = "";
  const char* help = "";  // one line
  FieldList fields = {nullptr, 0};
  void (*defaults)(void* params) = nullptr;
  StepKind when = StepKind::kAfterUpdate;  // or kBeforeUpdate
  // As OptimizerOp::states; the file of a run keeps them. Null: none.
  uint32_t (*states)(const UpdateHook& hook, const char** names) = nullptr;
  // Sums must not depend on the number of threads. Not Ok (a gradient that is
  // not finite, with its node): the step ends here and nothing is updated.
  Status (*run)(const HookCall& call) = nullptr;
};

const UpdateHookOp& OpOf(UpdateHookKind kind);
// The same, or null for an unknown kind.
const UpdateHookOp* FindOp(UpdateHookKind kind);

}  // namespace temper

#endif  // TEMPER_RUNTIME_UPDATE_HOOK_H_
