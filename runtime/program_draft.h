// What the parts of making a program share: the plan as far as it is filled in,
// what every node needs, and which steps it takes part in. Private to
// program*.cc; order of the work: DecideNodes, ListSteps, AddTensors.
#ifndef TEMPER_RUNTIME_PROGRAM_DRAFT_H_
#define TEMPER_RUNTIME_PROGRAM_DRAFT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/layer.h"
#include "temper/plan.h"

namespace temper {

inline constexpr uint32_t kNoStep = 0xffffffffu;

// What the lifetimes are made of: the first and the last step of a node's
// pass, the whole group counting as one moment.
struct StepSpan {
  uint32_t first = kNoStep, last = kNoStep;
  void Add(uint32_t begin, uint32_t end) {
    first = first == kNoStep ? begin : std::min(first, begin);
    last = last == kNoStep ? end : std::max(last, end);
  }
};

struct ProgramDraft {
  explicit ProgramDraft(Plan* p)
      : plan(*p), count(static_cast<uint32_t>(p->graph.nodes.size())) {}

  const Node& NodeAt(uint32_t i) const { return plan.graph.nodes[i]; }
  bool Frozen(uint32_t i) const {
    return !plan.options.frozen.empty() && plan.options.frozen[i] != 0;
  }
  uint64_t ActivationBytes(uint32_t i) const {
    return plan.shapes[i].Count() * plan.options.batch * sizeof(float);
  }
  // What node i needs in the mode that the plan has for it by now.
  void StateNeeds(uint32_t i, Needs* out) const;
  // True if backward gets the output of node i from a second forward. Not where
  // the loss reads it: backward begins there, nothing would be saved.
  bool Recomputed(uint32_t i) const;
  // Last node that reads the output of node i in forward.
  uint32_t LastReader(uint32_t i) const;

  Plan& plan;
  const uint32_t count;  // of nodes
  std::vector<Needs> needs;
  // Step numbers per node.
  std::vector<StepSpan> forward, backward;
  std::vector<uint32_t> recompute, update;
  std::vector<uint32_t> gradient;  // the first that adds to weight gradients
  uint32_t loss = 0;
};

// Fills the modes, specs and minimum_rows of the plan's nodes, and draft.needs.
Status DecideNodes(ProgramDraft* draft);

// Fills plan.steps and the draft's step numbers.
void ListSteps(ProgramDraft* draft);

// Fills plan.tensors and where the nodes find them.
void AddTensors(ProgramDraft* draft);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PROGRAM_DRAFT_H_
