// The straight list of steps, and which of them run together in slabs. See
// program.cc for the order and program_draft.h.
#include "runtime/program_draft.h"
#include "runtime/update_hook.h"
#include "simd/rows.h"

namespace temper {
namespace {

class StepLister {
 public:
  explicit StepLister(ProgramDraft* draft) : d_(*draft) {}

  void List() {
    d_.recompute.assign(d_.count, kNoStep);
    d_.update.assign(d_.count, kNoStep);
    for (uint32_t i = 0; i < d_.count; ++i) {
      if (d_.plan.nodes[i].mode.absorbed) continue;
      if (const uint32_t in = d_.plan.nodes[i].segment; in != kNoSegment) {
        AddStep(StepKind::kSegment, i);
        i = d_.plan.segments[in].last;
        continue;
      }
      const uint32_t first = AddStep(StepKind::kForward, i);
      const uint32_t norm = NormBehind(i);
      const uint32_t slab = SlabOf(i);
      if (norm == kNoNode || slab == 0) continue;
      AddStep(StepKind::kForward, norm);
      CloseGroup(first, slab);
      ++i;
    }
    d_.loss = AddStep(StepKind::kLoss, d_.count - 1);
    if (d_.plan.options.training) {
      ListBackward();
      ListUpdates();
    }
    d_.forward.assign(d_.count, StepSpan());
    d_.backward.assign(d_.count, StepSpan());
    d_.gradient.assign(d_.count, kNoStep);
    for (uint32_t s = 0, first = 0; s < d_.plan.steps.size(); ++s) {
      const ProgramStep& step = d_.plan.steps[s];
      if (step.kind == StepKind::kForward) {
        d_.forward[step.node].Add(first, step.group_last);
      }
      if (step.kind == StepKind::kSegment) {
        const uint32_t in = d_.plan.nodes[step.node].segment;
        for (uint32_t i = step.node; i <= d_.plan.segments[in].last; ++i) {
          d_.forward[i].Add(s, s);
        }
      }
      if (IsBackward(step.kind)) {
        d_.backward[step.node].Add(first, step.group_last);
        if (step.kind != StepKind::kBackwardData &&
            d_.gradient[step.node] == kNoStep) {
          d_.gradient[step.node] = first;
        }
      }
      if (s == step.group_last) first = s + 1;
    }
    for (uint32_t i = 0; i < d_.count; ++i) {
      if (!d_.plan.nodes[i].mode.absorbed) continue;
      d_.forward[i] = d_.forward[d_.NodeAt(i).inputs[0]];
      d_.backward[i] = d_.backward[d_.NodeAt(i).inputs[0]];
    }
  }

 private:
  // Samples of a slab of node i's group, or 0: its inputs, outputs and their
  // gradients should fit the L2 cache, statistics need a whole unit of rows
  // first, and nodes that fit the last-level cache are not cut. Independent of
  // threads and target.
  uint32_t SlabOf(uint32_t i) const {
    constexpr uint64_t kBytes = 1024 * 1024;
    if (!d_.needs[i].in_slabs) return 0;
    const Shape& in = d_.plan.shapes[d_.NodeAt(i).inputs[0]];
    const Shape& out = d_.plan.shapes[i];
    const uint64_t bytes = 2 * sizeof(float) * (in.Count() + out.Count());
    const uint64_t pixels = uint64_t{out.h} * out.w;
    const uint64_t unit = (simd::kChunkUnit + pixels - 1) / pixels;
    const uint64_t slab = std::max({uint64_t{1}, unit, kBytes / bytes});
    const uint64_t batch = d_.plan.options.batch;
    if (2 * slab > batch || bytes * batch <= d_.plan.options.cache_bytes) {
      return 0;
    }
    return static_cast<uint32_t>(slab);
  }

  // The derived batch norm that directly follows node i and is its only reader.
  uint32_t NormBehind(uint32_t i) const {
    const uint32_t n = i + 1;
    if (n >= d_.count || !d_.needs[n].reduce_first ||
        !d_.plan.nodes[n].mode.derived || d_.NodeAt(n).inputs[0] != i ||
        d_.LastReader(i) != n) {
      return kNoNode;
    }
    return n;
  }

  // The batch norm whose output node i reads, if i is the last to add to that
  // output's gradient: then the sums can follow slab by slab.
  uint32_t NormInFront(uint32_t i) const {
    if (!d_.plan.nodes[i].mode.need_dx[0]) return kNoNode;
    const uint32_t from = d_.NodeAt(i).inputs[0];
    const uint32_t norm =
        d_.plan.nodes[from].mode.absorbed ? d_.NodeAt(from).inputs[0] : from;
    if (!d_.needs[norm].reduce_first) return kNoNode;
    bool last = true;
    d_.ForEachReader(from, [&](uint32_t c, uint32_t k) {
      last = last && (c >= i || !d_.plan.nodes[c].mode.need_dx[k]);
    });
    return last ? norm : kNoNode;
  }

  uint32_t AddStep(StepKind kind, uint32_t node) {
    const uint32_t s = static_cast<uint32_t>(d_.plan.steps.size());
    d_.plan.steps.push_back({kind, node, s, 0});
    return s;
  }
  // The steps from `first` to the last one added run together.
  void CloseGroup(uint32_t first, uint32_t slab) {
    const uint32_t last = static_cast<uint32_t>(d_.plan.steps.size()) - 1;
    if (first >= last) return;
    for (uint32_t s = first; s <= last; ++s) {
      d_.plan.steps[s].group_last = last;
      d_.plan.steps[s].slab = slab;
    }
  }

  void ListBackward() {
    std::vector<bool> reduced(d_.count, false), applied(d_.count, false);
    for (uint32_t i = d_.count; i-- > 0;) {
      const NodeMode& mode = d_.plan.nodes[i].mode;
      if (!mode.backward || mode.absorbed || applied[i]) continue;
      // A batch norm whose second half runs with the layer in front of it.
      const uint32_t from = i == 0 ? 0 : i - 1;
      if (d_.needs[i].reduce_first && NormBehind(from) == i &&
          d_.plan.nodes[from].mode.backward && SlabOf(from) != 0 &&
          (d_.plan.nodes[from].mode.need_dx[0] ||
           d_.needs[from].weights_in_slabs)) {
        if (!reduced[i]) AddStep(StepKind::kBackwardReduce, i);
        applied[i] = true;
        continue;
      }
      if (reduced[i]) {
        AddStep(StepKind::kBackwardData, i);
      } else if (NormBehind(i) != kNoNode && applied[i + 1]) {
        ListGroup(i, &reduced);
        AddUpdate(i);
        AddUpdate(i + 1);
        continue;
      } else if (const uint32_t norm = NormInFront(i);
                 SlabOf(i) != 0 && norm != kNoNode) {
        ListGroup(i, &reduced);
      } else {
        AddRecompute(i);
        AddStep(StepKind::kBackward, i);
      }
      AddUpdate(i);
    }
  }

  // Node i's backward in slabs, with its neighbours in the network.
  void ListGroup(uint32_t i, std::vector<bool>* reduced) {
    const NodeMode& mode = d_.plan.nodes[i].mode;
    const uint32_t behind = NormBehind(i), front = NormInFront(i);
    const bool weights_inside =
        mode.train_weights && d_.needs[i].weights_in_slabs;
    if (weights_inside) AddRecompute(i);
    if (front != kNoNode) AddRecompute(front);
    const uint32_t first = static_cast<uint32_t>(d_.plan.steps.size());
    if (behind != kNoNode && d_.plan.nodes[behind].mode.backward) {
      AddStep(StepKind::kBackwardData, behind);
    }
    if (mode.need_dx[0]) AddStep(StepKind::kBackwardData, i);
    if (weights_inside) AddStep(StepKind::kBackwardWeights, i);
    if (front != kNoNode) {
      AddStep(StepKind::kBackwardReduce, front);
      (*reduced)[front] = true;
    }
    CloseGroup(first, SlabOf(i));
    if (mode.train_weights && !weights_inside) {
      AddRecompute(i);
      AddStep(StepKind::kBackwardWeights, i);
    }
  }

  void AddRecompute(uint32_t i) {
    for (uint32_t k = 0; k < d_.NodeAt(i).input_count; ++k) {
      const uint32_t from = d_.NodeAt(i).inputs[k];
      if (d_.needs[i].keep_input[k] && d_.Recomputed(from) &&
          d_.recompute[from] == kNoStep) {
        d_.recompute[from] = AddStep(StepKind::kRecompute, from);
      }
    }
  }
  // The update of node i, whose gradients are complete: now, or at the end.
  void AddUpdate(uint32_t i) {
    if (!d_.plan.nodes[i].mode.train_weights) return;
    if (d_.plan.options.gradients == GradientMode::kFused) {
      d_.update[i] = AddStep(StepKind::kUpdate, i);
    } else {
      updates_.push_back(i);
    }
  }
  void AddHooks(StepKind when) {
    const std::vector<UpdateHook>& hooks = d_.plan.options.hooks;
    for (uint32_t h = 0; h < hooks.size(); ++h) {
      if (FindOp(hooks[h].kind)->when == when) AddStep(when, h);
    }
  }
  void ListUpdates() {
    AddHooks(StepKind::kBeforeUpdate);
    for (const uint32_t i : updates_) {
      d_.update[i] = AddStep(StepKind::kUpdate, i);
    }
    AddHooks(StepKind::kAfterUpdate);
  }

  ProgramDraft& d_;
  std::vector<uint32_t> updates_;  // whose steps are still to be listed
};

}  // namespace

void ListSteps(ProgramDraft* draft) { StepLister(draft).List(); }

}  // namespace temper
