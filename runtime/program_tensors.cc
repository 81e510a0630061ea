// Every buffer of a program and the steps in which it is alive. See
// program_draft.h.
#include <algorithm>

#include "runtime/optimizer.h"
#include "runtime/program.h"
#include "runtime/program_draft.h"
#include "runtime/update_hook.h"
#include "simd/rows.h"

namespace temper {
namespace {

class TensorMaker {
 public:
  explicit TensorMaker(ProgramDraft* draft) : d_(*draft) {}

  void Make() {
    AddPersistentTensors();
    AddActivations();
    if (d_.plan.options.training) AddGradients();
    AddPrivateTensors();
  }

 private:
  // Kernels read activations row by row, a row being the channels of a pixel,
  // in vectors of at most 16 floats that begin at a multiple of 16 in the row:
  // only rows that are no whole number of them are read past the end. The
  // optimizer loads what it stores and no more.
  uint64_t TailBytes(TensorKind kind, uint32_t node) const {
    switch (kind) {
      case TensorKind::kOptimizer:
      case TensorKind::kStepState:
        return 0;
      case TensorKind::kActivation:
      case TensorKind::kActivationGradient:
        // Another backend reads what it likes.
        if (!d_.plan.segments.empty()) return simd::kTailBytes;
        return d_.plan.shapes[node].c % 16 == 0 ? 0 : simd::kTailBytes;
      default:
        return simd::kTailBytes;
    }
  }

  uint32_t AddTensor(TensorKind kind, uint32_t node, uint32_t slot,
                     uint64_t bytes, uint32_t first, uint32_t last) {
    PlannedTensor t;
    t.kind = kind;
    t.node = node;
    t.slot = slot;
    t.bytes = bytes;
    t.tail = TailBytes(kind, node);
    t.first = first;
    t.last = last;
    d_.plan.tensors.push_back(t);
    return static_cast<uint32_t>(d_.plan.tensors.size()) - 1;
  }

  void AddPersistentTensors() {
    const uint32_t end = static_cast<uint32_t>(d_.plan.steps.size()) - 1;
    for (uint32_t i = 0; i < d_.count; ++i) {
      NodePlan& node = d_.plan.nodes[i];
      for (uint32_t w = 0; w < kMaxWeights; ++w) {
        node.weights[w] = node.weight_gradients[w] = kNoTensor;
        for (uint32_t& state : node.optimizer[w]) state = kNoTensor;
      }
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        const bool packed = w == 0 && node.mode.packed;
        node.weights[w] =
            AddTensor(TensorKind::kWeight, i, w,
                      packed ? d_.needs[i].packed_bytes
                             : node.specs[w].Count() * sizeof(float),
                      0, end);
      }
    }
    const char* names[kMaxStates];
    const uint32_t states =
        d_.plan.options.training ? ListStates(d_.plan.options, names) : 0;
    for (uint32_t i = 0; i < d_.count; ++i) {
      NodePlan& node = d_.plan.nodes[i];
      if (!node.mode.train_weights) continue;
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        if (!Trains(node.mode, node.specs[w].role)) continue;
        for (uint32_t s = 0; s < states; ++s) {
          node.optimizer[w][s] =
              AddTensor(TensorKind::kOptimizer, i, s * kMaxWeights + w,
                        node.specs[w].Count() * sizeof(float), 0, end);
        }
      }
    }
    AddTensor(TensorKind::kStepState, kNoNode, 0, kTensorAlign, 0, end);
  }

  // True if backward reads the output of node i as forward left it.
  bool Kept(uint32_t i) const {
    if (d_.plan.nodes[i].mode.backward && d_.needs[i].keep_output) return true;
    if (d_.Recomputed(i)) return false;
    bool kept = false;
    d_.ForEachReader(i, [&](uint32_t c, uint32_t k) {
      kept =
          kept || (d_.plan.nodes[c].mode.backward && d_.needs[c].keep_input[k]);
    });
    return kept;
  }

  // Last backward step that reads the output of node i as an input, or 0.
  uint32_t LastBackwardReader(uint32_t i) const {
    uint32_t last = 0;
    d_.ForEachReader(i, [&](uint32_t c, uint32_t k) {
      if (d_.plan.nodes[c].mode.backward && d_.needs[c].keep_input[k]) {
        last = std::max(last, d_.backward[c].last);
      }
    });
    return last;
  }

  // Is the output of node i wanted by nobody but its own segment?
  bool Inside(uint32_t i) const {
    const uint32_t in = d_.plan.nodes[i].segment;
    return in != kNoSegment && d_.LastReader(i) <= d_.plan.segments[in].last;
  }

  void AddActivations() {
    values_.assign(d_.plan.tensors.size(), Values());
    for (uint32_t i = 1; i < d_.count; ++i) {
      if (Inside(i)) continue;
      NodePlan& node = d_.plan.nodes[i];
      const uint32_t from = d_.NodeAt(i).inputs[0];
      const uint32_t shared = d_.plan.nodes[from].output;
      const bool same_size =
          shared != kNoTensor &&
          d_.plan.tensors[shared].bytes == d_.ActivationBytes(i);
      if (node.mode.derived || node.mode.absorbed) {
        node.output = shared;
        node.derived_by =
            node.mode.derived ? i : d_.plan.nodes[from].derived_by;
      } else if (same_size && (d_.needs[i].view || (d_.needs[i].in_place &&
                                                    MayOverwrite(shared, i)))) {
        node.output = shared;
      } else {
        node.output =
            AddTensor(TensorKind::kActivation, i, 0, d_.ActivationBytes(i),
                      d_.forward[i].first, d_.forward[i].last);
      }
      values_.resize(d_.plan.tensors.size());
      Values& values = values_[node.output];
      values.kept = values.kept || Kept(i);
      values.last_reader = std::max(values.last_reader, d_.LastReader(i));
      // Alive until the last forward reader, then until the last backward step
      // that reads it; the output of the loss until the end of forward.
      PlannedTensor& t = d_.plan.tensors[node.output];
      t.last = std::max(t.last, d_.forward[d_.LastReader(i)].last);
      if (i == d_.count - 1) t.last = std::max(t.last, d_.loss);
      if (node.mode.backward && d_.needs[i].keep_output) {
        t.last = std::max(t.last, d_.backward[i].last);
      }
      const uint32_t last_backward = LastBackwardReader(i);
      if (d_.recompute[i] != kNoStep) {
        node.output_again =
            AddTensor(TensorKind::kActivation, i, 1, d_.ActivationBytes(i),
                      d_.recompute[i], last_backward);
      } else {
        t.last = std::max(t.last, last_backward);
      }
    }
  }

  // Node i may write over tensor `shared` (its first input) if it is the last
  // to read any value that lives there, and backward reads none of them.
  bool MayOverwrite(uint32_t shared, uint32_t i) const {
    if (values_[shared].kept || values_[shared].last_reader > i) return false;
    // A node that reads the same value twice must not lose the second.
    for (uint32_t k = 1; k < d_.NodeAt(i).input_count; ++k) {
      if (d_.plan.nodes[d_.NodeAt(i).inputs[k]].output == shared) return false;
    }
    return true;
  }

  // The gradient of a node's output is first written by the backward of its
  // last reader, added to by those of the others, and used up by its own.
  void AddGradients() {
    std::vector<bool> written(d_.count, false);
    for (uint32_t i = d_.count; i-- > 0;) {
      NodePlan& node = d_.plan.nodes[i];
      if (!node.mode.backward) continue;
      bool dy_given_away = false;
      for (uint32_t k = 0; k < d_.NodeAt(i).input_count; ++k) {
        if (!node.mode.need_dx[k]) continue;
        const uint32_t from = d_.NodeAt(i).inputs[k];
        if (written[from]) {
          node.accumulate[k] = true;
          continue;
        }
        written[from] = true;
        NodePlan& source = d_.plan.nodes[from];
        const bool share =
            (d_.needs[i].in_place_backward || node.mode.absorbed) &&
            !dy_given_away && node.gradient != kNoTensor &&
            d_.plan.tensors[node.gradient].bytes == d_.ActivationBytes(from);
        if (share) {
          dy_given_away = true;
          source.gradient = node.gradient;
        } else {
          source.gradient =
              AddTensor(TensorKind::kActivationGradient, from, 0,
                        d_.ActivationBytes(from), d_.backward[i].first,
                        d_.backward[i].last);
        }
        d_.plan.tensors[source.gradient].last = std::max(
            d_.plan.tensors[source.gradient].last, d_.backward[from].last);
      }
    }
  }

  static uint64_t RowCount(const WeightSpec& spec) {
    return spec.Count() / spec.dims[0];
  }
  // Rows of a block of node i's gradient, 0 for all at once. A block should
  // stay in the second-level cache; more work per block than 64 terms a sum
  // pays for what each block reads again. Whole vectors of 16, so that kernels
  // read dy from places that TailBytes() counts on. Shape only.
  uint32_t BlockRows(uint32_t i) const {
    constexpr uint64_t kFloats = 64 * 1024, kWork = 64;
    if (d_.needs[i].gradient_work == 0) return 0;
    const WeightSpec& spec = d_.plan.nodes[i].specs[0];
    const uint64_t floats =
        kFloats * std::max<uint64_t>(1, d_.needs[i].gradient_work / kWork);
    const uint64_t rows = std::max<uint64_t>(1, floats / RowCount(spec));
    const uint64_t blocks = (spec.dims[0] + rows - 1) / rows;
    if (blocks == 1) return 0;
    const uint64_t even = (spec.dims[0] + blocks - 1) / blocks;
    const uint64_t whole = (even + 15) / 16 * 16;
    return whole < spec.dims[0] ? static_cast<uint32_t>(whole) : 0;
  }

  void AddPrivateTensors() {
    const GradientMode mode = d_.plan.options.gradients;
    const bool fused = mode == GradientMode::kFused;
    const bool in_pieces = fused && OpOf(d_.plan.options.optimizer.kind).unit ==
                                        UpdateUnit::kElement;
    const uint32_t end = static_cast<uint32_t>(d_.plan.steps.size()) - 1;
    for (uint32_t i = 0; i < d_.count; ++i) {
      NodePlan& node = d_.plan.nodes[i];
      const Needs& needs = d_.needs[i];
      if (needs.forward_scratch != 0) {
        node.forward_scratch =
            AddTensor(TensorKind::kScratch, i, 0, needs.forward_scratch,
                      d_.forward[i].first, d_.forward[i].last);
      }
      if (needs.saved_bytes != 0) {
        // The loss step reads the row losses even in evaluation; the readers of
        // a derived output read the coefficients.
        uint32_t last =
            node.mode.backward ? d_.backward[i].last : d_.forward[i].last;
        for (uint32_t j = i; node.mode.derived && j < d_.count; ++j) {
          if (d_.plan.nodes[j].derived_by != i) continue;
          last = std::max(
              {last, d_.forward[d_.LastReader(j)].last, LastBackwardReader(j)});
        }
        node.saved = AddTensor(
            TensorKind::kSaved, i, 0, needs.saved_bytes, d_.forward[i].first,
            i == d_.count - 1 ? std::max(last, d_.loss) : last);
      }
      if (!node.mode.backward) continue;
      if (needs.backward_scratch != 0) {
        node.backward_scratch =
            AddTensor(TensorKind::kScratch, i, 1, needs.backward_scratch,
                      d_.backward[i].first, d_.backward[i].last);
      }
      if (!node.mode.train_weights) continue;
      if (const uint64_t bytes = UpdateScratch(d_.plan, i); bytes != 0) {
        node.update_scratch = AddTensor(TensorKind::kScratch, i, 2, bytes,
                                        d_.update[i], d_.update[i]);
      }
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        if (!Trains(node.mode, node.specs[w].role)) continue;
        if (w == 0 && in_pieces && needs.gradient_in_pieces) {
          node.gradient_pieces = true;
          continue;
        }
        if (w == 0 && fused) node.gradient_rows = BlockRows(i);
        const uint64_t count =
            w == 0 && node.gradient_rows != 0
                ? node.gradient_rows * RowCount(node.specs[0])
                : node.specs[w].Count();
        node.weight_gradients[w] =
            AddTensor(TensorKind::kWeightGradient, i, w, count * sizeof(float),
                      mode == GradientMode::kAccumulated ? 0 : d_.gradient[i],
                      fused ? d_.update[i] : end);
      }
    }
  }

  ProgramDraft& d_;
  // Of all outputs in a tensor so far: whether backward reads one of them, and
  // the last node that reads one in forward.
  struct Values {
    bool kept = false;
    uint32_t last_reader = 0;
  };
  std::vector<Values> values_;
};

}  // namespace

void AddTensors(ProgramDraft* draft) { TensorMaker(draft).Make(); }

uint64_t UpdateScratch(const Plan& plan, uint32_t node) {
  const Optimizer& optimizer = plan.options.optimizer;
  const OptimizerOp& op = OpOf(optimizer.kind);
  const NodePlan& n = plan.nodes[node];
  uint64_t bytes = 0;
  for (uint32_t w = 0; op.scratch != nullptr && w < n.weight_count; ++w) {
    if (!Trains(n.mode, n.specs[w].role)) continue;
    bytes = std::max(bytes, op.scratch(optimizer, n.specs[w]));
  }
  return bytes;
}

uint32_t ListStates(const PlanOptions& options, const char** names,
                    uint32_t hooks) {
  uint32_t count =
      OpOf(options.optimizer.kind).states(options.optimizer, names);
  for (uint32_t h = 0; h < hooks && h < options.hooks.size(); ++h) {
    const UpdateHookOp& op = *FindOp(options.hooks[h].kind);
    if (op.states == nullptr) continue;
    const char* own[kMaxStates];
    const uint32_t n = op.states(options.hooks[h], own);
    for (uint32_t s = 0; s < n; ++s, ++count) {
      if (count < kMaxStates) names[count] = own[s];
    }
  }
  return count;
}

}  // namespace temper
