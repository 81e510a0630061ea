// Making the program. The order of one step is
//
//   forward of every node | loss | for every node with a gradient, last first:
//                                  recompute of inputs that were not kept,
//                                  backward (dx with the old weights, then dw),
//                                  update of its weights
//
// so most weight gradients live for two steps and their memory is used again.
// Whole gradients (GradientMode) live to the end, and all updates come last.
// Update hooks: runtime/update_hook.h.
// Where a batch is larger than a cache, neighbours run together in slabs of
// samples (ListGroup): a convolution with its statistics; backward of a batch
// norm with the gradient through its convolution and the sums of the batch norm
// before. Fused nodes (ChooseFusion) lose steps and tensors: absorbed
// activations have neither, derived outputs are computed by the nodes that read
// them. Buffers that share memory by design (in place, views) become one tensor
// here; sharing over time is the planner's task. Next: program_draft.h,
// program_nodes.cc, program_steps.cc, program_tensors.cc.
#include "runtime/program.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/hash.h"
#include "runtime/layer.h"
#include "runtime/optimizer.h"
#include "runtime/program_draft.h"
#include "runtime/update_hook.h"

namespace temper {
namespace {

// Everything that decides bits; not the thread count, not offsets, not how long
// gradients live. What came later is added only where it is used, so that older
// runs keep their hash.
uint64_t Hash(const ProgramDraft& d) {
  Fnv1a hash;
  hash.Add(kArithmeticVersion);
  hash.Add(d.plan.options.batch);
  hash.Add(static_cast<uint32_t>(d.plan.options.training));
  hash.Add(static_cast<uint32_t>(d.plan.options.batch_norm));
  hash.Add(static_cast<uint32_t>(d.plan.options.optimizer.kind));
  hash.Bytes(d.plan.options.optimizer.params,
             sizeof(d.plan.options.optimizer.params));
  for (uint32_t i = 0; i < d.count; ++i) {
    const Node& node = d.NodeAt(i);
    hash.Bytes(LayerName(node.kind), std::strlen(LayerName(node.kind)) + 1);
    hash.Bytes(node.name, std::strlen(node.name) + 1);
    hash.Add(node.input_count);
    for (uint32_t k = 0; k < node.input_count; ++k) hash.Add(node.inputs[k]);
    hash.Bytes(node.params, sizeof(node.params));
    hash.Add(d.plan.shapes[i].h);
    hash.Add(d.plan.shapes[i].w);
    hash.Add(d.plan.shapes[i].c);
    hash.Add(static_cast<uint32_t>(d.plan.shapes[i].type));
    hash.Add(d.FrozenKernel(i) ? uint32_t{kFrozenKernel}
                               : static_cast<uint32_t>(d.Frozen(i)));
  }
  const std::vector<float>& factors = d.plan.options.rate_factors;
  if (std::any_of(factors.begin(), factors.end(),
                  [](float factor) { return factor != 1.0f; })) {
    hash.Bytes("rates", 6);
    for (const float factor : factors) {
      hash.Add(std::bit_cast<uint32_t>(factor));
    }
  }
  const std::vector<float>& decays = d.plan.options.decay_factors;
  if (std::any_of(decays.begin(), decays.end(),
                  [](float factor) { return factor != 1.0f; })) {
    hash.Bytes("decays", 7);
    for (const float factor : decays) {
      hash.Add(std::bit_cast<uint32_t>(factor));
    }
  }
  for (const Segment& segment : d.plan.segments) {
    hash.Bytes("segment", 8);
    hash.Add(segment.first);
    hash.Add(segment.last);
  }
  for (const UpdateHook& hook : d.plan.options.hooks) {
    const char* const name = FindOp(hook.kind)->name;
    hash.Bytes("hook", 5);
    hash.Bytes(name, std::strlen(name) + 1);
    hash.Bytes(hook.params, sizeof(hook.params));
  }
  return hash.value();
}

bool IsBefore(const UpdateHook& hook) {
  const UpdateHookOp* const op = FindOp(hook.kind);
  return op != nullptr && op->when == StepKind::kBeforeUpdate;
}

Status CheckHooks(const PlanOptions& options) {
  const auto bad = [](const char* message) {
    return Error(StatusCode::kInvalidArgument, message);
  };
  if (options.hooks.size() > kMaxHooks) {
    return bad("a step can have 8 update hooks at most");
  }
  for (const UpdateHook& hook : options.hooks) {
    const UpdateHookOp* const op = FindOp(hook.kind);
    if (op == nullptr) return bad("an update hook is unknown");
    if (FieldOutOfRange(op->fields, hook.params) != nullptr) {
      return bad("a parameter of an update hook is outside its range");
    }
    if (IsBefore(hook) && options.gradients == GradientMode::kFused) {
      return bad("a hook before the update needs whole gradients");
    }
  }
  const char* names[kMaxStates];
  if (ListStates(options, names) > kMaxStates) {
    return bad("optimizer and hooks need more than 4 tensors for each weight");
  }
  return Ok();
}

Status CheckOptions(const Graph& graph, const PlanOptions& options) {
  const auto bad = [](const char* message) {
    return Error(StatusCode::kInvalidArgument, message);
  };
  if (options.batch == 0 || options.batch > kMaxBatch) {
    return bad("the batch must have 1 to 1048576 samples");
  }
  if (options.threads == 0 || options.threads > kMaxThreads) {
    return bad("the number of threads must be 1 to 64");
  }
  if (options.backend >= Backend::kCount) return bad("the backend is unknown");
  if (options.pack_weights && options.training) {
    return bad("weights that train are not packed");
  }
  if (!options.frozen.empty() && options.frozen.size() != graph.nodes.size()) {
    return bad("frozen must have one entry per node");
  }
  if (FieldOutOfRange(OpOf(options.optimizer.kind).fields,
                      options.optimizer.params) != nullptr) {
    return bad("an optimizer parameter is outside its range");
  }
  if (options.gradients > GradientMode::kAccumulated) {
    return bad("what becomes of gradients is unknown");
  }
  if (OpOf(options.optimizer.kind).unit == UpdateUnit::kModel &&
      options.gradients == GradientMode::kFused) {
    return bad("this optimizer needs whole gradients");
  }
  for (const std::vector<float>* const factors :
       {&options.rate_factors, &options.decay_factors}) {
    if (!factors->empty() && factors->size() != graph.nodes.size()) {
      return bad("rate_factors and decay_factors must have one entry per node");
    }
    if (!std::all_of(factors->begin(), factors->end(), [](float factor) {
          return factor >= 0.0f && std::isfinite(factor);
        })) {
      return bad("a factor of rate or decay must be finite and at least 0");
    }
  }
  return CheckHooks(options);
}

}  // namespace

GradientMode GradientsNeeded(const PlanOptions& options) {
  const bool whole =
      OpOf(options.optimizer.kind).unit == UpdateUnit::kModel ||
      std::any_of(options.hooks.begin(), options.hooks.end(), IsBefore);
  return whole ? GradientMode::kWhole : GradientMode::kFused;
}

ProgramDraft::ProgramDraft(Plan* p)
    : plan(*p),
      count(static_cast<uint32_t>(p->graph.nodes.size())),
      first_reader_(count + 1, 0) {
  const auto each_input = [&](auto&& f) {
    for (uint32_t c = 0; c < count; ++c) {
      for (uint32_t k = 0; k < NodeAt(c).input_count; ++k) {
        f(NodeAt(c).inputs[k], c, k);
      }
    }
  };
  each_input([&](uint32_t i, uint32_t, uint32_t) { ++first_reader_[i + 1]; });
  for (uint32_t i = 0; i < count; ++i) first_reader_[i + 1] += first_reader_[i];
  readers_.resize(first_reader_[count]);
  std::vector<uint32_t> next = first_reader_;
  each_input([&](uint32_t i, uint32_t c, uint32_t k) {
    readers_[next[i]++] = {c, k};
  });
}

void ProgramDraft::StateNeeds(uint32_t i, Needs* out) const {
  if (plan.nodes[i].segment != kNoSegment) {
    Needs all;
    StateOwnNeeds(i, &all);
    out->KeepWeights(all);
    return;
  }
  StateOwnNeeds(i, out);
}

void ProgramDraft::StateOwnNeeds(uint32_t i, Needs* out) const {
  Shape in[kMaxInputs];
  for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
    in[k] = plan.shapes[NodeAt(i).inputs[k]];
  }
  OpOf(NodeAt(i).kind)
      .needs({NodeAt(i), in, plan.shapes[i], plan.options.batch,
              plan.options.threads, plan.nodes[i].mode},
             out);
}

// True if backward gets the output of node i from a second forward. Not where
// the loss reads it: backward begins there, so that would save nothing.
bool ProgramDraft::Recomputed(uint32_t i) const {
  if (!needs[i].recompute || !plan.options.training) return false;
  // Its inputs must still be there.
  for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
    if (needs[NodeAt(i).inputs[k]].recompute) return false;
  }
  for (uint32_t k = 0; k < NodeAt(count - 1).input_count; ++k) {
    if (NodeAt(count - 1).inputs[k] == i) return false;
  }
  return true;
}

Status MakeProgram(const Graph& graph, const PlanOptions& options, Plan* plan) {
  TEMPER_RETURN_IF_ERROR(CheckOptions(graph, options));
  TEMPER_RETURN_IF_ERROR(graph.Check(&plan->shapes));
  plan->graph = graph;
  plan->options = options;
  ProgramDraft draft(plan);
  TEMPER_RETURN_IF_ERROR(DecideNodes(&draft));
  ListSteps(&draft);
  AddTensors(&draft);
  plan->program_hash = Hash(draft);
  return Ok();
}

}  // namespace temper
