// What every node does in a step: whether it trains and passes gradients on,
// whether it is absorbed or derived, and what it needs. See program_draft.h.
#include <algorithm>

#include "runtime/program_draft.h"

namespace temper {
namespace {

class NodeDecider {
 public:
  explicit NodeDecider(ProgramDraft* draft) : d_(*draft) {}

  Status Decide() {
    d_.plan.nodes.assign(d_.count, NodePlan());
    d_.needs.assign(d_.count, Needs());
    ChooseModes();
    TakeSegments();
    ChooseFusion();
    ChoosePacked();
    return CollectNeeds();
  }

 private:
  // A gradient reaches a node if something below it, or the node itself,
  // trains.
  void ChooseModes() {
    if (!d_.plan.options.training) return;
    // A gradient can only come from the loss, through its first input.
    std::vector<bool> feeds_loss(d_.count, false);
    feeds_loss[d_.count - 1] = true;
    for (uint32_t i = d_.count; i-- > 0;) {
      for (uint32_t k = 0; k < d_.NodeAt(i).input_count && feeds_loss[i]; ++k) {
        if (!IsLoss(d_.NodeAt(i).kind) || k == 0)
          feeds_loss[d_.NodeAt(i).inputs[k]] = true;
      }
    }
    std::vector<bool> wants_gradient(d_.count, false);
    for (uint32_t i = 0; i < d_.count; ++i) {
      NodeMode& mode = d_.plan.nodes[i].mode;
      mode.train_weights =
          !d_.Frozen(i) && feeds_loss[i] && HasTrainedWeights(i);
      mode.frozen_kernel = mode.train_weights && d_.FrozenKernel(i);
      mode.live_statistics =
          mode.train_weights && HasBatchStatistics(d_.NodeAt(i).kind) &&
          d_.plan.options.batch_norm == BatchNormMode::kTrain;
      bool below = false;
      for (uint32_t k = 0; k < d_.NodeAt(i).input_count; ++k) {
        mode.need_dx[k] =
            feeds_loss[i] && wants_gradient[d_.NodeAt(i).inputs[k]];
        // The target of a loss is given, not computed: nothing flows into it.
        if (IsLoss(d_.NodeAt(i).kind) && k > 0) mode.need_dx[k] = false;
        below = below || mode.need_dx[k];
      }
      mode.backward = mode.train_weights || below;
      wants_gradient[i] = mode.backward && OpOf(d_.NodeAt(i).kind).backward;
    }
  }

  // Before fusion: what another backend runs is fused by that one.
  void TakeSegments() {
    d_.plan.segments = ChooseSegments(d_.plan);
    for (uint32_t s = 0; s < d_.plan.segments.size(); ++s) {
      const Segment& segment = d_.plan.segments[s];
      for (uint32_t i = segment.first; i <= segment.last; ++i) {
        d_.plan.nodes[i].segment = s;
      }
    }
  }

  // Which activations are absorbed and which outputs are derived. A function of
  // the graph, so that bits and memory do not depend on the machine.
  void ChooseFusion() {
    // Those before fusion; CollectNeeds states them anew.
    std::vector<Needs>& needs = d_.needs;
    for (uint32_t i = 0; i < d_.count; ++i) d_.StateNeeds(i, &needs[i]);
    for (uint32_t i = 0; i < d_.count; ++i) {
      const simd::ActivationFunction& act = needs[i].activation;
      if (act.kind == simd::Activation::kNone) continue;
      const uint32_t from = d_.NodeAt(i).inputs[0];
      NodeMode& source = d_.plan.nodes[from].mode;
      if (!CanAbsorb(needs[from], act.kind) || d_.ReaderCount(from) != 1 ||
          source.absorbed) {
        continue;
      }
      d_.plan.nodes[i].mode.absorbed = true;
      source.activation = static_cast<uint32_t>(act.kind);
      std::copy_n(act.parameters, kMaxActivationParameters,
                  source.activation_parameters);
    }
    for (uint32_t i = 0; i < d_.count; ++i) {
      if (!needs[i].derivable) continue;
      // Its source must stay in place until the last reader has read it.
      const uint32_t from = d_.NodeAt(i).inputs[0];
      if (from == 0 || needs[from].recompute) continue;
      const bool tail = d_.plan.nodes[i].mode.activation != 0;
      const uint32_t last = tail ? d_.LastReader(i) : i;
      bool all = true;
      d_.ForEachReader(last, [&](uint32_t c, uint32_t k) {
        all = all && needs[c].accept_derived[k];
      });
      if (!all) continue;
      d_.plan.nodes[i].mode.derived = true;
      d_.ForEachReader(last, [&](uint32_t c, uint32_t k) {
        d_.plan.nodes[c].mode.derived_input[k] = true;
      });
    }
  }

  // Of a segment's nodes the other backend packs what it needs.
  void ChoosePacked() {
    if (!d_.plan.options.pack_weights) return;
    for (uint32_t i = 0; i < d_.count; ++i) {
      if (d_.plan.nodes[i].segment != kNoSegment) continue;
      Needs needs;
      d_.StateNeeds(i, &needs);
      d_.plan.nodes[i].mode.packed = needs.packed_bytes != 0;
    }
  }

  bool HasTrainedWeights(uint32_t i) const {
    Needs needs;
    d_.StateNeeds(i, &needs);
    for (uint32_t w = 0; w < needs.weight_count; ++w) {
      const WeightRole role = needs.weights[w].role;
      if (role == WeightRole::kKernel && d_.FrozenKernel(i)) continue;
      if (IsTrained(role)) return true;
    }
    return false;
  }

  Status CollectNeeds() {
    bool trains = false;
    d_.needs.assign(d_.count, Needs());
    for (uint32_t i = 0; i < d_.count; ++i) {
      NodePlan& node = d_.plan.nodes[i];
      if (!node.mode.absorbed) d_.StateNeeds(i, &d_.needs[i]);
      node.weight_count = d_.needs[i].weight_count;
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        node.specs[w] = d_.needs[i].weights[w];
        // Packed for a product it may take 16 times its bytes: 16 columns of it
        // for one.
        constexpr uint64_t kMost =
            sizeof(size_t) == 4 ? kMaxElements / 64 : kMaxElements;
        if (node.specs[w].Count() > kMost) {
          return Error(StatusCode::kInvalidArgument, "a weight is too large",
                       i);
        }
      }
      trains = trains || node.mode.train_weights;
      if (d_.ActivationBytes(i) / sizeof(float) > kMaxElements) {
        return Error(StatusCode::kInvalidArgument,
                     "a tensor is too large: use a smaller batch", i);
      }
      if (d_.needs[i].minimum_rows > d_.plan.options.batch) {
        return Error(StatusCode::kInvalidArgument,
                     "this batch norm would see one value per channel, which "
                     "has no variance: use a batch of 2 or more, or frozen "
                     "statistics (--bn frozen)",
                     i);
      }
      d_.plan.minimum_rows =
          std::max(d_.plan.minimum_rows, d_.needs[i].minimum_rows);
    }
    if (d_.plan.options.training && !trains) {
      return Error(StatusCode::kInvalidArgument,
                   "nothing is left to train: every layer is frozen");
    }
    return Ok();
  }

  ProgramDraft& d_;
};

}  // namespace

Status DecideNodes(ProgramDraft* draft) { return NodeDecider(draft).Decide(); }

}  // namespace temper
