// CheckPlan: is this plan safe to run? It trusts nothing and shares no code
// with program.cc and planner.cc: it walks the steps as the trainer will and
// asks of each one whether every buffer it touches exists, is large enough, is
// alive, and overlaps no other live buffer. O(tensors^2).
#include <cstring>

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

// Of one of a derived tensor's two vectors.
uint64_t CoefficientBytes(uint64_t channels) {
  return (channels * sizeof(float) + kTensorAlign - 1) / kTensorAlign *
         kTensorAlign;
}

Status CheckStep(const Plan& plan, size_t step) {
  const ProgramStep& s = plan.steps[step];
  if (s.node >= plan.nodes.size()) return Fail("a step names no node");
  const Node& node = plan.graph.nodes[s.node];
  const NodePlan& n = plan.nodes[s.node];
  const auto bytes = [&](uint32_t i) {
    return plan.shapes[i].Count() * plan.options.batch * sizeof(float);
  };
  if (n.weight_count > kMaxWeights) return Fail("too many weights", s.node);
  for (uint32_t w = 0; w < n.weight_count; ++w) {
    if (n.specs[w].rank > kMaxRank || n.specs[w].dims[0] == 0)
      return Fail("rank too large", s.node);
    if (!Usable(plan, n.weights[w], step, n.specs[w].Count() * sizeof(float))) {
      return Fail("a weight is missing, dead or too small", s.node);
    }
  }
  const bool backward = IsBackward(s.kind);
  const bool data =
      s.kind == StepKind::kBackward || s.kind == StepKind::kBackwardData;
  const bool weights = backward && s.kind != StepKind::kBackwardData;
  if (s.kind == StepKind::kRecompute) {
    // Only from what is still there, into a buffer of its own, without scratch.
    for (uint32_t k = 0; k < node.input_count; ++k) {
      if (node.inputs[k] != 0 &&
          !Usable(plan, plan.nodes[node.inputs[k]].output, step,
                  bytes(node.inputs[k]))) {
        return Fail("an input is missing, dead or too small", s.node);
      }
    }
    if (!Usable(plan, n.output_again, step, bytes(s.node)) ||
        n.forward_scratch != kNoTensor || n.saved != kNoTensor) {
      return Fail("a node cannot be computed again", s.node);
    }
  }
  if (s.kind == StepKind::kForward || backward) {
    // Layers with trained weights read their inputs in backward too.
    const bool reads = !backward || n.mode.train_weights;
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const uint32_t from = node.inputs[k];
      const NodePlan& source = plan.nodes[from];
      const bool again = backward && source.output_again != kNoTensor;
      if (reads && from != 0 &&
          !Usable(plan, again ? source.output_again : source.output, step,
                  bytes(from))) {
        return Fail("an input is missing, dead or too small", s.node);
      }
      const uint32_t by = source.derived_by;
      if (by != kNoNode &&
          (by >= plan.nodes.size() ||
           (reads && !Usable(plan, plan.nodes[by].saved, step,
                             2 * CoefficientBytes(plan.shapes[from].c))))) {
        return Fail("an input's coefficients are missing, dead or too small",
                    s.node);
      }
      if (data && n.mode.need_dx[k] &&
          !Usable(plan, plan.nodes[from].gradient, step, bytes(from))) {
        return Fail("an input's gradient is missing, dead or too small",
                    s.node);
      }
    }
    if (!backward && s.node != 0 &&
        !Usable(plan, n.output, step, bytes(s.node))) {
      return Fail("an output is missing, dead or too small", s.node);
    }
    const uint32_t scratch = backward ? n.backward_scratch : n.forward_scratch;
    if (scratch != kNoTensor && !Usable(plan, scratch, step, 1)) {
      return Fail("a scratch buffer is dead", s.node);
    }
    if (n.saved != kNoTensor && !Usable(plan, n.saved, step, 1)) {
      return Fail("a saved buffer is dead", s.node);
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
  if (weights || s.kind == StepKind::kUpdate) {
    for (uint32_t w = 0; w < n.weight_count; ++w) {
      if (!n.mode.train_weights || !IsTrained(n.specs[w].role)) continue;
      const uint64_t size = n.specs[w].Count() * sizeof(float);
      if (w == 0 && n.gradient_rows > n.specs[0].dims[0]) {
        return Fail("a gradient's blocks are larger than the whole", s.node);
      }
      const uint64_t made = w == 0 && n.gradient_rows != 0
                                ? size / n.specs[0].dims[0] * n.gradient_rows
                                : size;
      if (!Usable(plan, n.weight_gradients[w], step, made)) {
        return Fail("a weight gradient is missing, dead or too small", s.node);
      }
      for (const uint32_t state : n.optimizer[w]) {
        if (state != kNoTensor && !Usable(plan, state, step, size)) {
          return Fail("optimizer state is dead or too small", s.node);
        }
      }
    }
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
  if (plan.steps.empty() || plan.steps.size() > 4 * size_t{kMaxNodes} + 1) {
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
    for (size_t j = 0; j < i; ++j) {
      const PlannedTensor& b = plan.tensors[j];
      const bool same_time = !(a.last < b.first || b.last < a.first);
      const bool same_place =
          !(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
      if (same_time && same_place) {
        return Fail("two live buffers overlap", a.node);
      }
    }
  }
  // The bytes behind the last buffer are the step state's: vector loads that
  // run past the end of any other buffer stay inside the arena.
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
  // Groups follow each other, and only what can run in slabs is in one.
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
      if (step.slab != 0 && step.kind != StepKind::kForward &&
          !IsBackward(step.kind)) {
        return Fail("a step cannot run in slabs", step.node);
      }
    }
  }
  bool loss = false;
  for (const ProgramStep& step : plan.steps) {
    loss = loss || step.kind == StepKind::kLoss;
  }
  if (!loss) return Fail("the plan has no loss step");
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    TEMPER_RETURN_IF_ERROR(CheckStep(plan, s));
  }
  return Ok();
}

}  // namespace temper
