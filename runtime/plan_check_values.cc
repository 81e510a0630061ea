// Which value lies in which tensor, step by step, as the trainer will run them.
// A plan can be safe and still compute something else: a step is missing, a
// layer overwrites a value that is read later, a gradient is overwritten
// instead of added to. Here a tensor holds the output, or the gradient of the
// output, of one node; every reader must find the one it means. Next:
// plan_check.cc.
#include "runtime/plan_check_values.h"

#include <algorithm>

namespace temper {
namespace {

Status Fail(const char* message, uint32_t node) {
  return Error(StatusCode::kInvalidArgument, message, node);
}

class ValueChecker {
 public:
  ValueChecker(const Plan& plan, const std::vector<Needs>& needs)
      : plan_(plan),
        needs_(needs),
        count_(static_cast<uint32_t>(plan.nodes.size())),
        value_(count_),
        gradient_(count_),
        forwards_(count_, 0),
        weights_(count_, 0),
        datas_(count_, 0),
        updates_(count_, 0),
        expected_(count_, 0),
        added_(count_, 0),
        hooked_(plan.options.hooks.size(), 0),
        holds_(plan.tensors.size(), kNoNode) {}

  Status Check() {
    TEMPER_RETURN_IF_ERROR(CheckFusion());
    Name();
    for (const ProgramStep& s : plan_.steps) {
      TEMPER_RETURN_IF_ERROR(CheckOrder(s));
      TEMPER_RETURN_IF_ERROR(Walk(s));
    }
    return CheckSteps();
  }

 private:
  const Node& NodeAt(uint32_t i) const { return plan_.graph.nodes[i]; }
  bool Reads(uint32_t tensor, uint32_t value) const {
    return tensor < holds_.size() && holds_[tensor] == value;
  }

  // Absorbed activations are what their source says it has absorbed.
  Status CheckFusion() const {
    std::vector<uint32_t> readers(count_, 0), absorbed(count_, 0);
    for (uint32_t i = 0; i < count_; ++i) {
      for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
        ++readers[NodeAt(i).inputs[k]];
      }
      if (!plan_.nodes[i].mode.absorbed) continue;
      const uint32_t from =
          NodeAt(i).input_count == 1 ? NodeAt(i).inputs[0] : i;
      const simd::ActivationFunction& activation = needs_[i].activation;
      const NodeMode& source = plan_.nodes[from].mode;
      if (from == i || activation.kind == simd::Activation::kNone ||
          !CanAbsorb(needs_[from], activation.kind) || source.absorbed ||
          ActivationOf(source) != activation) {
        return Fail("an activation is absorbed by nobody", i);
      }
      absorbed[from] = i;
    }
    for (uint32_t i = 0; i < count_; ++i) {
      if (plan_.nodes[i].mode.activation != 0 &&
          (absorbed[i] == 0 || readers[i] != 1)) {
        return Fail("an activation is absorbed that is not there", i);
      }
    }
    return Ok();
  }

  // The node whose value (and gradient) the output of this node is an alias of:
  // through a view, an absorbed activation, or a derived output.
  void Name() {
    for (uint32_t i = 0; i < count_; ++i) {
      const NodePlan& n = plan_.nodes[i];
      value_[i] = gradient_[i] = i;
      if (NodeAt(i).input_count == 0) continue;
      const uint32_t from = NodeAt(i).inputs[0];
      const bool same =
          n.output != kNoTensor && n.output == plan_.nodes[from].output;
      if (same && (n.mode.absorbed || n.mode.derived || needs_[i].view)) {
        value_[i] = value_[from];
      }
      if (n.mode.absorbed) gradient_[i] = gradient_[from];
    }
    for (uint32_t i = 0; i < count_; ++i) {
      if (!plan_.nodes[i].mode.backward || plan_.nodes[i].mode.absorbed)
        continue;
      for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
        if (plan_.nodes[i].mode.need_dx[k]) {
          ++expected_[gradient_[NodeAt(i).inputs[k]]];
        }
      }
    }
  }

  // Backward and updates, then hooks; with whole gradients backward, hooks,
  // updates, hooks. Each hook once, in the order of the options.
  Status CheckOrder(const ProgramStep& s) {
    const bool fused = plan_.options.gradients == GradientMode::kFused;
    const uint32_t phase = s.kind == StepKind::kBeforeUpdate       ? 1
                           : s.kind == StepKind::kUpdate && !fused ? 2
                           : s.kind == StepKind::kAfterUpdate      ? 3
                                                                   : 0;
    const uint32_t node = IsHook(s.kind) ? kNoNode : s.node;
    if (phase < phase_) {
      return Fail("a step comes after an update or a hook that must follow it",
                  node);
    }
    if (phase > phase_) next_hook_ = 0;
    phase_ = phase;
    if (!IsHook(s.kind)) return Ok();
    if (s.node < next_hook_) return Fail("hooks are out of order", node);
    next_hook_ = s.node + 1;
    ++hooked_[s.node];
    return Ok();
  }

  Status Walk(const ProgramStep& s) {
    switch (s.kind) {
      case StepKind::kForward:
        return Forward(s.node);
      case StepKind::kSegment:
        return Segment(plan_.segments[plan_.nodes[s.node].segment]);
      case StepKind::kLoss:
        return Reads(plan_.nodes[s.node].output, value_[s.node])
                   ? Ok()
                   : Fail("the loss is not there yet", s.node);
      case StepKind::kRecompute:
        TEMPER_RETURN_IF_ERROR(ReadInputs(s.node, false));
        holds_[plan_.nodes[s.node].output_again] = value_[s.node];
        return Ok();
      case StepKind::kUpdate:
        ++updates_[s.node];
        return weights_[s.node] == 1
                   ? Ok()
                   : Fail("a weight is updated without its gradient", s.node);
      case StepKind::kBeforeUpdate:
      case StepKind::kAfterUpdate:
        return Ok();
      default:
        return Backward(s);
    }
  }

  Status ReadInputs(uint32_t i, bool backward) const {
    for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
      const uint32_t from = NodeAt(i).inputs[k];
      const NodePlan& source = plan_.nodes[from];
      if (from == 0 || (backward && !needs_[i].keep_input[k])) continue;
      const bool again = backward && source.output_again != kNoTensor;
      if (!Reads(again ? source.output_again : source.output, value_[from])) {
        return Fail("an input was not computed yet, or is written over", i);
      }
    }
    return Ok();
  }

  Status Forward(uint32_t i) {
    ++forwards_[i];
    if (i == 0) return Ok();
    const Node& node = NodeAt(i);
    const uint32_t output = plan_.nodes[i].output;
    TEMPER_RETURN_IF_ERROR(ReadInputs(i, false));
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const uint32_t from = node.inputs[k];
      if (plan_.nodes[from].output != output || value_[i] == value_[from])
        continue;
      // Not where a node reads a value twice: the second would be lost.
      if (k != 0 || !needs_[i].in_place) {
        return Fail("a layer cannot write over this input", i);
      }
    }
    holds_[output] = value_[i];
    return Ok();
  }

  // All inputs are there before it begins; an output has a place of its own.
  Status Segment(const temper::Segment& segment) {
    for (uint32_t i = segment.first; i <= segment.last; ++i) {
      ++forwards_[i];
      for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
        const uint32_t from = NodeAt(i).inputs[k];
        if (from == 0 || from >= segment.first) continue;
        if (!Reads(plan_.nodes[from].output, value_[from])) {
          return Fail("an input was not computed yet, or is written over", i);
        }
        for (uint32_t j = segment.first; j <= segment.last; ++j) {
          if (plan_.nodes[j].output == plan_.nodes[from].output) {
            return Fail("a segment writes over its input", j);
          }
        }
      }
    }
    for (uint32_t i = segment.first; i <= segment.last; ++i) {
      if (plan_.nodes[i].output == kNoTensor) continue;
      holds_[plan_.nodes[i].output] = value_[i];
    }
    for (uint32_t i = segment.first; i <= segment.last; ++i) {
      if (plan_.nodes[i].output != kNoTensor &&
          !Reads(plan_.nodes[i].output, value_[i])) {
        return Fail("two outputs of a segment have one place", i);
      }
    }
    return Ok();
  }

  Status Backward(const ProgramStep& s) {
    const uint32_t i = s.node;
    const Node& node = NodeAt(i);
    const NodePlan& n = plan_.nodes[i];
    TEMPER_RETURN_IF_ERROR(ReadInputs(i, true));
    if (needs_[i].keep_output && !Reads(n.output, value_[i])) {
      return Fail("an output is written over before backward reads it", i);
    }
    if (!IsLoss(node.kind)) {
      if (added_[i] != expected_[i] || !GradientThere(i)) {
        return Fail("a gradient is not complete, or is written over", i);
      }
    }
    if (s.kind != StepKind::kBackwardData) ++weights_[i];
    const bool data =
        s.kind == StepKind::kBackward || s.kind == StepKind::kBackwardData;
    if (!data) {
      // Such weights change as soon as their gradients are there.
      const bool at_once = n.gradient_rows != 0 || n.gradient_pieces;
      if (at_once && NeedsDx(i) && datas_[i] == 0 && s.slab == 0) {
        return Fail("a weight changes before backward has used it", i);
      }
      return Ok();
    }
    ++datas_[i];
    uint32_t given_to = kNoNode;
    for (uint32_t k = 0; k < node.input_count; ++k) {
      if (!n.mode.need_dx[k]) continue;
      const uint32_t from = gradient_[node.inputs[k]];
      const uint32_t tensor = plan_.nodes[node.inputs[k]].gradient;
      if (n.accumulate[k] != (added_[from] != 0) ||
          (n.accumulate[k] && holds_[tensor] != Gradient(from))) {
        return Fail("a gradient is added to what is none, or written over", i);
      }
      if (tensor == n.gradient) {
        if (!needs_[i].in_place_backward ||
            (given_to != kNoNode && given_to != from)) {
          return Fail("a layer cannot write over its gradient", i);
        }
        given_to = from;
      }
      ++added_[from];
      holds_[tensor] = Gradient(from);
    }
    return Ok();
  }

  // Marks a tensor that holds a gradient: different from all values' numbers.
  uint32_t Gradient(uint32_t i) const { return count_ + i; }
  // The gradient of node i's output where it is kept: with an absorbed
  // activation, that one's readers wrote it.
  bool GradientThere(uint32_t i) const {
    return Reads(plan_.nodes[i].gradient, Gradient(i));
  }
  bool NeedsDx(uint32_t i) const {
    const NodeMode& mode = plan_.nodes[i].mode;
    return std::any_of(mode.need_dx, mode.need_dx + NodeAt(i).input_count,
                       [](bool need) { return need; });
  }

  // Nothing is left out, nothing is done twice.
  Status CheckSteps() const {
    for (uint32_t i = 0; i < count_; ++i) {
      const NodeMode& mode = plan_.nodes[i].mode;
      if (mode.absorbed) continue;
      if (forwards_[i] != 1) {
        return Fail("a node needs one forward step", i);
      }
      if (!plan_.options.training || !mode.backward) continue;
      const bool trains = mode.train_weights;
      if (weights_[i] > 1 || datas_[i] > 1 || (trains && weights_[i] != 1) ||
          (NeedsDx(i) && datas_[i] != 1) || updates_[i] != (trains ? 1u : 0u)) {
        return Fail("a node needs one backward step, and one update", i);
      }
    }
    for (const uint32_t times : hooked_) {
      if (times != (plan_.options.training ? 1u : 0u)) {
        return Fail("a hook needs one step", kNoNode);
      }
    }
    return Ok();
  }

  const Plan& plan_;
  const std::vector<Needs>& needs_;
  const uint32_t count_;
  std::vector<uint32_t> value_, gradient_;
  // Steps so far: forward, those that make weight gradients, those that make
  // gradients of inputs, updates.
  std::vector<uint32_t> forwards_, weights_, datas_, updates_;
  // Gradients that a node's output gets from its readers, and has got.
  std::vector<uint32_t> expected_, added_;
  // How far CheckOrder is, the least hook that may follow, each one's steps.
  uint32_t phase_ = 0, next_hook_ = 0;
  std::vector<uint32_t> hooked_;
  // Per tensor: the value, or Gradient().
  std::vector<uint32_t> holds_;
};

}  // namespace

Status CheckValues(const Plan& plan, const std::vector<Needs>& needs) {
  return ValueChecker(plan, needs).Check();
}

}  // namespace temper
