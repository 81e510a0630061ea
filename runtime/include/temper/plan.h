// Plan: everything about a job that can be known before it runs. The straight
// list of steps, every buffer with its lifetime and offset, and the exact
// bytes. Plain data, made once by MakePlan; nothing is allocated after it.
//
//   arena: [ buffers that share memory | weights, state | step state ]
//          0                           transient_bytes          arena_bytes
//
// An arena of arena_bytes works, one of 64 bytes less is refused. The plan does
// not depend on the SIMD target; with the thread count only scratch changes.
// Next: trainer.h, which runs a plan; runtime/program.cc, which makes it.
#ifndef TEMPER_PLAN_H_
#define TEMPER_PLAN_H_

#include <cstdint>
#include <vector>

#include "temper/graph.h"
#include "temper/optimizers.h"
#include "temper/status.h"
#include "temper/update_hooks.h"

namespace temper {

// Rises whenever any bit of a result may change.
inline constexpr uint32_t kArithmeticVersion = 3;

// Rises whenever program_hash may change while graph, shapes, options and
// arithmetic stay the same: runs of another version are then compared by those
// alone.
inline constexpr uint32_t kProgramVersion = 1;

inline constexpr uint64_t kTensorAlign = 64;
inline constexpr uint32_t kMaxWeights = 8;  // tensors of one layer
// Tensors of the optimizer and of update hooks per weight.
inline constexpr uint32_t kMaxStates = 4;
inline constexpr uint32_t kMaxHooks = 8;
inline constexpr uint32_t kMaxActivationParameters = 2;
inline constexpr uint32_t kMaxRank = 4;
inline constexpr uint32_t kMaxBatch = 1u << 20;
inline constexpr uint32_t kNoTensor = 0xffffffffu;

enum class BatchNormMode : uint32_t {
  kTrain = 0,   // trainable batch norms use and update live statistics
  kFrozen = 1,  // all use the stored statistics; gamma and beta still train
};

// How long the gradients of trained weights live. Changes memory, no bit of a
// result.
enum class GradientMode : uint32_t {
  // Applied as soon as they are computed, large ones in parts that never exist
  // at the same time: the least memory.
  kFused = 0,
  // When backward ends, all of them exist, each as a whole; updates come last.
  // Needed by hooks before the update and by Trainer::Gradients.
  kWhole = 1,
  // As kWhole, and they outlive the step, so that those of several batches add
  // up (Trainer::Accumulate).
  kAccumulated = 2,
};

// Who computes what only predicts: evaluation, and while training the layers
// below the lowest one that trains.
enum class Backend : uint32_t {
  // temper's own kernels: the same bits on every CPU.
  kHighway = 0,
  // XNNPACK for the layers that it can express, temper's kernels for the rest.
  // Not exact: rounding depends on the CPU. Needs temper/backend.h.
  kXnnpack = 1,
  kCount
};

// An entry of PlanOptions::frozen.
inline constexpr uint8_t kFrozenKernel = 2;

struct PlanOptions {
  uint32_t batch = 32;   // most samples in a step
  uint32_t threads = 1;  // most threads that will run it
  bool training = true;  // false: forward only, for evaluation and prediction
  BatchNormMode batch_norm = BatchNormMode::kTrain;
  Optimizer optimizer{};
  // Layers whose inputs, outputs and gradients take more bytes than this run in
  // slabs of samples: about the last-level cache. Changes speed and memory, no
  // bit of a result.
  uint64_t cache_bytes = uint64_t{32} << 20;
  // One entry per node, nonzero = frozen altogether (weights and statistics), or
  // with kFrozenKernel its kernel alone: the bias trains, and backward needs no
  // input. Empty = nothing is frozen.
  std::vector<uint8_t> frozen{};
  GradientMode gradients = GradientMode::kFused;
  // One entry per node: its learning rate is the step's times this, finite and
  // >= 0; empty = 1 for all. 0 is not frozen: state and statistics follow.
  std::vector<float> rate_factors{};
  // Likewise for the optimizer's weight_decay: its weights decay by that times
  // this. Of layers with 0 nothing decays.
  std::vector<float> decay_factors{};
  // What happens between gradients and update and after the update
  // (update_hooks.h), in this order; at most kMaxHooks.
  std::vector<UpdateHook> hooks{};
  Backend backend = Backend::kHighway;
  // Of a plan that only predicts: the first Evaluate puts kernels into the order
  // in which products read them, in their own place, where else every pass does
  // that anew. Faster with few samples, the same bits; mostly fewer bytes, at
  // most those by which outputs are no multiple of 16 more. From then on these
  // tensors have no TensorView::data.
  bool pack_weights = false;
};

// The role of a stored tensor in its layer: decides whether an initializer
// draws it, whether weight decay applies and whether it is trained.
enum class WeightRole : uint32_t {
  kKernel,  // drawn by the initializer from its fans; decayed
  kBias,
  kGamma,  // scale of a normalization: 0 where a residual branch starts at zero
  kBeta,
  kBuffer,  // not trained
};
constexpr bool IsTrained(WeightRole role) {
  return role != WeightRole::kBuffer;
}

// What the values of a tensor must be. Finite, always; a normalize layer
// divides by its std, a batch norm takes the root of its running_var.
enum class ValueRule : uint8_t { kFinite, kPositive, kNotNegative };

struct WeightSpec {
  const char* name = "";
  WeightRole role = WeightRole::kKernel;
  float initial = 0.0f;  // first value of all but kernels
  ValueRule rule = ValueRule::kFinite;
  uint32_t rank = 0;
  uint32_t dims[kMaxRank] = {};
  uint32_t fan_in = 1, fan_out = 1;

  constexpr uint64_t Count() const {
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; ++i) count *= dims[i];
    return count;
  }
};

// Calls visit(context, node, slot, spec) for every stored tensor of a graph, by
// node and slot: what a model file of this graph must hold, no more and no
// less. Needs no plan. Fails as Graph::Check does, before the first call.
Status VisitWeights(const Graph& graph,
                    void (*visit)(void* context, uint32_t node, uint32_t slot,
                                  const WeightSpec& spec),
                    void* context);

// How a node takes part in this program.
struct NodeMode {
  bool backward = false;       // a gradient reaches this node
  bool train_weights = false;  // its weights are updated
  bool frozen_kernel = false;  // but not its kernel
  bool live_statistics =
      false;  // batch norm: uses and updates batch statistics
  bool need_dx[kMaxInputs] = {};  // a node below needs this input's gradient
  bool packed = false;  // its kernel lies packed (PlanOptions::pack_weights)
  // Fusion, a function of the graph alone. An activation that follows a batch
  // norm or an add, and is its only reader, is absorbed by it: it has no steps
  // and no tensor of its own.
  bool absorbed = false;
  uint32_t activation = 0;  // absorbed by this node: simd::Activation
  float activation_parameters[kMaxActivationParameters] = {};
  // A batch norm whose readers all can form y = act(x * scale + shift) when
  // they read it is derived: y is never stored.
  bool derived = false;
  bool derived_input[kMaxInputs] = {};  // this input is derived

  constexpr bool TrainsKernel() const {
    return train_weights && !frozen_kernel;
  }
};

// Whether a weight of this role is updated in such a node.
constexpr bool Trains(const NodeMode& mode, WeightRole role) {
  return mode.train_weights && IsTrained(role) &&
         (mode.TrainsKernel() || role != WeightRole::kKernel);
}

enum class TensorKind : uint32_t {
  kActivation,          // output of one node, or of several that share it
  kActivationGradient,  // gradient of a node's output
  kSaved,               // made by forward for backward
  kScratch,             // inside one pass
  kWeightGradient,
  kWeight,     // trained or frozen weights and buffers: outlives the step
  kOptimizer,  // state of the optimizer or of a hook: outlives the step
  kStepState,  // 64 bytes: the trainer's own state
  kCount
};
const char* TensorKindName(TensorKind kind);
// It outlives every step: it lies in [transient_bytes, arena_bytes).
constexpr bool IsPersistent(TensorKind kind) {
  return kind == TensorKind::kWeight || kind == TensorKind::kOptimizer ||
         kind == TensorKind::kStepState;
}

struct PlannedTensor {
  TensorKind kind = TensorKind::kActivation;
  uint32_t node = kNoNode;
  // Index of the weight; for kOptimizer state * kMaxWeights + weight.
  uint32_t slot = 0;
  uint64_t bytes = 0;  // exact; the plan rounds bytes + tail up to kTensorAlign
  // Bytes past the end that vector loads may read, 0 or 64: no other living
  // tensor lies there, because one thread may write it while another reads.
  uint64_t tail = 0;
  uint32_t first = 0, last = 0;  // steps in which it is alive, both inclusive
  uint64_t offset = 0;           // from the start of the arena
};

enum class StepKind : uint32_t {
  kForward,
  kSegment,  // forward of all nodes of a segment, on another backend
  kLoss,
  kRecompute,        // forward once more, into the buffer output_again
  kBackward,         // all of backward, or in parts:
  kBackwardReduce,   // sums over the batch (batch norm)
  kBackwardData,     // gradients of the inputs
  kBackwardWeights,  // gradients of the weights
  kBeforeUpdate,     // a hook between all gradients and the first update
  kUpdate,
  kAfterUpdate,  // a hook after the last update
};
constexpr bool IsHook(StepKind kind) {
  return kind == StepKind::kBeforeUpdate || kind == StepKind::kAfterUpdate;
}
constexpr bool IsBackward(StepKind kind) {
  return kind >= StepKind::kBackward && kind <= StepKind::kBackwardWeights;
}
// The steps from one to its group_last run together: all of them on the first
// `slab` samples, then on the next ones, so that the output of one is still in
// the cache when the next one reads it. slab 0: alone, on the whole batch.
struct ProgramStep {
  StepKind kind = StepKind::kForward;
  // Of a hook: its index in PlanOptions::hooks; of a segment: its first node.
  uint32_t node = 0;
  uint32_t group_last = 0;
  uint32_t slab = 0;
};

// Neighbouring nodes that another backend runs in one step (PlanOptions::
// backend). They only predict.
inline constexpr uint32_t kNoSegment = 0xffffffffu;
struct Segment {
  uint32_t first = 0, last = 0;  // nodes, both inclusive
};

// Indices into Plan::tensors, or kNoTensor.
struct NodePlan {
  NodeMode mode;
  // Index of its segment, or kNoSegment. In a segment a node has no steps, and
  // no tensors but its weights and an output that is read outside.
  uint32_t segment = kNoSegment;
  // Of a derived node: the tensor it is formed from.
  uint32_t output = kNoTensor;
  // The batch norm (this node, or the one that absorbed it) whose saved buffer
  // holds the coefficients of the output, if it is derived; else kNoNode.
  uint32_t derived_by = kNoNode;
  uint32_t output_again =
      kNoTensor;                  // what backward reads instead, if recomputed
  uint32_t gradient = kNoTensor;  // of the output
  uint32_t saved = kNoTensor;
  uint32_t forward_scratch = kNoTensor;
  uint32_t backward_scratch = kNoTensor;
  uint32_t update_scratch = kNoTensor;
  // dx[i] is added to the gradient of input i instead of written over it.
  bool accumulate[kMaxInputs] = {};
  uint32_t weight_count = 0;
  WeightSpec specs[kMaxWeights];
  uint32_t weights[kMaxWeights];
  uint32_t weight_gradients[kMaxWeights];
  // The gradient of weight 0 is made and used up in blocks of this many rows
  // (of dims[0]); 0: as a whole.
  uint32_t gradient_rows = 0;
  // Or in pieces that are never stored: weight 0 has no gradient tensor.
  bool gradient_pieces = false;
  // The first weight whose gradient the update step finds as a whole.
  uint32_t FirstWholeGradient() const {
    return gradient_rows != 0 || gradient_pieces ? 1 : 0;
  }
  // The optimizer's states first, then those of each hook.
  uint32_t optimizer[kMaxWeights][kMaxStates];
};

struct Plan {
  Graph graph;
  std::vector<Shape> shapes;  // of one sample, per node
  PlanOptions options;
  std::vector<ProgramStep> steps;
  std::vector<NodePlan> nodes;
  std::vector<PlannedTensor> tensors;
  std::vector<Segment> segments;  // by node
  // What segments take beside the arena, from the backend's region: measured on
  // this CPU (MeasureBackend in temper/backend.h), part of no hash. 0: there are
  // no segments, or nobody has measured.
  uint64_t backend_bytes = 0;
  // A step needs at least this many samples (live batch norm on one value per
  // channel has no variance). Smaller last batches must be dropped.
  uint32_t minimum_rows = 1;
  uint64_t transient_bytes = 0;
  uint64_t arena_bytes = 0;
  // No plan of these buffers can be smaller: the most bytes alive at once.
  uint64_t lower_bound = 0;
  // Of graph, shapes, options and arithmetic: the same on every machine, for
  // every thread count. Of version kProgramVersion.
  uint64_t program_hash = 0;
  // Of the offsets too.
  uint64_t layout_hash = 0;
};

// Makes a plan, or says why there is none (with the node). `plan` is unchanged
// on an error.
Status MakePlan(const Graph& graph, const PlanOptions& options, Plan* plan);

// The least GradientMode that optimizer and hooks of these options need.
GradientMode GradientsNeeded(const PlanOptions& options);

// Checks a plan from anywhere: sizes, alignment, lifetimes, no two live buffers
// overlap, every step finds its buffers alive. Shares no code with the planner.
Status CheckPlan(const Plan& plan);

}  // namespace temper

#endif  // TEMPER_PLAN_H_
