// What ends a training step: the optimizer takes gradients, as a whole or in
// the blocks and pieces in which backward makes them, and hooks run before and
// after. See temper/trainer.h, optimizer.h, update_hook.h.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "runtime/layer.h"
#include "runtime/optimizer.h"
#include "runtime/program.h"
#include "runtime/step_state.h"
#include "runtime/update_hook.h"
#include "simd/elementwise.h"
#include "simd/loss.h"
#include "temper/trainer.h"

namespace temper {

Status Trainer::CheckStep(const StepOptions& options) const {
  // NaN fails the comparison.
  if (!(options.learning_rate >= 0.0f &&
        std::isfinite(options.learning_rate))) {
    return Error(StatusCode::kInvalidArgument,
                 "the learning rate must be finite and at least 0");
  }
  if (!std::isfinite(options.gradient_scale)) {
    return Error(StatusCode::kInvalidArgument,
                 "the gradient scale must be finite");
  }
  if (!options.optimizer) return Ok();
  const Optimizer& planned = plan_.options.optimizer;
  if (options.optimizer->kind != planned.kind) {
    return Error(StatusCode::kInvalidArgument,
                 "a step cannot have another optimizer than the plan");
  }
  const OptimizerOp& op = OpOf(planned.kind);
  if (FieldOutOfRange(op.fields, options.optimizer->params) != nullptr) {
    return Error(StatusCode::kInvalidArgument,
                 "an optimizer parameter is outside its range");
  }
  const char *have[kMaxStates], *want[kMaxStates];
  const uint32_t states = op.states(planned, have);
  const uint32_t wanted = op.states(*options.optimizer, want);
  bool fits = wanted <= states;
  for (uint32_t s = 0; fits && s < wanted; ++s) {
    fits = std::strcmp(have[s], want[s]) == 0;
  }
  return fits ? Ok()
              : Error(StatusCode::kInvalidArgument,
                      "a step's optimizer needs state that the plan's does not "
                      "have");
}

Status Trainer::CheckGradients(GradientMode least) const {
  TEMPER_RETURN_IF_ERROR(CheckCreated());
  if (plan_.options.gradients >= least) return Ok();
  return Error(StatusCode::kWrongState,
               least == GradientMode::kWhole
                   ? "the plan's gradients are not whole: use "
                     "GradientMode::kWhole"
                   : "the plan's gradients do not outlive a step: use "
                     "GradientMode::kAccumulated");
}

void Trainer::BeginUpdate(const StepOptions& options) {
  update_ = options;
  if (!update_.optimizer) update_.optimizer = plan_.options.optimizer;
  update_step_ = steps() + 1;
  scaled_ = clipped_ = false;
  hook_scale_ = 1;
}

// Elements [first, first + count) of weight w, whose gradients are ready.
bool Trainer::UpdateWeight(uint32_t index, uint32_t w, uint64_t first,
                           uint64_t count, const float* gradient,
                           const ParallelRunner& parallel) {
  const NodePlan& n = plan_.nodes[index];
  const std::vector<float>& factors = plan_.options.rate_factors;
  float* state[kMaxStates] = {};  // the optimizer's only, not the hooks'
  for (uint32_t s = 0; s < optimizer_states_; ++s) {
    state[s] = At(n.optimizer[w][s]) + first;
  }
  StepState& step_state = *StepStateOf(plan_, memory_.data);
  if (step_state.measuring != 0) {
    const double scale = double{update_.gradient_scale};
    std::atomic_ref<double>(step_state.gradient_squares)
        .fetch_add(scale * scale * double{simd::SumOfSquares(count, gradient)});
  }
  const float rate = update_.learning_rate;
  const std::vector<float>& decays = plan_.options.decay_factors;
  const Optimizer optimizer =
      decays.empty() ? *update_.optimizer
                     : WithDecay(*update_.optimizer, decays[index]);
  return OpOf(plan_.options.optimizer.kind)
      .update({.optimizer = optimizer,
               .role = n.specs[w].role,
               .step = update_step_,
               .learning_rate = factors.empty() ? rate : rate * factors[index],
               .gradient_scale = update_.gradient_scale,
               .shape = RowsOf(n.specs[w]),
               .first = first,
               .count = count,
               .g = gradient,
               .w = At(n.weights[w]) + first,
               .state = state,
               .scratch = At(n.update_scratch),
               .w_shared = parallel_.threads > 1,
               .parallel = parallel});
}

bool Trainer::UpdateNode(uint32_t index) {
  const NodePlan& n = plan_.nodes[index];
  bool bad = block_bad_;
  block_bad_ = false;
  for (uint32_t w = n.FirstWholeGradient(); w < n.weight_count; ++w) {
    if (n.weight_gradients[w] == kNoTensor) continue;
    bad |= UpdateWeight(index, w, 0, n.specs[w].Count(),
                        At(n.weight_gradients[w]), parallel_);
  }
  return bad;
}

GradientBlocks Trainer::Blocks(uint32_t index) {
  if (plan_.nodes[index].gradient_rows == 0) return {};
  return {plan_.nodes[index].gradient_rows, this,
          [](void* trainer, uint32_t node, uint32_t count) {
            Trainer& self = *static_cast<Trainer*>(trainer);
            const NodePlan& n = self.plan_.nodes[node];
            const WeightSpec& spec = n.specs[0];
            simd::Fill(spec.Count() / spec.dims[0] * count, 0.0f,
                       self.At(n.weight_gradients[0]), self.parallel_);
          },
          [](void* trainer, uint32_t node, uint32_t first, uint32_t count) {
            Trainer& self = *static_cast<Trainer*>(trainer);
            const NodePlan& n = self.plan_.nodes[node];
            const uint64_t row = n.specs[0].Count() / n.specs[0].dims[0];
            self.block_bad_ |= self.UpdateWeight(
                node, 0, first * row, count * row,
                self.At(n.weight_gradients[0]), self.parallel_);
          }};
}

GradientPieces Trainer::Pieces(uint32_t index) {
  if (!plan_.nodes[index].gradient_pieces) return {};
  return {this, [](void* trainer, uint32_t node, uint64_t first, uint64_t count,
                   const float* g) {
            Trainer& self = *static_cast<Trainer*>(trainer);
            if (self.UpdateWeight(node, 0, first, count, g, {})) {
              std::atomic_ref<bool>(self.block_bad_)
                  .store(true, std::memory_order_relaxed);
            }
          }};
}

// One step of the program that is an update or a hook.
void Trainer::RunUpdate(const ProgramStep& step, Status* status) {
  if (IsHook(step.kind)) {
    const Status ran = RunHook(step.node);
    if (status->ok()) *status = ran;
    return;
  }
  const OptimizerOp& op = OpOf(plan_.options.optimizer.kind);
  if (!scaled_ && op.scale != nullptr) {
    update_.gradient_scale = op.scale(
        {*update_.optimizer, update_.gradient_scale, tensors_, parallel_});
  }
  scaled_ = true;
  // Sticky: the first layer with a non-finite weight is named; later ones
  // result from it.
  if (UpdateNode(step.node) && status->ok()) {
    *status = Error(StatusCode::kNotFinite,
                    "an update made a weight non-finite", step.node);
  }
}

Status Trainer::RunHook(uint32_t index) {
  const UpdateHook& hook = plan_.options.hooks[index];
  const char* names[kMaxStates];
  const double before = double{update_.gradient_scale};
  const Status status = FindOp(hook.kind)->run(
      {.hook = hook,
       .step = update_step_,
       .learning_rate = update_.learning_rate,
       .gradient_scale = &update_.gradient_scale,
       .clipped = &clipped_,
       .tensors = tensors_,
       .rate_factors = plan_.options.rate_factors,
       .parallel = parallel_,
       .trainer = this,
       .first_state = ListStates(plan_.options, names, index),
       .state = [](const Trainer* trainer, uint32_t t, uint32_t s) {
         const TensorView& view = trainer->tensors_[t];
         return trainer->At(
             trainer->plan_.nodes[view.node].optimizer[view.slot][s]);
       }});
  if (before != 0) hook_scale_ *= double{update_.gradient_scale} / before;
  return status;
}

Status Trainer::Apply(const StepOptions& options) {
  TEMPER_RETURN_IF_ERROR(CheckGradients(GradientMode::kAccumulated));
  TEMPER_RETURN_IF_ERROR(CheckStep(options));
  if (gathered_ == 0) {
    return Error(StatusCode::kWrongState,
                 "there are no gradients: call Accumulate first");
  }
  BeginUpdate(options);
  // 1 / batches if they all have the same rows.
  update_.gradient_scale *= static_cast<float>(
      static_cast<double>(first_rows_) / static_cast<double>(gathered_rows_));
  Status status = Ok();
  for (uint32_t s = backward_steps_; s < plan_.steps.size(); ++s) {
    if (check_memory_) PoisonDead(s, true);
    RunUpdate(plan_.steps[s], &status);
    if (plan_.steps[s].kind == StepKind::kBeforeUpdate && !status.ok()) {
      gathered_ = 0;
      return status;
    }
    if (check_memory_) PoisonDead(s, false);
  }
  gathered_ = 0;
  EndUpdate();
  return status.ok() ? MemoryStatus() : status;
}

void Trainer::DropGathered() {
  if (memory_.data == nullptr || gathered_ == 0) return;
  gathered_ = 0;
  StepStateOf(plan_, memory_.data)->draws = first_draw_;
}

size_t Trainer::StatisticsCount() const {
  size_t count = 0;
  for (const TensorView& view : tensors_) {
    if (view.spec->role == WeightRole::kBuffer) count += view.count;
  }
  return count;
}

void Trainer::TakeStatistics(float* to) const {
  for (const TensorView& view : tensors_) {
    if (view.spec->role != WeightRole::kBuffer) continue;
    to = std::copy_n(view.data, view.count, to);
  }
}

void Trainer::RestoreStatistics(const float* from) {
  for (const TensorView& view : tensors_) {
    if (view.spec->role != WeightRole::kBuffer) continue;
    std::copy_n(from, view.count, view.data);
    from += view.count;
  }
}

void Trainer::EndUpdate() {
  StepStateOf(plan_, memory_.data)->steps = update_step_;
}

uint64_t Trainer::steps() const {
  return memory_.data == nullptr ? 0 : StepStateOf(plan_, memory_.data)->steps;
}

void Trainer::SetStepCount(uint64_t steps) {
  if (memory_.data == nullptr) return;
  *StepStateOf(plan_, memory_.data) = {.steps = steps, .draws = steps};
}

}  // namespace temper
