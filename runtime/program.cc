// Making the program. The order of one step is
//
//   forward of every node | loss | for every node with a gradient, last first:
//                                  recompute of inputs that were not kept,
//                                  backward (dx with the old weights, then dw),
//                                  update of its weights
//
// so most weight gradients live for two steps and their memory is used again.
// Where a batch is larger than a cache, neighbours run together in slabs of
// samples (ListGroup): a convolution with its statistics; backward of a batch
// norm with the gradient through its convolution and the sums of the batch norm
// before. Fused nodes (ChooseFusion) lose steps and tensors: absorbed
// activations have neither, derived outputs are formed by whoever reads them.
// Buffers that share memory by design (in place, views) become one tensor here;
// what may share memory over time is the planner's business.
#include "runtime/program.h"

#include <algorithm>
#include <cstring>

#include "runtime/hash.h"
#include "runtime/layer.h"
#include "runtime/optimizer.h"
#include "simd/rows.h"

namespace temper {
namespace {

class ProgramMaker {
 public:
  explicit ProgramMaker(Plan* plan)
      : plan_(*plan), count_(static_cast<uint32_t>(plan->graph.nodes.size())) {}

  Status Make() {
    plan_.nodes.assign(count_, NodePlan());
    needs_.assign(count_, Needs());
    ChooseModes();
    ChooseFusion();
    TEMPER_RETURN_IF_ERROR(CollectNeeds());
    ListSteps();
    AddPersistentTensors();
    AddActivations();
    if (plan_.options.training) AddGradients();
    AddPrivateTensors();
    plan_.program_hash = Hash();
    return Ok();
  }

 private:
  const Node& NodeAt(uint32_t i) const { return plan_.graph.nodes[i]; }
  bool Frozen(uint32_t i) const {
    return !plan_.options.frozen.empty() && plan_.options.frozen[i] != 0;
  }
  uint64_t ActivationBytes(uint32_t i) const {
    return plan_.shapes[i].Count() * plan_.options.batch * sizeof(float);
  }

  // A gradient reaches a node if something below it, or the node itself,
  // trains.
  void ChooseModes() {
    if (!plan_.options.training) return;
    // A gradient can only come from the loss, through its first input.
    std::vector<bool> feeds_loss(count_, false);
    feeds_loss[count_ - 1] = true;
    for (uint32_t i = count_; i-- > 0;) {
      for (uint32_t k = 0; k < NodeAt(i).input_count && feeds_loss[i]; ++k) {
        if (!IsLoss(NodeAt(i).kind) || k == 0)
          feeds_loss[NodeAt(i).inputs[k]] = true;
      }
    }
    std::vector<bool> wants_gradient(count_, false);
    for (uint32_t i = 0; i < count_; ++i) {
      NodeMode& mode = plan_.nodes[i].mode;
      mode.train_weights = !Frozen(i) && feeds_loss[i] && HasTrainedWeights(i);
      mode.live_statistics = mode.train_weights &&
                             NodeAt(i).kind == LayerKind::kBatchNorm &&
                             plan_.options.batch_norm == BatchNormMode::kTrain;
      bool below = false;
      for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
        mode.need_dx[k] = feeds_loss[i] && wants_gradient[NodeAt(i).inputs[k]];
        // The target of a loss is given, not computed: nothing flows into it.
        if (IsLoss(NodeAt(i).kind) && k > 0) mode.need_dx[k] = false;
        below = below || mode.need_dx[k];
      }
      mode.backward = mode.train_weights || below;
      wants_gradient[i] = mode.backward && OpOf(NodeAt(i).kind).backward;
    }
  }

  // Which activations are absorbed and which outputs are derived. A function of
  // the graph, so that bits and memory do not depend on the machine.
  void ChooseFusion() {
    std::vector<Needs> needs(count_);
    std::vector<uint32_t> readers(count_, 0), reader(count_, kNoNode);
    for (uint32_t i = 0; i < count_; ++i) {
      StateNeeds(i, &needs[i]);
      for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
        ++readers[NodeAt(i).inputs[k]];
        reader[NodeAt(i).inputs[k]] = i;
      }
    }
    for (uint32_t i = 0; i < count_; ++i) {
      const simd::Activation act = needs[i].activation;
      if (act == simd::Activation::kNone) continue;
      const uint32_t from = NodeAt(i).inputs[0];
      NodeMode& source = plan_.nodes[from].mode;
      if (!needs[from].absorb_activation || readers[from] != 1 ||
          source.absorbed) {
        continue;
      }
      plan_.nodes[i].mode.absorbed = true;
      source.activation = static_cast<uint32_t>(act);
    }
    for (uint32_t i = 0; i < count_; ++i) {
      if (!needs[i].derivable) continue;
      // What it is formed from must stay where it is until it is read.
      const uint32_t from = NodeAt(i).inputs[0];
      if (from == 0 || needs[from].recompute) continue;
      const bool tail = plan_.nodes[i].mode.activation != 0;
      const uint32_t last = tail ? reader[i] : i;
      bool all = true;
      const auto each_reader = [&](auto&& f) {
        for (uint32_t c = last + 1; c < count_; ++c) {
          for (uint32_t k = 0; k < NodeAt(c).input_count; ++k) {
            if (NodeAt(c).inputs[k] == last) f(c, k);
          }
        }
      };
      each_reader([&](uint32_t c, uint32_t k) {
        all = all && needs[c].accept_derived[k];
      });
      if (!all) continue;
      plan_.nodes[i].mode.derived = true;
      each_reader([&](uint32_t c, uint32_t k) {
        plan_.nodes[c].mode.derived_input[k] = true;
      });
    }
  }

  bool HasTrainedWeights(uint32_t i) const {
    Needs needs;
    StateNeeds(i, &needs);
    for (uint32_t w = 0; w < needs.weight_count; ++w) {
      if (IsTrained(needs.weights[w].role)) return true;
    }
    return false;
  }

  void StateNeeds(uint32_t i, Needs* needs) const {
    Shape in[kMaxInputs];
    for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
      in[k] = plan_.shapes[NodeAt(i).inputs[k]];
    }
    OpOf(NodeAt(i).kind)
        .needs({NodeAt(i), in, plan_.shapes[i], plan_.options.batch,
                plan_.options.threads, plan_.nodes[i].mode},
               needs);
  }

  Status CollectNeeds() {
    bool trains = false;
    for (uint32_t i = 0; i < count_; ++i) {
      NodePlan& node = plan_.nodes[i];
      if (!node.mode.absorbed) StateNeeds(i, &needs_[i]);
      node.weight_count = needs_[i].weight_count;
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        node.specs[w] = needs_[i].weights[w];
        if (node.specs[w].Count() > kMaxElements) {
          return Error(StatusCode::kInvalidArgument, "a weight is too large",
                       i);
        }
      }
      trains = trains || node.mode.train_weights;
      if (ActivationBytes(i) / sizeof(float) > kMaxElements) {
        return Error(StatusCode::kInvalidArgument,
                     "a tensor is too large: use a smaller batch", i);
      }
      if (needs_[i].minimum_rows > plan_.options.batch) {
        return Error(StatusCode::kInvalidArgument,
                     "this batch norm would see one value per channel, which "
                     "has no variance: use a batch of 2 or more, or frozen "
                     "statistics (--bn frozen)",
                     i);
      }
      plan_.minimum_rows = std::max(plan_.minimum_rows, needs_[i].minimum_rows);
    }
    if (plan_.options.training && !trains) {
      return Error(StatusCode::kInvalidArgument,
                   "nothing is left to train: every layer is frozen");
    }
    return Ok();
  }

  // Samples of a slab of node i's group, or 0: its inputs, outputs and their
  // gradients should fit a second-level cache, statistics need a whole unit of
  // rows at first, and what the last-level cache holds anyway is not cut. Never
  // a matter of threads or target.
  uint32_t SlabOf(uint32_t i) const {
    constexpr uint64_t kBytes = 1024 * 1024;
    if (!needs_[i].in_slabs) return 0;
    const Shape& in = plan_.shapes[NodeAt(i).inputs[0]];
    const Shape& out = plan_.shapes[i];
    const uint64_t bytes = 2 * sizeof(float) * (in.Count() + out.Count());
    const uint64_t pixels = uint64_t{out.h} * out.w;
    const uint64_t unit = (simd::kChunkUnit + pixels - 1) / pixels;
    const uint64_t slab = std::max({uint64_t{1}, unit, kBytes / bytes});
    const uint64_t batch = plan_.options.batch;
    if (2 * slab > batch || bytes * batch <= plan_.options.cache_bytes) {
      return 0;
    }
    return static_cast<uint32_t>(slab);
  }

  // The batch norm that alone reads node i, next to it, and is derived.
  uint32_t NormBehind(uint32_t i) const {
    const uint32_t n = i + 1;
    if (n >= count_ || !needs_[n].reduce_first ||
        !plan_.nodes[n].mode.derived || NodeAt(n).inputs[0] != i ||
        LastReader(i) != n) {
      return kNoNode;
    }
    return n;
  }

  // The batch norm whose output node i reads, if i is the last to add to that
  // output's gradient: then the sums can follow slab by slab.
  uint32_t NormInFront(uint32_t i) const {
    if (!plan_.nodes[i].mode.need_dx[0]) return kNoNode;
    const uint32_t from = NodeAt(i).inputs[0];
    const uint32_t norm =
        plan_.nodes[from].mode.absorbed ? NodeAt(from).inputs[0] : from;
    if (!needs_[norm].reduce_first) return kNoNode;
    for (uint32_t c = from + 1; c < i; ++c) {
      for (uint32_t k = 0; k < NodeAt(c).input_count; ++k) {
        if (NodeAt(c).inputs[k] == from && plan_.nodes[c].mode.need_dx[k]) {
          return kNoNode;
        }
      }
    }
    return norm;
  }

  uint32_t AddStep(StepKind kind, uint32_t node) {
    const uint32_t s = static_cast<uint32_t>(plan_.steps.size());
    plan_.steps.push_back({kind, node, s, 0});
    return s;
  }
  // The steps from `first` to the last one added run together.
  void CloseGroup(uint32_t first, uint32_t slab) {
    const uint32_t last = static_cast<uint32_t>(plan_.steps.size()) - 1;
    if (first >= last) return;
    for (uint32_t s = first; s <= last; ++s) {
      plan_.steps[s].group_last = last;
      plan_.steps[s].slab = slab;
    }
  }

  // What the lifetimes are made of: the first and the last step of a node's
  // pass, the whole group counting as one moment.
  struct Span {
    uint32_t first = kNoStep, last = kNoStep;
    void Add(uint32_t begin, uint32_t end) {
      first = first == kNoStep ? begin : std::min(first, begin);
      last = last == kNoStep ? end : std::max(last, end);
    }
  };

  void ListSteps() {
    recompute_.assign(count_, kNoStep);
    update_.assign(count_, kNoStep);
    for (uint32_t i = 0; i < count_; ++i) {
      if (plan_.nodes[i].mode.absorbed) continue;
      const uint32_t first = AddStep(StepKind::kForward, i);
      const uint32_t norm = NormBehind(i);
      const uint32_t slab = SlabOf(i);
      if (norm == kNoNode || slab == 0) continue;
      AddStep(StepKind::kForward, norm);
      CloseGroup(first, slab);
      ++i;
    }
    loss_ = AddStep(StepKind::kLoss, count_ - 1);
    if (plan_.options.training) ListBackward();
    forward_.assign(count_, Span());
    backward_.assign(count_, Span());
    gradient_.assign(count_, kNoStep);
    for (uint32_t s = 0, first = 0; s < plan_.steps.size(); ++s) {
      const ProgramStep& step = plan_.steps[s];
      if (step.kind == StepKind::kForward) {
        forward_[step.node].Add(first, step.group_last);
      }
      if (IsBackward(step.kind)) {
        backward_[step.node].Add(first, step.group_last);
        if (step.kind != StepKind::kBackwardData &&
            gradient_[step.node] == kNoStep) {
          gradient_[step.node] = first;
        }
      }
      if (s == step.group_last) first = s + 1;
    }
    for (uint32_t i = 0; i < count_; ++i) {
      if (!plan_.nodes[i].mode.absorbed) continue;
      forward_[i] = forward_[NodeAt(i).inputs[0]];
      backward_[i] = backward_[NodeAt(i).inputs[0]];
    }
  }

  void ListBackward() {
    std::vector<bool> reduced(count_, false), applied(count_, false);
    for (uint32_t i = count_; i-- > 0;) {
      const NodeMode& mode = plan_.nodes[i].mode;
      if (!mode.backward || mode.absorbed || applied[i]) continue;
      // A batch norm whose second half runs with the layer in front of it.
      const uint32_t from = i == 0 ? 0 : i - 1;
      if (needs_[i].reduce_first && NormBehind(from) == i &&
          plan_.nodes[from].mode.backward && SlabOf(from) != 0 &&
          (plan_.nodes[from].mode.need_dx[0] ||
           needs_[from].weights_in_slabs)) {
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

  // Node i's backward in slabs, with what lies behind it and in front of it in
  // the network.
  void ListGroup(uint32_t i, std::vector<bool>* reduced) {
    const NodeMode& mode = plan_.nodes[i].mode;
    const uint32_t behind = NormBehind(i), front = NormInFront(i);
    const bool weights_inside =
        mode.train_weights && needs_[i].weights_in_slabs;
    if (weights_inside) AddRecompute(i);
    if (front != kNoNode) AddRecompute(front);
    const uint32_t first = static_cast<uint32_t>(plan_.steps.size());
    if (behind != kNoNode && plan_.nodes[behind].mode.backward) {
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
    for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
      const uint32_t from = NodeAt(i).inputs[k];
      if (needs_[i].keep_input[k] && Recomputed(from) &&
          recompute_[from] == kNoStep) {
        recompute_[from] = AddStep(StepKind::kRecompute, from);
      }
    }
  }
  void AddUpdate(uint32_t i) {
    if (plan_.nodes[i].mode.train_weights) {
      update_[i] = AddStep(StepKind::kUpdate, i);
    }
  }

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
        return plan_.shapes[node].c % 16 == 0 ? 0 : simd::kTailBytes;
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
    plan_.tensors.push_back(t);
    return static_cast<uint32_t>(plan_.tensors.size()) - 1;
  }

  void AddPersistentTensors() {
    const uint32_t end = static_cast<uint32_t>(plan_.steps.size()) - 1;
    for (uint32_t i = 0; i < count_; ++i) {
      NodePlan& node = plan_.nodes[i];
      for (uint32_t w = 0; w < kMaxWeights; ++w) {
        node.weights[w] = node.weight_gradients[w] = kNoTensor;
        for (uint32_t& state : node.optimizer[w]) state = kNoTensor;
      }
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        node.weights[w] =
            AddTensor(TensorKind::kWeight, i, w,
                      node.specs[w].Count() * sizeof(float), 0, end);
      }
    }
    const char* names[kMaxStates];
    const uint32_t states = plan_.options.training
                                ? OpOf(plan_.options.optimizer.kind)
                                      .states(plan_.options.optimizer, names)
                                : 0;
    for (uint32_t i = 0; i < count_; ++i) {
      NodePlan& node = plan_.nodes[i];
      if (!node.mode.train_weights) continue;
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        if (!IsTrained(node.specs[w].role)) continue;
        for (uint32_t s = 0; s < states; ++s) {
          node.optimizer[w][s] =
              AddTensor(TensorKind::kOptimizer, i, w * kMaxStates + s,
                        node.specs[w].Count() * sizeof(float), 0, end);
        }
      }
    }
    AddTensor(TensorKind::kStepState, kNoNode, 0, kTensorAlign, 0, end);
  }

  // True if backward gets the output of node i from a second forward. Not where
  // the loss reads it: backward begins there, nothing would be saved.
  bool Recomputed(uint32_t i) const {
    if (!needs_[i].recompute || !plan_.options.training) return false;
    for (uint32_t k = 0; k < NodeAt(count_ - 1).input_count; ++k) {
      if (NodeAt(count_ - 1).inputs[k] == i) return false;
    }
    return true;
  }

  // True if backward reads the output of node i as forward left it.
  bool Kept(uint32_t i) const {
    if (plan_.nodes[i].mode.backward && needs_[i].keep_output) return true;
    if (Recomputed(i)) return false;
    for (uint32_t c = i + 1; c < count_; ++c) {
      for (uint32_t k = 0; k < NodeAt(c).input_count; ++k) {
        if (NodeAt(c).inputs[k] == i && plan_.nodes[c].mode.backward &&
            needs_[c].keep_input[k]) {
          return true;
        }
      }
    }
    return false;
  }
  // Last node that reads the output of node i in forward.
  uint32_t LastReader(uint32_t i) const {
    uint32_t last = i;
    for (uint32_t c = i + 1; c < count_; ++c) {
      for (uint32_t k = 0; k < NodeAt(c).input_count; ++k) {
        if (NodeAt(c).inputs[k] == i) last = c;
      }
    }
    return last;
  }

  // Last backward step that reads the output of node i as an input, or 0.
  uint32_t LastBackwardReader(uint32_t i) const {
    uint32_t last = 0;
    for (uint32_t c = i + 1; c < count_; ++c) {
      for (uint32_t k = 0; k < NodeAt(c).input_count; ++k) {
        if (NodeAt(c).inputs[k] == i && plan_.nodes[c].mode.backward &&
            needs_[c].keep_input[k]) {
          last = std::max(last, backward_[c].last);
        }
      }
    }
    return last;
  }

  void AddActivations() {
    for (uint32_t i = 1; i < count_; ++i) {
      NodePlan& node = plan_.nodes[i];
      const uint32_t from = NodeAt(i).inputs[0];
      const uint32_t shared = plan_.nodes[from].output;
      const bool same_size = shared != kNoTensor &&
                             plan_.tensors[shared].bytes == ActivationBytes(i);
      if (node.mode.derived || node.mode.absorbed) {
        node.output = shared;
        node.derived_by = node.mode.derived ? i : plan_.nodes[from].derived_by;
      } else if (same_size && (needs_[i].view || (needs_[i].in_place &&
                                                  MayOverwrite(shared, i)))) {
        node.output = shared;
      } else {
        node.output =
            AddTensor(TensorKind::kActivation, i, 0, ActivationBytes(i),
                      forward_[i].first, forward_[i].last);
      }
      // Alive until the last forward reader, then until the last backward step
      // that reads it; the output of the loss until the end of forward.
      PlannedTensor& t = plan_.tensors[node.output];
      t.last = std::max(t.last, forward_[LastReader(i)].last);
      if (i == count_ - 1) t.last = std::max(t.last, loss_);
      if (node.mode.backward && needs_[i].keep_output) {
        t.last = std::max(t.last, backward_[i].last);
      }
      const uint32_t last_backward = LastBackwardReader(i);
      if (recompute_[i] != kNoStep) {
        node.output_again =
            AddTensor(TensorKind::kActivation, i, 1, ActivationBytes(i),
                      recompute_[i], last_backward);
      } else {
        t.last = std::max(t.last, last_backward);
      }
    }
  }

  // Node i may write over tensor `shared` (its first input) if it is the last
  // to read any value that lives there, and backward reads none of them.
  bool MayOverwrite(uint32_t shared, uint32_t i) const {
    for (uint32_t j = 1; j < i; ++j) {
      if (plan_.nodes[j].output != shared) continue;
      if (Kept(j) || LastReader(j) > i) return false;
    }
    // A node that reads the same value twice must not lose the second.
    for (uint32_t k = 1; k < NodeAt(i).input_count; ++k) {
      if (plan_.nodes[NodeAt(i).inputs[k]].output == shared) return false;
    }
    return true;
  }

  // The gradient of a node's output is first written by the backward of its
  // last reader, added to by those of the others, and used up by its own.
  void AddGradients() {
    std::vector<bool> written(count_, false);
    for (uint32_t i = count_; i-- > 0;) {
      NodePlan& node = plan_.nodes[i];
      if (!node.mode.backward) continue;
      bool dy_given_away = false;
      for (uint32_t k = 0; k < NodeAt(i).input_count; ++k) {
        if (!node.mode.need_dx[k]) continue;
        const uint32_t from = NodeAt(i).inputs[k];
        if (written[from]) {
          node.accumulate[k] = true;
          continue;
        }
        written[from] = true;
        NodePlan& source = plan_.nodes[from];
        const bool share =
            (needs_[i].in_place_backward || node.mode.absorbed) &&
            !dy_given_away && node.gradient != kNoTensor &&
            plan_.tensors[node.gradient].bytes == ActivationBytes(from);
        if (share) {
          dy_given_away = true;
          source.gradient = node.gradient;
        } else {
          source.gradient = AddTensor(TensorKind::kActivationGradient, from, 0,
                                      ActivationBytes(from), backward_[i].first,
                                      backward_[i].last);
        }
        plan_.tensors[source.gradient].last =
            std::max(plan_.tensors[source.gradient].last, backward_[from].last);
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
    if (needs_[i].gradient_work == 0) return 0;
    const WeightSpec& spec = plan_.nodes[i].specs[0];
    const uint64_t floats =
        kFloats * std::max<uint64_t>(1, needs_[i].gradient_work / kWork);
    const uint64_t rows = std::max<uint64_t>(1, floats / RowCount(spec));
    const uint64_t blocks = (spec.dims[0] + rows - 1) / rows;
    if (blocks == 1) return 0;
    const uint64_t even = (spec.dims[0] + blocks - 1) / blocks;
    const uint64_t whole = (even + 15) / 16 * 16;
    return whole < spec.dims[0] ? static_cast<uint32_t>(whole) : 0;
  }

  void AddPrivateTensors() {
    for (uint32_t i = 0; i < count_; ++i) {
      NodePlan& node = plan_.nodes[i];
      const Needs& needs = needs_[i];
      if (needs.forward_scratch != 0) {
        node.forward_scratch =
            AddTensor(TensorKind::kScratch, i, 0, needs.forward_scratch,
                      forward_[i].first, forward_[i].last);
      }
      if (needs.saved_bytes != 0) {
        // The row losses are read by the loss step even in evaluation;
        // coefficients by everyone who reads a derived output.
        uint32_t last =
            node.mode.backward ? backward_[i].last : forward_[i].last;
        for (uint32_t j = i; node.mode.derived && j < count_; ++j) {
          if (plan_.nodes[j].derived_by != i) continue;
          last = std::max(
              {last, forward_[LastReader(j)].last, LastBackwardReader(j)});
        }
        node.saved = AddTensor(TensorKind::kSaved, i, 0, needs.saved_bytes,
                               forward_[i].first,
                               i == count_ - 1 ? std::max(last, loss_) : last);
      }
      if (!node.mode.backward) continue;
      if (needs.backward_scratch != 0) {
        node.backward_scratch =
            AddTensor(TensorKind::kScratch, i, 1, needs.backward_scratch,
                      backward_[i].first, backward_[i].last);
      }
      if (!node.mode.train_weights) continue;
      for (uint32_t w = 0; w < node.weight_count; ++w) {
        if (!IsTrained(node.specs[w].role)) continue;
        if (w == 0 && needs.gradient_in_pieces) {
          node.gradient_pieces = true;
          continue;
        }
        if (w == 0) node.gradient_rows = BlockRows(i);
        const uint64_t count =
            w == 0 && node.gradient_rows != 0
                ? node.gradient_rows * RowCount(node.specs[0])
                : node.specs[w].Count();
        node.weight_gradients[w] =
            AddTensor(TensorKind::kWeightGradient, i, w, count * sizeof(float),
                      gradient_[i], update_[i]);
      }
    }
  }

  // Everything that decides bits; not the thread count, not offsets.
  uint64_t Hash() const {
    Fnv1a hash;
    hash.Add(kArithmeticVersion);
    hash.Add(plan_.options.batch);
    hash.Add(static_cast<uint32_t>(plan_.options.training));
    hash.Add(static_cast<uint32_t>(plan_.options.batch_norm));
    hash.Add(static_cast<uint32_t>(plan_.options.optimizer.kind));
    hash.Bytes(plan_.options.optimizer.params,
               sizeof(plan_.options.optimizer.params));
    for (uint32_t i = 0; i < count_; ++i) {
      const Node& node = NodeAt(i);
      hash.Bytes(LayerName(node.kind), std::strlen(LayerName(node.kind)) + 1);
      hash.Bytes(node.name, std::strlen(node.name) + 1);
      hash.Add(node.input_count);
      for (uint32_t k = 0; k < node.input_count; ++k) hash.Add(node.inputs[k]);
      hash.Bytes(node.params, sizeof(node.params));
      hash.Add(plan_.shapes[i].h);
      hash.Add(plan_.shapes[i].w);
      hash.Add(plan_.shapes[i].c);
      hash.Add(static_cast<uint32_t>(plan_.shapes[i].type));
      hash.Add(static_cast<uint32_t>(Frozen(i)));
    }
    return hash.value();
  }

  static constexpr uint32_t kNoStep = 0xffffffffu;

  Plan& plan_;
  const uint32_t count_;
  std::vector<Needs> needs_;
  // Step numbers per node.
  std::vector<Span> forward_, backward_;
  std::vector<uint32_t> recompute_, update_;
  std::vector<uint32_t> gradient_;  // the first that adds to weight gradients
  uint32_t loss_ = 0;
};

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
  if (!options.frozen.empty() && options.frozen.size() != graph.nodes.size()) {
    return bad("frozen must have one entry per node");
  }
  const OptimizerOp& op = OpOf(options.optimizer.kind);
  for (uint32_t i = 0; i < op.fields.count; ++i) {
    const Field& field = op.fields.fields[i];
    double value;
    if (field.type == Field::Type::kF32) {
      float f;
      std::memcpy(&f, options.optimizer.params + field.offset, sizeof(f));
      value = f;
    } else {
      uint32_t u;
      std::memcpy(&u, options.optimizer.params + field.offset, sizeof(u));
      value = u;
    }
    if (!(value >= field.min && value <= field.max)) {
      return bad("an optimizer parameter is outside its range");
    }
  }
  return Ok();
}

}  // namespace

Status MakeProgram(const Graph& graph, const PlanOptions& options, Plan* plan) {
  TEMPER_RETURN_IF_ERROR(CheckOptions(graph, options));
  TEMPER_RETURN_IF_ERROR(graph.Check(&plan->shapes));
  plan->graph = graph;
  plan->options = options;
  return ProgramMaker(plan).Make();
}

}  // namespace temper
