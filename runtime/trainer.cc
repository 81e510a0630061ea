// The trainer: the only loop over steps. See temper/trainer.h.
// Next: layer.h (what a step calls), trainer_update.cc (what ends it),
// trainer_segments.cc (what another backend runs), trainer_memory.cc (how the
// arena's tensors lie), initialize.cc (first values).
#include "temper/trainer.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "runtime/layer.h"
#include "runtime/optimizer.h"
#include "runtime/program.h"
#include "runtime/step_state.h"
#include "simd/elementwise.h"
#include "simd/loss.h"
#include "simd/target.h"

namespace temper {
namespace {

// Every thread that will compute must round to nearest and keep subnormals.
bool AllThreadsExact(const ParallelRunner& parallel) {
  struct Check {
    std::atomic<bool> exact{simd::FloatEnvironmentIsExact()};
    // How many are inside, of how many.
    std::atomic<uint32_t> arrived{0};
    std::atomic<bool> waiting{true};
    uint32_t threads = 1;
  } check;
  check.threads = parallel.threads;
  const auto look = [](void* context, uint32_t, uint32_t) {
    if (!simd::FloatEnvironmentIsExact()) {
      static_cast<Check*>(context)->exact.store(false);
    }
  };
  if (parallel.run == nullptr) return check.exact.load();
  if (parallel.each != nullptr) {
    parallel.each(parallel.pool, look, &check, parallel.threads);
    return check.exact.load();
  }
  // A thread that waits inside its task takes no second one: if all arrive,
  // each has one. A runner may run everything on one thread, so they wait for a
  // fixed number of polls, some milliseconds, and only once.
  parallel.run(
      parallel.pool,
      [](void* context, uint32_t, uint32_t) {
        constexpr uint32_t kLooks = 1u << 22;
        Check& c = *static_cast<Check*>(context);
        if (!simd::FloatEnvironmentIsExact()) c.exact.store(false);
        c.arrived.fetch_add(1);
        for (uint32_t i = 0; i < kLooks && c.waiting.load(); ++i) {
          if (c.arrived.load() >= c.threads) return;
        }
        c.waiting.store(false);
      },
      &check, parallel.threads, parallel.threads);
  return check.exact.load();
}

// The content of a weight that was never written: a NaN pattern that no
// arithmetic produces.
constexpr uint32_t kUnset = 0x7fc7e37eu;

float FirstValue(const WeightSpec& spec) {
  return spec.role == WeightRole::kKernel ? std::bit_cast<float>(kUnset)
                                          : spec.initial;
}

}  // namespace

Status Trainer::Create(Plan plan, void* memory, size_t bytes,
                       const ParallelRunner& parallel) {
  TEMPER_RETURN_IF_ERROR(CheckPlan(plan));
  if (bytes < plan.arena_bytes) {
    Status status = Error(StatusCode::kArenaTooSmall,
                          "the memory is smaller than the plan");
    status.bytes = plan.arena_bytes;
    return status;
  }
  if (memory == nullptr) {
    return Error(StatusCode::kInvalidArgument, "there is no memory");
  }
  if (reinterpret_cast<uintptr_t>(memory) % kTensorAlign != 0) {
    return Error(StatusCode::kInvalidArgument,
                 "the memory must be aligned to 64 bytes");
  }
  if (parallel.threads == 0 || parallel.threads > plan.options.threads) {
    return Error(StatusCode::kInvalidArgument,
                 "the runner has more threads than were planned for");
  }
  if (!AllThreadsExact(parallel)) {
    return Error(StatusCode::kUnsupported,
                 "a thread flushes subnormals or does not round to nearest: "
                 "results would not be exact; clear FTZ and DAZ and use the "
                 "default rounding mode");
  }
  plan_ = std::move(plan);
  memory_.data = static_cast<uint8_t*>(memory);
  parallel_ = parallel;
  const bool whole = plan_.options.gradients != GradientMode::kFused;
  forward_steps_ = 0;
  while (plan_.steps[forward_steps_++].kind != StepKind::kLoss) {
  }
  backward_steps_ = forward_steps_;
  while (backward_steps_ < plan_.steps.size() &&
         (plan_.steps[backward_steps_].kind == StepKind::kRecompute ||
          IsBackward(plan_.steps[backward_steps_].kind))) {
    ++backward_steps_;
  }
  tensors_.clear();
  states_.clear();
  for (uint32_t i = 0; i < plan_.nodes.size(); ++i) {
    const NodePlan& node = plan_.nodes[i];
    for (uint32_t w = 0; w < node.weight_count; ++w) {
      tensors_.push_back({i, w, &node.specs[w], At(node.weights[w]),
                          node.specs[w].Count(),
                          Trains(node.mode, node.specs[w].role),
                          whole ? At(node.weight_gradients[w]) : nullptr});
    }
  }
  const char* names[kMaxStates] = {};
  optimizer_states_ = ListStates(plan_.options, names, 0);
  ListStates(plan_.options, names);
  for (uint32_t t = 0; t < tensors_.size(); ++t) {
    const TensorView& view = tensors_[t];
    for (uint32_t s = 0; s < kMaxStates; ++s) {
      const uint32_t state = plan_.nodes[view.node].optimizer[view.slot][s];
      if (state == kNoTensor) continue;
      states_.push_back({names[s], t, At(state), view.count});
    }
  }
  // A normalize layer that is never filled is the identity on scaled samples.
  for (const TensorView& view : tensors_) {
    simd::Fill(view.count, FirstValue(*view.spec), view.data, {});
  }
  for (const StateView& view : states_) {
    std::memset(view.data, 0, view.count * sizeof(float));
  }
  default_ids_.resize(plan_.options.batch);
  for (uint32_t i = 0; i < plan_.options.batch; ++i) default_ids_[i] = i;
  *StepStateOf(plan_, memory_.data) = StepState{};
  seed_ = 0;
  gathered_ = 0;
  weights_are_set_ = false;
  segments_.Clear();
  backend_is_ready_ = false;
  memory_fault_ = kNoNode;
  return Ok();
}

Status Trainer::CheckCreated() const {
  if (memory_.data != nullptr) return Ok();
  return Error(StatusCode::kWrongState,
               "this trainer has no memory: Create has not succeeded, or it "
               "was moved away");
}

Status Trainer::CheckBatch(const Batch& batch, bool training) const {
  TEMPER_RETURN_IF_ERROR(CheckCreated());
  if (training && !plan_.options.training) {
    return Error(StatusCode::kWrongState, "the plan is for evaluation only");
  }
  if (batch.input == nullptr || batch.rows == 0 ||
      batch.rows > plan_.options.batch) {
    return Error(StatusCode::kInvalidArgument,
                 "a batch needs input and 1 to the planned number of rows");
  }
  if (batch.random && batch.sample_ids == nullptr) {
    return Error(StatusCode::kInvalidArgument,
                 "a random key needs sample_ids: without them every batch of "
                 "an epoch would draw the same");
  }
  if (training && batch.rows < plan_.minimum_rows) {
    return Error(StatusCode::kInvalidArgument,
                 "too few rows: a batch norm would see one value per channel");
  }
  const uint32_t last = static_cast<uint32_t>(plan_.nodes.size()) - 1;
  const Node& loss = plan_.graph.nodes[last];
  const LossTraits& traits = *LossOf(loss.kind);
  if (training && batch.class_weights != nullptr) {
    TEMPER_RETURN_IF_ERROR(CheckClassWeights(batch, traits));
  }
  if (traits.targets == TargetKind::kClasses) {
    if (batch.labels != nullptr && batch.targets != nullptr) {
      return Error(StatusCode::kInvalidArgument,
                   "labels or targets, not both of them");
    }
    if (batch.labels == nullptr) {
      return training && batch.targets == nullptr
                 ? Error(StatusCode::kInvalidArgument, "labels are missing")
                 : Ok();
    }
    // Evaluation may meet classes that the model lacks: label -1 says so and
    // counts as wrong. Training on one is an error.
    const int32_t lowest = training ? 0 : -1;
    const int32_t classes =
        static_cast<int32_t>(traits.Classes(plan_.shapes[last].c));
    for (uint32_t r = 0; r < batch.rows; ++r) {
      if (batch.labels[r] < lowest || batch.labels[r] >= classes) {
        return Error(StatusCode::kBadData, "a label is outside the classes");
      }
    }
  } else if (training && NeedsTargets(loss) && batch.targets == nullptr) {
    return Error(StatusCode::kInvalidArgument, "targets are missing");
  }
  return Ok();
}

Status Trainer::CheckClassWeights(const Batch& batch,
                                  const LossTraits& loss) const {
  if (loss.targets != TargetKind::kClasses) {
    return Error(StatusCode::kInvalidArgument,
                 "class weights are for a loss of classes");
  }
  const uint64_t classes = loss.Classes(plan_.shapes.back().c);
  for (uint64_t c = 0; c < classes; ++c) {
    const float w = batch.class_weights[c];
    if (!(w >= 0.0f) || !std::isfinite(w)) {
      return Error(StatusCode::kInvalidArgument,
                   "a class weight is negative or not finite");
    }
  }
  return Ok();
}

// True if every weight without a first value of its own was written.
Status Trainer::CheckWeights() {
  for (const TensorView& view : tensors_) {
    // What is packed was set.
    if (view.spec->role != WeightRole::kKernel || view.data == nullptr)
      continue;
    uint32_t unset = 0;  // no way out of the loop: the compiler makes vectors
    for (uint64_t i = 0; i < view.count; ++i) {
      unset |= std::bit_cast<uint32_t>(view.data[i]) == kUnset;
    }
    if (unset != 0) {
      return Error(StatusCode::kWrongState,
                   "its weights were never set: call Initialize, or fill all "
                   "of Tensors()",
                   view.node);
    }
  }
  weights_are_set_ = true;
  return Ok();
}

void Trainer::CallLayer(const ProgramStep& program_step,
                        const StepContext& step, uint32_t first,
                        uint32_t count) {
  const uint32_t index = program_step.node;
  const StepKind kind = program_step.kind;
  const bool backward = IsBackward(kind);
  const bool data =
      kind == StepKind::kBackward || kind == StepKind::kBackwardData;
  const Node& node = plan_.graph.nodes[index];
  const NodePlan& n = plan_.nodes[index];
  Shape in[kMaxInputs];
  const float* x[kMaxInputs] = {};
  simd::Prologue prologue[kMaxInputs];
  float* dx[kMaxInputs] = {};
  float* weights[kMaxWeights] = {};
  float* dw[kMaxWeights] = {};
  for (uint32_t k = 0; k < node.input_count; ++k) {
    const uint32_t from = node.inputs[k];
    in[k] = plan_.shapes[from];
    const NodePlan& source = plan_.nodes[from];
    const bool again = backward && source.output_again != kNoTensor;
    x[k] = from == 0 ? static_cast<const float*>(step.input)
                     : At(again ? source.output_again : source.output);
    if (source.derived_by != kNoNode) {
      const NodePlan& by = plan_.nodes[source.derived_by];
      prologue[k] = DerivedCoefficients(At<void>(by.saved), in[k].c, by.mode);
    }
    if (data && n.mode.need_dx[k]) dx[k] = At(plan_.nodes[from].gradient);
  }
  for (uint32_t w = 0; w < n.weight_count; ++w) {
    weights[w] = At(n.weights[w]);
    if (backward && kind != StepKind::kBackwardData) {
      dw[w] = At(n.weight_gradients[w]);
    }
  }
  const Call call = {
      node,
      index,
      n.mode,
      in,
      plan_.shapes[index],
      kind,
      step.rows,
      first,
      count,
      step,
      parallel_,
      x,
      prologue,
      At(kind == StepKind::kRecompute ? n.output_again : n.output),
      weights,
      At<void>(n.saved),
      At<void>(backward ? n.backward_scratch : n.forward_scratch),
      At(n.gradient),
      dx,
      n.accumulate,
      dw,
      Blocks(index),
      Pieces(index)};
  if (backward) {
    OpOf(node.kind).backward(call);
  } else {
    OpOf(node.kind).forward(call);
  }
}

// Before the step that adds to them, unless a batch before it has done so.
void Trainer::ClearGradients(const ProgramStep& step) {
  if (gathered_ != 0) return;
  if (!IsBackward(step.kind) || step.kind == StepKind::kBackwardData) return;
  const NodePlan& n = plan_.nodes[step.node];
  for (uint32_t w = n.FirstWholeGradient(); w < n.weight_count; ++w) {
    const uint32_t gradient = n.weight_gradients[w];
    if (gradient == kNoTensor) continue;
    simd::Fill(plan_.tensors[gradient].bytes / sizeof(float), 0.0f,
               At(gradient), parallel_);
  }
}

void Trainer::RunGroup(uint32_t s, const StepContext& context) {
  const uint32_t rows = context.rows;
  const ProgramStep& group = plan_.steps[s];
  for (uint32_t q = s; q <= group.group_last; ++q) {
    if (check_memory_) PoisonDead(q, true);
    ClearGradients(plan_.steps[q]);
  }
  for (uint32_t first = 0; first < rows; first += group.slab) {
    const uint32_t count = std::min(group.slab, rows - first);
    for (uint32_t q = s; q <= group.group_last; ++q) {
      CallLayer(plan_.steps[q], context, first, count);
    }
  }
  for (uint32_t q = s; check_memory_ && q <= group.group_last; ++q) {
    PoisonDead(q, false);
  }
}

StepResult Trainer::Run(const Batch& batch, Mode mode) {
  const bool training = mode != Mode::kEvaluate;
  const bool lasts = mode >= Mode::kAccumulate;  // more than gradients
  StepResult result;
  result.status = CheckBatch(batch, training);
  if (result.status.ok() && !weights_are_set_) result.status = CheckWeights();
  if (result.status.ok() && !backend_is_ready_) {
    result.status = PrepareBackend();
  }
  if (!result.status.ok()) return result;
  PackWeights();
  // A step that fails has drawn too: the next one draws anew.
  uint64_t& draws = StepStateOf(plan_, memory_.data)->draws;
  const uint64_t draw = lasts ? draws++ : draws;
  const RandomKey key = batch.random.value_or(
      RandomKey{seed_ + (draw >> 32), static_cast<uint32_t>(draw)});
  result.rows = batch.rows;
  block_bad_ = false;
  if (mode == Mode::kStep || mode == Mode::kGradients) gathered_ = 0;
  const bool later = mode == Mode::kAccumulate && gathered_ != 0;
  const StepContext context = {
      .input = batch.input,
      .labels = batch.labels,
      .targets = batch.targets,
      .sample_ids = batch.sample_ids ? batch.sample_ids : default_ids_.data(),
      .rows = batch.rows,
      .seed = key.seed,
      .epoch = key.epoch,
      .training = training,
      .keep_statistics = !lasts,
      .first_rows = later ? first_rows_ : 0,
      .forward_statistics = mode == Mode::kStatistics,
      .statistics_weight =
          mode == Mode::kStatistics ? statistics_weight_ : -1.0f,
      .class_weights = training ? batch.class_weights : nullptr};
  const uint32_t last = static_cast<uint32_t>(plan_.nodes.size()) - 1;
  const size_t steps = mode == Mode::kStep        ? plan_.steps.size()
                       : mode >= Mode::kGradients ? backward_steps_
                                                  : forward_steps_;
  if (training && signal_ != nullptr) {
    std::fill_n(signal_, plan_.nodes.size(), -1.0);
  }
  for (uint32_t s = 0; s < steps; ++s) {
    const ProgramStep& step = plan_.steps[s];
    if (step.slab != 0) {
      RunGroup(s, context);
      for (uint32_t q = s; training && q <= step.group_last; ++q) {
        MeasureSignal(plan_.steps[q], batch);
      }
      s = step.group_last;
      continue;
    }
    if (check_memory_) PoisonDead(s, true);
    switch (step.kind) {
      case StepKind::kForward:
      case StepKind::kRecompute:
        CallLayer(step, context, 0, batch.rows);
        break;
      case StepKind::kSegment:
        result.status = RunSegment(step, context);
        if (!result.status.ok()) return result;
        break;
      case StepKind::kLoss: {
        const Node& loss = plan_.graph.nodes[last];
        const LossTraits& traits = *LossOf(loss.kind);
        // A loss for values never reads labels.
        const bool labels =
            traits.Takes(TargetKind::kClasses) && batch.labels != nullptr;
        const bool known = labels || batch.targets != nullptr;
        if (NeedsTargets(loss) && !known) break;
        result.loss = simd::Sum(batch.rows, At(plan_.nodes[last].saved)) /
                      static_cast<float>(batch.rows);
        if (traits.correct != nullptr) {
          result.correct = traits.correct(batch.rows, plan_.shapes[last],
                                          At(plan_.nodes[last].output),
                                          batch.labels, batch.targets);
        }
        if (traits.absolute_error != nullptr && NeedsTargets(loss)) {
          result.absolute_error = traits.absolute_error(
              batch.rows, plan_.shapes[last], At(plan_.nodes[last].output),
              batch.targets);
        }
        // Before backward: weights, momentum and statistics are untouched.
        if (training && !std::isfinite(result.loss)) {
          result.status =
              Error(StatusCode::kNotFinite, "the loss is not finite");
          return result;
        }
        break;
      }
      case StepKind::kBackward:
      case StepKind::kBackwardReduce:
      case StepKind::kBackwardData:
      case StepKind::kBackwardWeights:
        ClearGradients(step);
        CallLayer(step, context, 0, batch.rows);
        break;
      case StepKind::kBeforeUpdate:
      case StepKind::kUpdate:
      case StepKind::kAfterUpdate:
        RunUpdate(step, &result.status);
        // Nothing is updated with gradients that are not finite.
        if (step.kind == StepKind::kBeforeUpdate && !result.status.ok()) {
          return result;
        }
        break;
    }
    if (training) MeasureSignal(step, batch);
    if (check_memory_) PoisonDead(s, false);
  }
  if (mode == Mode::kAccumulate) {
    if (gathered_++ == 0) {
      first_rows_ = batch.rows;
      gathered_rows_ = 0;
      first_draw_ = draw;
    }
    gathered_rows_ += batch.rows;
  }
  if (mode == Mode::kStep) EndUpdate();
  if (result.status.ok()) result.status = MemoryStatus();
  return result;
}

// After a step, while its output is there.
void Trainer::MeasureSignal(const ProgramStep& step, const Batch& batch) {
  if (signal_ == nullptr) return;
  if (step.kind == StepKind::kLoss) {  // the last step of forward
    signal_ = nullptr;
    return;
  }
  const NodePlan& node = plan_.nodes[step.node];
  if (step.kind != StepKind::kForward || step.node == 0 || node.mode.derived ||
      node.output == kNoTensor) {
    return;
  }
  const uint64_t count = batch.rows * plan_.shapes[step.node].Count();
  const double squares =
      double{simd::SumOfSquares(static_cast<size_t>(count), At(node.output))};
  signal_[step.node] = std::sqrt(squares / static_cast<double>(count));
}

StepResult Trainer::Step(const Batch& batch, const StepOptions& options) {
  // Before anything is changed.
  if (const Status status = CheckStep(options); !status.ok()) {
    return {.status = status};
  }
  BeginUpdate(options);
  return Run(batch, Mode::kStep);
}

StepResult Trainer::Forward(const Batch& batch) {
  return Run(batch, Mode::kForward);
}

StepResult Trainer::FollowStatistics(const Batch& batch, float weight) {
  if (!(weight <= 1.0f)) {
    return {.status = Error(StatusCode::kInvalidArgument,
                            "the weight of a batch must be at most 1")};
  }
  statistics_weight_ = weight;
  return Run(batch, Mode::kStatistics);
}

StepResult Trainer::Gradients(const Batch& batch) {
  const Status status = CheckGradients(GradientMode::kWhole);
  return status.ok() ? Run(batch, Mode::kGradients)
                     : StepResult{.status = status};
}

StepResult Trainer::Accumulate(const Batch& batch) {
  const Status status = CheckGradients(GradientMode::kAccumulated);
  return status.ok() ? Run(batch, Mode::kAccumulate)
                     : StepResult{.status = status};
}

StepResult Trainer::Evaluate(const Batch& batch) {
  return Run(batch, Mode::kEvaluate);
}

const float* Trainer::Output() const {
  return memory_.data == nullptr ? nullptr : At(plan_.nodes.back().output);
}

double Trainer::Penalty() const {
  const Optimizer& optimizer = plan_.options.optimizer;
  double sum = 0.0;
  for (const TensorView& view : tensors_) {
    if (!view.trained) continue;
    const std::vector<float>& factors = plan_.options.decay_factors;
    const float decay =
        OpOf(optimizer.kind)
            .decay(factors.empty() ? optimizer
                                   : WithDecay(optimizer, factors[view.node]),
                   view.spec->role);
    if (decay == 0.0f) continue;
    sum += 0.5 * decay * double{simd::SumOfSquares(view.count, view.data)};
  }
  return sum;
}

}  // namespace temper
