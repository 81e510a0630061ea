// Trainer: runs a plan inside the caller's memory. After Create nothing is
// allocated.
//
// Example, after graph.h's:
//
//   alignas(64) static uint8_t memory[1 << 20];
//   temper::Plan plan;
//   temper::Status status = temper::MakePlan(g, {.batch = 32}, &plan);
//   if (!status.ok()) return 1;  // status.message says why
//   temper::Trainer trainer;
//   status = trainer.Create(plan, memory, sizeof(memory));
//   if (!status.ok()) return 2;  // too small: status.bytes is enough
//   trainer.Initialize(/*seed=*/1);
//   static float samples[32 * 28 * 28];  // yours, new ones for each step
//   static int32_t labels[32];
//   for (int step = 0; step < 5; ++step) {
//     const temper::StepResult r = trainer.Step(
//         {.input = samples, .labels = labels, .rows = 32}, 0.1f);
//     if (!r.status.ok()) return 3;
//   }
//
// Memory outside the arena: MakePlan and Create keep the plan and lists of
// tensors on the heap, less than 2.5 KiB a node while MakePlan runs, less than
// 1.5 KiB a node and 8 bytes a sample of the batch afterwards; Step and
// Evaluate use less than 64 KiB of the stack of each thread.
//
// Not thread-safe; several trainers may exist at the same time.
// Next: runtime/trainer.cc, tests/runtime/readme_test.cc (a whole program).
#ifndef TEMPER_TRAINER_H_
#define TEMPER_TRAINER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "temper/initializers.h"
#include "temper/parallel.h"
#include "temper/plan.h"
#include "temper/status.h"

namespace temper {

// A sample's dropout mask is a function of this key and of its id: the same key
// and id give the same mask.
struct RandomKey {
  uint64_t seed = 0;
  uint32_t epoch = 0;  // of the run, or another count of its passes
};

// One batch, in the caller's memory; read only, exactly rows samples.
struct Batch {
  const void* input = nullptr;  // rows x (h, w, c) of the input's element type
  const int32_t* labels = nullptr;  // rows class indices, for cross-entropy
  // rows x outputs: for losses of values, or for cross-entropy in place of labels
  // (a probability for every class; of binary cross-entropy for every label).
  const float* targets = nullptr;
  // Index of each sample in its data set, for its random draws. Null: the
  // position in the batch.
  const uint64_t* sample_ids = nullptr;
  uint32_t rows = 0;
  // How much each class counts in training, >= 0 and finite; null: 1 each. The
  // loss of a row and its gradient are multiplied by its class's weight, of
  // targets each term by its class's (what label smoothing adds counts as the row
  // does: simd/focal.h); the sum is divided by the rows, not by the
  // sum of the weights, so that batches that accumulate add up to one large
  // batch. Of a loss with independent outputs: what a label that is there
  // counts. For losses of classes; others take none. Evaluation does not use it.
  const float* class_weights = nullptr;
  // None: every training step draws anew, from Initialize's seed and the number
  // of steps that this trainer has taken. Given: a run whose masks do not
  // depend on batch size, order or where it was interrupted; needs sample_ids,
  // and a new epoch whenever a sample comes again.
  std::optional<RandomKey> random{};
};

// How the weights are updated in one step.
struct StepOptions {
  float learning_rate = 0.0f;  // finite, >= 0
  // Replaces the plan's optimizer for this step: the same kind with other
  // parameters (one-cycle schedules change the momentum). It may not need state
  // that the plan's does not have.
  std::optional<Optimizer> optimizer{};
  // Every gradient is multiplied by it before anything else; finite. 1: no bit
  // changes.
  float gradient_scale = 1.0f;
};

struct StepResult {
  // kNotFinite: with node = kNoNode the loss was not finite and nothing was
  // changed; with a node, an update made one of its weights non-finite, and the
  // caller must restore its last saved state (or a gradient was not finite, which
  // a hook has seen: then weights and state are as they were). kBadData: a label outside the
  // classes; nothing was changed.
  Status status;
  float loss = 0.0f;  // mean over the rows, without the weight penalty
  // Rows whose largest probability is their label's, or their largest target's.
  uint32_t correct = 0;
  // Mean of |prediction - target|, for squared error against Batch::targets.
  float absolute_error = 0.0f;
  uint32_t rows = 0;
};

// A stored tensor: a weight or a buffer. Views into the arena.
struct TensorView {
  uint32_t node = 0;
  uint32_t slot = 0;  // index within the node
  const WeightSpec* spec = nullptr;
  float* data = nullptr;  // null: packed (PlanOptions::pack_weights)
  uint64_t count = 0;
  bool trained = false;  // in this plan
  // Of a trained one whose plan has whole gradients, what Gradients or
  // Accumulate has left: the mean over the rows, or the sum over the rows of all
  // batches divided by the rows of the first one.
  // Valid until the next call. Else null.
  const float* gradient = nullptr;
};
// A tensor of the optimizer or of a hook, e.g. SGD's "momentum".
struct StateView {
  const char* name = "";
  uint32_t tensor = 0;  // index into Tensors()
  float* data = nullptr;
  uint64_t count = 0;
};

namespace recipe {
class LayerProbe;  // runtime/recipe/layer_statistics.h
}

struct GradientBlocks;
struct GradientPieces;
struct StepContext;

// Movable, not copyable: one trainer has one memory. After a move the source is
// in the state before Create: calls that can fail return kWrongState, and it
// can be created again.
class Trainer {
 public:
  // Takes the plan and the memory: `bytes` at `memory`, aligned to 64. Checks
  // the plan and the floating-point environment of all threads (those of
  // runner.each, else those that run() brings together). The runner may
  // have at most plan.options.threads threads. kArenaTooSmall: the size that
  // works is in Status::bytes, and is plan.arena_bytes.
  //
  // Biases, statistics and other tensors with one first value (WeightRole) hold
  // it now; the weights of dense and convolution layers are not set yet. Step
  // and Evaluate return kWrongState until Initialize has drawn them, or the
  // caller has written all of them through Tensors(), from a file or by hand.
  Status Create(Plan plan, void* memory, size_t bytes,
                const ParallelRunner& parallel = {});

  // First values for weights and buffers; optimizer state and the count of
  // steps become zero. Keeps the normalize layer's mean and std. Does nothing
  // before Create.
  void Initialize(uint64_t seed, const InitializeOptions& options = {});

  // Of a plan with segments (temper/backend.h): makes them ready for the weights
  // as they are now, and threads of the backend's own. The first step after
  // Create, Initialize or RestoreSnapshot does it by itself; who writes weights
  // of a segment through Tensors() after that calls it again. kWrongState: no
  // region, or weights that nobody has set; kNotFinite: a weight of a segment is
  // not finite; kArenaTooSmall: the backend's limit, with the size that works in
  // Status::bytes. Does nothing where weights are what they were.
  Status PrepareBackend();

  // One training step: forward, loss, backward, update. kInvalidArgument, and
  // nothing changed: a rate that is negative or not finite, an optimizer that
  // does not fit the plan.
  StepResult Step(const Batch& batch, const StepOptions& options);
  StepResult Step(const Batch& batch, float learning_rate) {
    return Step(batch, StepOptions{.learning_rate = learning_rate});
  }

  // The loss that Step would return: forward as in training (dropout, batch
  // statistics), no more. Nothing changes that outlives the call.
  StepResult Forward(const Batch& batch);

  // Forward as in training; the running statistics of batch norms follow it, and
  // nothing else changes: to estimate them for weights that were put in place.
  // `weight` of the batch, at most 1: running = (1 - weight) * running + weight *
  // of the batch. 1 for the first of several batches, 1 / 2, 1 / 3, ... for the next
  // ones: the mean over all of them, and nothing of what was there. Negative:
  // each layer's own momentum.
  StepResult FollowStatistics(const Batch& batch, float weight = -1.0f);

  // Forward and backward of a training step: TensorView::gradient. Nothing else
  // changes that outlives the call; what Accumulate has gathered is dropped.
  // kWrongState: the plan's gradients are fused.
  StepResult Gradients(const Batch& batch);

  // One step over several batches, one after the other: Accumulate adds a
  // batch's gradients to those of the batches before it and lets running
  // statistics follow; Apply updates with the mean over all their rows and ends
  // the step. One batch: the bits of Step. A batch whose loss is not finite is
  // left out; Step drops what was gathered. kWrongState: a plan without
  // GradientMode::kAccumulated; nothing to apply.
  StepResult Accumulate(const Batch& batch);
  Status Apply(const StepOptions& options);
  // As if Accumulate had not been called since the last step: gradients and
  // draws. Running statistics have followed the batches all the same; who wants
  // them back has taken a copy (TakeStatistics).
  void DropGathered();

  // Updates that the weights have had since their first values: 0 before Create
  // and after Initialize. Optimizers that count steps use it. Code that
  // restores weights and state of an earlier run must set it, too; where
  // batches carry no random key, the next one draws what it would have drawn
  // there (one batch a step).
  uint64_t steps() const;
  // A hook has made the gradients of the last step smaller.
  bool clipped() const { return clipped_; }
  void SetStepCount(uint64_t steps);

  // Copies the buffers (WeightRole::kBuffer: running statistics) to and from
  // StatisticsCount floats of the caller's memory.
  size_t StatisticsCount() const;
  void TakeStatistics(float* to) const;
  void RestoreStatistics(const float* from);

  // Copies all that outlives a step (weights, statistics, the optimizer's
  // state, the counts of steps and draws) to and from SnapshotBytes bytes of the caller's
  // memory. A trainer of the same plan can continue from it. They do nothing
  // before Create.
  size_t SnapshotBytes() const;
  void TakeSnapshot(void* to) const;
  void RestoreSnapshot(const void* from);

  // The next pass in training mode writes the root mean square of every node's
  // output over its rows to rms (plan().nodes.size() doubles that outlive it),
  // and -1 where an output is never stored: derived, or in a segment. It is then
  // forgotten; null forgets it now. Changes no bit of the pass.
  // FindSignals (signal.h) judges them.
  void WatchSignal(double* rms) { signal_ = rms; }

  // Forward in inference mode. Without labels or targets: loss 0, correct 0.
  StepResult Evaluate(const Batch& batch);
  // Output of the last Evaluate or Forward: probabilities (rows, classes), or
  // the prediction. Valid until the next call. Null before Create.
  const float* Output() const;

  // 1/2 weight_decay * sum of squares of the decayed weights.
  double Penalty() const;

  const std::vector<TensorView>& Tensors() const { return tensors_; }
  const std::vector<StateView>& States() const { return states_; }
  const Plan& plan() const { return plan_; }

  // Before and after every step of the program, fills buffers that are not
  // alive with NaN and checks that nobody wrote past a buffer's end; a step
  // that did ends in kInternal. On in builds without NDEBUG. Slow.
  void CheckMemory(bool on) { check_memory_ = on; }
  // Node whose step wrote out of bounds, or kNoNode.
  uint32_t MemoryFault() const { return memory_fault_; }

 private:
  template <class T = float>
  T* At(uint32_t tensor) const {
    return tensor == kNoTensor
               ? nullptr
               : reinterpret_cast<T*>(memory_.data +
                                      plan_.tensors[tensor].offset);
  }
  friend class recipe::LayerProbe;  // runs the program step by step

  // How much of a step runs, and which of its effects last.
  enum class Mode {
    kEvaluate,
    kForward,
    kStatistics,
    kGradients,
    kAccumulate,
    kStep
  };
  StepResult Run(const Batch& batch, Mode mode);
  Status CheckStep(const StepOptions& options) const;
  Status CheckGradients(GradientMode least) const;
  Status CheckCreated() const;
  Status CheckBatch(const Batch& batch, bool training) const;
  Status CheckClassWeights(const Batch& batch, const LossTraits& loss) const;
  Status CheckWeights();
  void PackWeights();
  void ShowWeights();
  void CallLayer(const ProgramStep& step, const StepContext& context,
                 uint32_t first, uint32_t count);
  void RunGroup(uint32_t first_step, const StepContext& context);
  Status RunSegment(const ProgramStep& step, const StepContext& context);
  void ClearGradients(const ProgramStep& step);
  // What follows is in trainer_update.cc.
  void BeginUpdate(const StepOptions& options);
  void RunUpdate(const ProgramStep& step, Status* status);
  Status RunHook(uint32_t hook);
  void EndUpdate();
  GradientBlocks Blocks(uint32_t node);
  GradientPieces Pieces(uint32_t node);
  bool UpdateWeight(uint32_t node, uint32_t slot, uint64_t first,
                    uint64_t count, const float* gradient,
                    const ParallelRunner& parallel);
  bool UpdateNode(uint32_t node);
  void PoisonDead(uint32_t step, bool before);
  void MeasureSignal(const ProgramStep& step, const Batch& batch);
  Status MemoryStatus() const;

  // The caller's memory: null where it was moved from, and so never used by
  // two.
  struct Memory {
    uint8_t* data = nullptr;

    Memory() = default;
    Memory(Memory&& from) noexcept : data(std::exchange(from.data, nullptr)) {}
    Memory& operator=(Memory&& from) noexcept {
      data = std::exchange(from.data, nullptr);
      return *this;
    }
  };

  // What the backend has made of the plan's segments.
  struct Segments {
    std::vector<void*> runtimes;
    uint64_t weights = 0;  // hash of those that they were made of

    Segments() = default;
    Segments(Segments&& from) noexcept { *this = std::move(from); }
    Segments& operator=(Segments&& from) noexcept;
    ~Segments() { Clear(); }
    void Clear();
  };

  Plan plan_;
  Memory memory_;
  Segments segments_;
  ParallelRunner parallel_;
  std::vector<TensorView> tensors_;
  std::vector<StateView> states_;
  std::vector<uint64_t> default_ids_;  // 0, 1, 2, ... up to the batch
  uint64_t seed_ = 0;                  // Initialize's
  bool weights_are_set_ = false;
  bool backend_is_ready_ = false;
  StepOptions update_;        // of this step; its scale includes the hooks'
  uint64_t update_step_ = 0;  // its number, from 1
  uint32_t optimizer_states_ = 0;    // of each trained weight
  bool block_bad_ = false;           // a block's update went non-finite
  bool scaled_ = false;              // the optimizer has seen the gradients
  bool clipped_ = false;             // a hook has made gradients smaller
  double hook_scale_ = 1;            // by which hooks have scaled them
  uint32_t gathered_ = 0;            // batches since Accumulate's first
  uint32_t first_rows_ = 0;          // rows of the first of them
  uint64_t gathered_rows_ = 0;       // and of all
  uint64_t first_draw_ = 0;          // of the first of them
  uint32_t forward_steps_ = 0;       // steps of the forward part, loss included
  uint32_t backward_steps_ = 0;      // and of backward; whole gradients only
  float statistics_weight_ = -1.0f;  // of FollowStatistics
#ifdef NDEBUG
  bool check_memory_ = false;
#else
  bool check_memory_ = true;
#endif
  uint32_t memory_fault_ = kNoNode;
  double* signal_ = nullptr;  // WatchSignal
};

}  // namespace temper

#endif  // TEMPER_TRAINER_H_
