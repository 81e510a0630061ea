// The state that the parts of making a program share: the unfinished plan, the
// needs of every node, and the steps it takes part in. Private to program*.cc;
// order: DecideNodes, ListSteps, AddTensors.
#ifndef TEMPER_RUNTIME_PROGRAM_DRAFT_H_
#define TEMPER_RUNTIME_PROGRAM_DRAFT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/layer.h"
#include "temper/plan.h"

namespace temper {

inline constexpr uint32_t kNoStep = 0xffffffffu;

// Lifetimes are made of the first and the last step of a node's pass; a group
// counts as one moment.
struct StepSpan {
  uint32_t first = kNoStep, last = kNoStep;
  void Add(uint32_t begin, uint32_t end) {
    first = first == kNoStep ? begin : std::min(first, begin);
    last = last == kNoStep ? end : std::max(last, end);
  }
};

struct ProgramDraft {
  explicit ProgramDraft(Plan* p);

  const Node& NodeAt(uint32_t i) const { return plan.graph.nodes[i]; }
  bool Frozen(uint32_t i) const {
    return !plan.options.frozen.empty() && plan.options.frozen[i] != 0 &&
           !FrozenKernel(i);
  }
  // Its bias trains. Other layers have no kernel to freeze.
  bool FrozenKernel(uint32_t i) const {
    return !plan.options.frozen.empty() &&
           plan.options.frozen[i] == kFrozenKernel &&
           RoleOf(NodeAt(i).kind) == LayerRole::kKernel;
  }
  uint64_t ActivationBytes(uint32_t i) const {
    return plan.shapes[i].Count() * plan.options.batch * sizeof(float);
  }
  // What node i needs in the mode that the plan has for it by now; in a segment
  // its weights alone.
  void StateNeeds(uint32_t i, Needs* out) const;
  // True if backward gets the output of node i from a second forward. Not where
  // the loss reads it: backward begins there, so that would save nothing.
  bool Recomputed(uint32_t i) const;
  // Calls f(c, k) for every input k of a node c that is the output of node i,
  // in ascending order. Graphs are large and outputs may have thousands of
  // readers: no other code may loop over all nodes for each node.
  template <class F>
  void ForEachReader(uint32_t i, F&& f) const {
    for (uint32_t r = first_reader_[i]; r < first_reader_[i + 1]; ++r) {
      f(readers_[r].node, readers_[r].input);
    }
  }
  uint32_t ReaderCount(uint32_t i) const {
    return first_reader_[i + 1] - first_reader_[i];
  }
  // Last node that reads the output of node i in forward; i if none does.
  uint32_t LastReader(uint32_t i) const {
    return ReaderCount(i) == 0 ? i : readers_[first_reader_[i + 1] - 1].node;
  }

  Plan& plan;
  const uint32_t count;  // of nodes
  std::vector<Needs> needs;
  // Step numbers per node.
  std::vector<StepSpan> forward, backward;
  std::vector<uint32_t> recompute, update;
  std::vector<uint32_t> gradient;  // the first that adds to weight gradients
  uint32_t loss = 0;

 private:
  void StateOwnNeeds(uint32_t i, Needs* out) const;

  struct Reader {
    uint32_t node, input;
  };
  // Readers of node i: [first_reader_[i], first_reader_[i + 1]).
  std::vector<uint32_t> first_reader_;
  std::vector<Reader> readers_;
};

// Fills the modes, specs and minimum_rows of the plan's nodes, and draft.needs.
Status DecideNodes(ProgramDraft* draft);

// Fills plan.steps and the draft's step numbers.
void ListSteps(ProgramDraft* draft);

// Fills plan.tensors and where the nodes find them.
void AddTensors(ProgramDraft* draft);

}  // namespace temper

#endif  // TEMPER_RUNTIME_PROGRAM_DRAFT_H_
