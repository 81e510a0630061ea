// CheckPlan: whether a plan is safe to run. It trusts nothing and shares no
// code with program.cc and planner.cc: it walks the steps as the trainer will
// and checks for each one that the layer can run it, that every buffer it
// touches exists, is as large as the layer says (Needs), is alive, and overlaps
// no other live buffer; and that every value is there when it is read
// (plan_check_values.cc).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "runtime/layer.h"
#include "runtime/optimizer.h"
#include "runtime/plan_check_segments.h"
#include "runtime/plan_check_values.h"
#include "runtime/update_hook.h"
#include "simd/rows.h"
#include "temper/plan.h"

namespace temper {
namespace {

Status Fail(const char* message, uint32_t node = kNoNode) {
  return Error(StatusCode::kInvalidArgument, message, node);
}

// The tensor exists, is alive at `step` and everything that runs together with
// it, and holds at least `bytes`.
bool Usable(const Plan& plan, uint32_t tensor, size_t step, uint64_t bytes) {
  if (tensor >= plan.tensors.size()) return false;
  const PlannedTensor& t = plan.tensors[tensor];
  const uint32_t last = plan.steps[step].group_last;
  size_t first = step;
  while (first > 0 && plan.steps[first - 1].group_last == last) --first;
  return t.first <= first && last <= t.last && t.bytes >= bytes;
}

// The bytes past a tensor's end that vector loads may read, where no other
// thread may write: activations are read in rows of their channels.
uint64_t TailBytes(const Plan& plan, const PlannedTensor& t) {
  if (t.kind == TensorKind::kOptimizer || t.kind == TensorKind::kStepState) {
    return 0;
  }
  const bool rows = t.kind == TensorKind::kActivation ||
                    t.kind == TensorKind::kActivationGradient;
  const bool whole = rows && plan.segments.empty() &&
                     t.node < plan.shapes.size() &&
                     plan.shapes[t.node].c * sizeof(float) % 64 == 0;
  return whole ? 0 : simd::kTailBytes;
}

// Of one of a derived tensor's two vectors.
uint64_t CoefficientBytes(uint64_t channels) {
  return (channels * sizeof(float) + kTensorAlign - 1) / kTensorAlign *
         kTensorAlign;
}

Needs NeedsOf(const Plan& plan, uint32_t i) {
  const Node& node = plan.graph.nodes[i];
  Shape in[kMaxInputs];
  for (uint32_t k = 0; k < node.input_count; ++k) {
    in[k] = plan.shapes[node.inputs[k]];
  }
  Needs needs;
  OpOf(node.kind).needs({node, in, plan.shapes[i], plan.options.batch,
                         plan.options.threads, plan.nodes[i].mode},
                        &needs);
  if (plan.nodes[i].segment == kNoSegment) return needs;
  Needs stored;  // of a segment's node somebody else has the rest
  stored.KeepWeights(needs);
  return stored;
}

bool SameSpec(const WeightSpec& a, const WeightSpec& b) {
  return a.role == b.role && a.rank == b.rank &&
         std::memcmp(a.dims, b.dims, sizeof(a.dims)) == 0;
}

// The tensor exists, or is not there at all; `bytes` != 0: it exists and holds
// as many.
bool Known(const Plan& plan, uint32_t tensor, uint64_t bytes = 0) {
  if (tensor == kNoTensor) return bytes == 0;
  return tensor < plan.tensors.size() && plan.tensors[tensor].bytes >= bytes;
}

// State tensors of a trained weight: the optimizer's and the hooks'.
uint32_t StatesOf(const PlanOptions& options) {
  const char* names[kMaxStates];
  uint32_t states =
      OpOf(options.optimizer.kind).states(options.optimizer, names);
  for (const UpdateHook& hook : options.hooks) {
    const UpdateHookOp& op = *FindOp(hook.kind);
    if (op.states != nullptr) states += op.states(hook, names);
  }
  return states;
}

// Bytes beside its state that the update of a node needs.
uint64_t ScratchOf(const Plan& plan, const NodePlan& n) {
  const OptimizerOp& op = OpOf(plan.options.optimizer.kind);
  uint64_t bytes = 0;
  for (uint32_t w = 0; op.scratch != nullptr && w < n.weight_count; ++w) {
    if (!IsTrained(n.specs[w].role)) continue;
    bytes = std::max(bytes, op.scratch(plan.options.optimizer, n.specs[w]));
  }
  return bytes;
}

// Whole gradients live to the end, and from the start if they add up.
bool LivesAsItMust(const Plan& plan, const PlannedTensor& gradient) {
  const GradientMode mode = plan.options.gradients;
  return mode == GradientMode::kFused ||
         (gradient.last == plan.steps.size() - 1 &&
          (mode == GradientMode::kWhole || gradient.first == 0));
}

// Weights, gradients and optimizer state of a node.
Status CheckWeights(const Plan& plan, uint32_t i, const Needs& needs) {
  const NodePlan& n = plan.nodes[i];
  if (n.weight_count != needs.weight_count) {
    return Fail("too many weights, or too few", i);
  }
  const uint32_t states = StatesOf(plan.options);
  for (uint32_t w = 0; w < n.weight_count; ++w) {
    const uint64_t bytes = w == 0 && n.mode.packed
                               ? needs.packed_bytes
                               : n.specs[w].Count() * sizeof(float);
    const bool trained = Trains(n.mode, n.specs[w].role);
    if (!SameSpec(n.specs[w], needs.weights[w]) ||
        !Known(plan, n.weights[w], bytes)) {
      return Fail("a weight is missing, too small or of another shape", i);
    }
    const bool whole = trained && !(w == 0 && n.gradient_pieces);
    if (whole ? !Known(plan, n.weight_gradients[w], 1)
              : n.weight_gradients[w] != kNoTensor) {
      return Fail("a weight has a gradient without need, or none", i);
    }
    if (whole && !LivesAsItMust(plan, plan.tensors[n.weight_gradients[w]])) {
      return Fail("a whole gradient does not live as long as it must", i);
    }
    for (uint32_t s = 0; s < kMaxStates; ++s) {
      const uint32_t state = n.optimizer[w][s];
      const bool wanted = trained && s < states;
      if (wanted ? !Known(plan, state, bytes) : state != kNoTensor) {
        return Fail("optimizer state without need, missing or too small", i);
      }
    }
  }
  if (n.mode.packed && (needs.packed_bytes == 0 || plan.options.training ||
                        !plan.options.pack_weights || n.segment != kNoSegment ||
                        OpOf(plan.graph.nodes[i].kind).pack == nullptr)) {
    return Fail("a weight is packed that must not be", i);
  }
  const bool fused = plan.options.gradients == GradientMode::kFused;
  if (n.FirstWholeGradient() != 0 && !fused) {
    return Fail("a gradient is not whole", i);
  }
  if (n.gradient_pieces &&
      OpOf(plan.options.optimizer.kind).unit != UpdateUnit::kElement) {
    return Fail("an optimizer of rows gets pieces of them", i);
  }
  if (n.gradient_rows != 0 &&
      (needs.gradient_work == 0 || n.gradient_rows > n.specs[0].dims[0])) {
    return Fail("a gradient cannot be made in these blocks", i);
  }
  if (n.gradient_pieces &&
      (!needs.gradient_in_pieces || n.gradient_rows != 0)) {
    return Fail("a gradient cannot be made in pieces", i);
  }
  return Ok();
}

// What holds for a node and its inputs, whichever steps use it.
Status CheckNode(const Plan& plan, uint32_t i) {
  const Node& node = plan.graph.nodes[i];
  const NodePlan& n = plan.nodes[i];
  for (const uint32_t tensor :
       {n.output, n.output_again, n.gradient, n.saved, n.forward_scratch,
        n.backward_scratch, n.update_scratch}) {
    if (!Known(plan, tensor)) return Fail("a buffer does not exist", i);
  }
  if (n.mode.activation >= static_cast<uint32_t>(simd::Activation::kCount)) {
    return Fail("an activation is unknown", i);
  }
  if (n.mode.live_statistics && !n.mode.train_weights) {
    return Fail("a frozen layer has no live statistics", i);
  }
  if (n.derived_by != kNoNode &&
      (n.derived_by > i || !plan.nodes[n.derived_by].mode.derived)) {
    return Fail("an output is derived by no batch norm", i);
  }
  if (n.mode.absorbed) {
    return n.segment == kNoSegment
               ? CheckWeights(plan, i, Needs())
               : Fail("a segment's node is absorbed by another node", i);
  }
  if (n.segment != kNoSegment &&
      (n.mode.activation != 0 || n.derived_by != kNoNode)) {
    return Fail("a segment's node is fused with another node", i);
  }
  const Needs needs = NeedsOf(plan, i);
  if (n.mode.derived && !needs.derivable) {
    return Fail("an output cannot be derived", i);
  }
  for (uint32_t k = 0; k < node.input_count; ++k) {
    const bool derived = plan.nodes[node.inputs[k]].derived_by != kNoNode;
    if (n.mode.derived_input[k] != derived ||
        (derived && !needs.accept_derived[k])) {
      return Fail("an input is derived for one side alone", i);
    }
  }
  return CheckWeights(plan, i, needs);
}

// Whether the layer can run this step, alone or in slabs.
bool CanRun(const ProgramStep& s, const Needs& needs, const Shape& shape) {
  switch (s.kind) {
    case StepKind::kForward:
      // Live statistics begin with a whole unit of rows.
      return s.slab == 0 || needs.in_slabs ||
             (needs.reduce_first &&
              uint64_t{s.slab} * shape.h * shape.w >= simd::kChunkUnit);
    case StepKind::kBackward:
      return s.slab == 0;
    case StepKind::kBackwardReduce:
      return needs.reduce_first;
    case StepKind::kBackwardData:
      return needs.reduce_first || needs.in_slabs;
    case StepKind::kBackwardWeights:
      return s.slab == 0 ? needs.in_slabs : needs.weights_in_slabs;
    case StepKind::kRecompute:
      return s.slab == 0 && needs.recompute;
    case StepKind::kLoss:
    case StepKind::kUpdate:
      return s.slab == 0;
    case StepKind::kSegment:
    case StepKind::kBeforeUpdate:
    case StepKind::kAfterUpdate:
      break;  // no layer's
  }
  return false;
}

// A weight that is trained, its gradient and its state, at a step that uses
// them.
Status CheckTrained(const Plan& plan, size_t step, uint32_t i, bool gradient) {
  const NodePlan& n = plan.nodes[i];
  for (uint32_t w = 0; w < n.weight_count; ++w) {
    if (!Trains(n.mode, n.specs[w].role)) continue;
    const uint64_t size = n.specs[w].Count() * sizeof(float);
    const uint64_t made = w == 0 && n.gradient_rows != 0
                              ? size / n.specs[0].dims[0] * n.gradient_rows
                              : size;
    if (gradient && !(w == 0 && n.gradient_pieces) &&
        !Usable(plan, n.weight_gradients[w], step, made)) {
      return Fail("a weight gradient is missing, dead or too small", i);
    }
    for (const uint32_t state : n.optimizer[w]) {
      if (state != kNoTensor && !Usable(plan, state, step, size)) {
        return Fail("optimizer state is dead or too small", i);
      }
    }
  }
  return Ok();
}

// A hook may touch all that is trained.
Status CheckHook(const Plan& plan, size_t step) {
  const ProgramStep& s = plan.steps[step];
  if (s.node >= plan.options.hooks.size() ||
      FindOp(plan.options.hooks[s.node].kind)->when != s.kind || s.slab != 0) {
    return Fail("a step is not its hook's");
  }
  const bool whole = plan.options.gradients != GradientMode::kFused;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    const NodePlan& n = plan.nodes[i];
    for (uint32_t w = 0; w < n.weight_count; ++w) {
      if (!Usable(plan, n.weights[w], step,
                  n.specs[w].Count() * sizeof(float))) {
        return Fail("a weight is missing, dead or too small", i);
      }
    }
    TEMPER_RETURN_IF_ERROR(CheckTrained(plan, step, i, whole));
  }
  return Ok();
}

// The parts of a plan about updates, checked before they are used.
Status CheckOptions(const Plan& plan) {
  const PlanOptions& o = plan.options;
  if (o.gradients > GradientMode::kAccumulated) {
    return Fail("what becomes of gradients is unknown");
  }
  if (!o.rate_factors.empty() && o.rate_factors.size() != plan.nodes.size()) {
    return Fail("the rate factors are not one per node");
  }
  for (const float factor : o.rate_factors) {
    if (!(factor >= 0.0f && std::isfinite(factor))) {
      return Fail("a rate factor is negative or not finite");
    }
  }
  if (!o.decay_factors.empty() && o.decay_factors.size() != plan.nodes.size()) {
    return Fail("the decay factors are not one per node");
  }
  for (const float factor : o.decay_factors) {
    if (!(factor >= 0.0f && std::isfinite(factor))) {
      return Fail("a decay factor is negative or not finite");
    }
  }
  if (o.hooks.size() > kMaxHooks) return Fail("the plan has too many hooks");
  for (const UpdateHook& hook : o.hooks) {
    const UpdateHookOp* const op = FindOp(hook.kind);
    if (op == nullptr || FieldOutOfRange(op->fields, hook.params) != nullptr) {
      return Fail("a hook is unknown, or a parameter of it out of range");
    }
    if (op->when == StepKind::kBeforeUpdate &&
        o.gradients == GradientMode::kFused) {
      return Fail("a hook before the update needs whole gradients");
    }
  }
  if (OpOf(o.optimizer.kind).unit == UpdateUnit::kModel &&
      o.gradients == GradientMode::kFused) {
    return Fail("the optimizer needs whole gradients");
  }
  if (StatesOf(o) > kMaxStates) return Fail("too much optimizer state");
  return Ok();
}

// All that comes in, all that goes out, and all weights between.
Status CheckSegmentStep(const Plan& plan, size_t step) {
  const ProgramStep& s = plan.steps[step];
  if (s.node >= plan.nodes.size() ||
      plan.nodes[s.node].segment >= plan.segments.size() || s.slab != 0) {
    return Fail("a step is no segment's");
  }
  const Segment& segment = plan.segments[plan.nodes[s.node].segment];
  if (segment.first != s.node) return Fail("a step is no segment's", s.node);
  const auto bytes = [&](uint32_t i) {
    return plan.shapes[i].Count() * plan.options.batch * sizeof(float);
  };
  for (uint32_t i = segment.first; i <= segment.last; ++i) {
    const Node& node = plan.graph.nodes[i];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const uint32_t from = node.inputs[k];
      if (from >= segment.first) continue;
      if (!Usable(plan, plan.nodes[from].output, step, bytes(from))) {
        return Fail("an input is missing, dead or too small", i);
      }
    }
    const NodePlan& n = plan.nodes[i];
    if (n.output != kNoTensor && !Usable(plan, n.output, step, bytes(i))) {
      return Fail("an output is dead or too small", i);
    }
    for (uint32_t w = 0; w < n.weight_count; ++w) {
      if (!Usable(plan, n.weights[w], step,
                  n.specs[w].Count() * sizeof(float))) {
        return Fail("a weight is missing, dead or too small", i);
      }
    }
  }
  return Ok();
}

Status CheckStep(const Plan& plan, size_t step) {
  const ProgramStep& s = plan.steps[step];
  if (IsHook(s.kind)) return CheckHook(plan, step);
  if (s.kind == StepKind::kSegment) return CheckSegmentStep(plan, step);
  if (s.node >= plan.nodes.size()) return Fail("a step names no node");
  const Node& node = plan.graph.nodes[s.node];
  const NodePlan& n = plan.nodes[s.node];
  if (n.mode.absorbed) return Fail("an absorbed node has a step", s.node);
  if (n.segment != kNoSegment) {
    return Fail("a segment's node has a step of its own", s.node);
  }
  const Needs needs = NeedsOf(plan, s.node);
  if (!CanRun(s, needs, plan.shapes[s.node])) {
    return Fail("a layer cannot run this step", s.node);
  }
  const auto bytes = [&](uint32_t i) {
    return plan.shapes[i].Count() * plan.options.batch * sizeof(float);
  };
  for (uint32_t w = 0; w < n.weight_count; ++w) {
    if (!Usable(plan, n.weights[w], step, n.specs[w].Count() * sizeof(float))) {
      return Fail("a weight is missing, dead or too small", s.node);
    }
  }
  const bool backward = IsBackward(s.kind);
  const bool data =
      s.kind == StepKind::kBackward || s.kind == StepKind::kBackwardData;
  const bool weights = backward && s.kind != StepKind::kBackwardData;
  if (backward && (!n.mode.backward || OpOf(node.kind).backward == nullptr)) {
    return Fail("nothing flows back through this layer", s.node);
  }
  if (s.kind == StepKind::kRecompute) {
    // Only from inputs that still exist, into a buffer of its own, no scratch.
    for (uint32_t k = 0; k < node.input_count; ++k) {
      if (node.inputs[k] != 0 &&
          !Usable(plan, plan.nodes[node.inputs[k]].output, step,
                  bytes(node.inputs[k]))) {
        return Fail("an input is missing, dead or too small", s.node);
      }
      const uint32_t by = plan.nodes[node.inputs[k]].derived_by;
      if (by != kNoNode &&
          !Usable(plan, plan.nodes[by].saved, step,
                  2 * CoefficientBytes(plan.shapes[node.inputs[k]].c))) {
        return Fail("an input's coefficients are missing, dead or too small",
                    s.node);
      }
    }
    if (!Usable(plan, n.output_again, step, bytes(s.node)) ||
        needs.forward_scratch != 0 || needs.saved_bytes != 0) {
      return Fail("a node cannot be computed again", s.node);
    }
  }
  if (s.kind == StepKind::kForward || backward) {
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const bool reads = !backward || needs.keep_input[k];
      const uint32_t from = node.inputs[k];
      const NodePlan& source = plan.nodes[from];
      const bool again = backward && source.output_again != kNoTensor;
      if (reads && from != 0 &&
          !Usable(plan, again ? source.output_again : source.output, step,
                  bytes(from))) {
        return Fail("an input is missing, dead or too small", s.node);
      }
      const uint32_t by = source.derived_by;
      if (by != kNoNode && reads &&
          !Usable(plan, plan.nodes[by].saved, step,
                  2 * CoefficientBytes(plan.shapes[from].c))) {
        return Fail("an input's coefficients are missing, dead or too small",
                    s.node);
      }
      if (data && n.mode.need_dx[k] &&
          !Usable(plan, plan.nodes[from].gradient, step, bytes(from))) {
        return Fail("an input's gradient is missing, dead or too small",
                    s.node);
      }
    }
    if ((!backward || needs.keep_output) && s.node != 0 &&
        !Usable(plan, n.output, step, bytes(s.node))) {
      return Fail("an output is missing, dead or too small", s.node);
    }
    const uint32_t scratch = backward ? n.backward_scratch : n.forward_scratch;
    const uint64_t scratch_bytes =
        backward ? needs.backward_scratch : needs.forward_scratch;
    if (scratch_bytes != 0 && !Usable(plan, scratch, step, scratch_bytes)) {
      return Fail("scratch is missing, dead or too small", s.node);
    }
    if (needs.saved_bytes != 0 &&
        !Usable(plan, n.saved, step, needs.saved_bytes)) {
      return Fail("a saved buffer is missing, dead or too small", s.node);
    }
    if (backward && !IsLoss(node.kind) &&
        !Usable(plan, n.gradient, step, bytes(s.node))) {
      return Fail("a gradient is missing, dead or too small", s.node);
    }
  }
  if (s.kind == StepKind::kLoss) {
    if (s.node != plan.nodes.size() - 1 ||
        !Usable(plan, n.saved, step, plan.options.batch * sizeof(float)) ||
        !Usable(plan, n.output, step, bytes(s.node))) {
      return Fail("the loss has no place for its rows", s.node);
    }
  }
  if (s.kind == StepKind::kUpdate) {
    const uint64_t scratch = ScratchOf(plan, n);
    if (scratch != 0 && !Usable(plan, n.update_scratch, step, scratch)) {
      return Fail("scratch of the update is missing, dead or too small",
                  s.node);
    }
  }
  return weights || s.kind == StepKind::kUpdate
             ? CheckTrained(plan, step, s.node, true)
             : Ok();
}

// No two buffers lie in the same place at the same time: a walk over the steps
// with the living buffers by offset. As they do not overlap so far, a new one
// can only overlap its neighbours.
Status CheckOverlap(const Plan& plan) {
  const std::vector<PlannedTensor>& tensors = plan.tensors;
  const auto end = [&](uint32_t i) {
    return tensors[i].offset + tensors[i].bytes + TailBytes(plan, tensors[i]);
  };
  std::vector<uint32_t> born(tensors.size());
  for (uint32_t i = 0; i < born.size(); ++i) born[i] = i;
  std::vector<uint32_t> dead = born;
  std::stable_sort(born.begin(), born.end(), [&](uint32_t a, uint32_t b) {
    return tensors[a].first < tensors[b].first;
  });
  std::stable_sort(dead.begin(), dead.end(), [&](uint32_t a, uint32_t b) {
    return tensors[a].last < tensors[b].last;
  });
  std::vector<uint32_t> living;  // by offset
  const auto place = [&](uint64_t offset) {
    return std::lower_bound(
        living.begin(), living.end(), offset,
        [&](uint32_t a, uint64_t o) { return tensors[a].offset < o; });
  };
  size_t next_dead = 0;
  for (const uint32_t i : born) {
    const PlannedTensor& t = tensors[i];
    while (tensors[dead[next_dead]].last < t.first) {
      living.erase(place(tensors[dead[next_dead++]].offset));
    }
    const auto above = place(t.offset);
    if ((above != living.end() && tensors[*above].offset < end(i)) ||
        (above != living.begin() && end(above[-1]) > t.offset)) {
      return Fail("two live buffers overlap, or one lies in the other's tail",
                  t.node);
    }
    living.insert(above, i);
  }
  return Ok();
}

}  // namespace

Status CheckPlan(const Plan& plan) {
  std::vector<Shape> shapes;
  TEMPER_RETURN_IF_ERROR(plan.graph.Check(&shapes));
  if (shapes != plan.shapes || plan.nodes.size() != plan.graph.nodes.size()) {
    return Fail("the plan does not belong to its graph");
  }
  if (plan.options.batch == 0 || plan.options.batch > kMaxBatch) {
    return Fail("the plan's batch is out of range");
  }
  if (plan.options.threads == 0 || plan.options.threads > kMaxThreads) {
    return Fail("the plan's threads are out of range");
  }
  if (plan.options.optimizer.kind >= OptimizerKind::kCount) {
    return Fail("the plan's optimizer is unknown");
  }
  TEMPER_RETURN_IF_ERROR(CheckOptions(plan));
  if (plan.steps.empty() ||
      plan.steps.size() > 4 * size_t{kMaxNodes} + 1 + kMaxHooks) {
    return Fail("the plan has no steps, or too many");
  }
  const size_t count = plan.tensors.size();
  for (size_t i = 0; i < count; ++i) {
    const PlannedTensor& a = plan.tensors[i];
    if (a.bytes == 0 || a.offset % kTensorAlign != 0 || a.first > a.last ||
        a.last >= plan.steps.size()) {
      return Fail("a buffer is empty, unaligned or has no lifetime", a.node);
    }
    if (a.bytes > plan.arena_bytes || a.offset > plan.arena_bytes - a.bytes) {
      return Fail("a buffer lies outside the arena", a.node);
    }
  }
  TEMPER_RETURN_IF_ERROR(CheckOverlap(plan));
  // So that vector loads past any other buffer stay inside the arena.
  if (count == 0) return Fail("the plan has no buffers");
  uint32_t states = 0;
  for (const PlannedTensor& t : plan.tensors) {
    if (t.kind != TensorKind::kStepState) continue;
    ++states;
    if (t.bytes != kTensorAlign || t.offset + t.bytes != plan.arena_bytes) {
      return Fail("the step state must be the last 64 bytes");
    }
  }
  if (states != 1) return Fail("the plan needs one step state");
  // Groups follow each other.
  for (size_t s = 0; s < plan.steps.size();) {
    const ProgramStep& first = plan.steps[s];
    if (first.group_last < s || first.group_last >= plan.steps.size() ||
        (first.slab == 0 && first.group_last != s)) {
      return Fail("a group of steps has no end", first.node);
    }
    for (; s <= first.group_last; ++s) {
      const ProgramStep& step = plan.steps[s];
      if (step.group_last != first.group_last || step.slab != first.slab) {
        return Fail("a group of steps is torn", step.node);
      }
    }
  }
  // Evaluation ends with the loss; no label or target is needed before it.
  uint32_t losses = 0;
  for (const ProgramStep& step : plan.steps) {
    losses += step.kind == StepKind::kLoss;
    const bool forward =
        step.kind == StepKind::kForward || step.kind == StepKind::kSegment;
    if (forward != (losses == 0) && step.kind != StepKind::kLoss) {
      return Fail("a step is on the wrong side of the loss", step.node);
    }
  }
  if (losses != 1) return Fail("the plan needs one loss step");
  TEMPER_RETURN_IF_ERROR(CheckSegments(plan));
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(CheckNode(plan, i));
  }
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    TEMPER_RETURN_IF_ERROR(CheckStep(plan, s));
  }
  std::vector<Needs> needs;
  needs.reserve(plan.nodes.size());
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    needs.push_back(NeedsOf(plan, i));
  }
  return CheckValues(plan, needs);
}

}  // namespace temper
