// Trainer: runs a plan inside the caller's memory. After Create nothing is
// allocated, by anybody.
//
//   temper::Plan plan;
//   if (!temper::MakePlan(graph, {.batch = 32}, &plan).ok()) ...
//   alignas(64) static uint8_t memory[kBytes];   // plan.arena_bytes
//   temper::Trainer trainer;
//   if (!trainer.Create(plan, memory, sizeof(memory)).ok()) ...
//   trainer.Initialize(seed);
//   temper::StepResult r = trainer.Step({.input = x, .labels = t, .rows = 32},
//   lr);
//
// Not thread-safe; several trainers may live side by side.
// Next: runtime/trainer.cc, tests/runtime/readme_test.cc (a whole program).
#ifndef TEMPER_TRAINER_H_
#define TEMPER_TRAINER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "temper/initializers.h"
#include "temper/parallel.h"
#include "temper/plan.h"
#include "temper/status.h"

namespace temper {

// One batch, in the caller's memory; read only, exactly rows samples.
struct Batch {
  const void* input = nullptr;  // rows x (h, w, c) of the input's element type
  const int32_t* labels = nullptr;  // rows class indices, for cross-entropy
  const float* targets = nullptr;   // rows x outputs, for squared error
  // Index of each sample in its data set: the key of its dropout and
  // augmentation. Null: the position in the batch.
  const uint64_t* sample_ids = nullptr;
  uint32_t rows = 0;
};

struct StepResult {
  // kNotFinite: with node = kNoNode the loss was not finite and nothing was
  // changed; with a node, an update made one of its weights non-finite, and the
  // caller must restore its last saved state. kBadData: a label outside the
  // classes; nothing was changed.
  Status status;
  float loss = 0.0f;     // mean over the rows, without the weight penalty
  uint32_t correct = 0;  // rows whose largest probability is their label's
  uint32_t rows = 0;
};

// A stored tensor: a weight or a buffer. Views into the arena.
struct TensorView {
  uint32_t node = 0;
  uint32_t slot = 0;  // index within the node
  const WeightSpec* spec = nullptr;
  float* data = nullptr;
  uint64_t count = 0;
  bool trained = false;  // in this plan
};
// A tensor of the optimizer, e.g. SGD's "momentum".
struct StateView {
  const char* name = "";
  uint32_t tensor = 0;  // index into Tensors()
  float* data = nullptr;
  uint64_t count = 0;
};

struct GradientBlocks;
struct GradientPieces;

class Trainer {
 public:
  // Takes the plan and the memory: `bytes` at `memory`, aligned to 64. Checks
  // the plan and the floating-point environment of all threads. The runner may
  // have at most plan.options.threads threads. kArenaTooSmall: the size that
  // works is plan.arena_bytes. Weights hold zeros until Initialize or a loader
  // fills them; running variances and the normalize layer's std hold ones.
  Status Create(Plan plan, void* memory, size_t bytes,
                const ParallelRunner& parallel = {});

  // First values for weights and buffers; optimizer state becomes zero. Keeps
  // the normalize layer's mean and std.
  void Initialize(uint64_t seed, const InitializeOptions& options = {});

  // One training step: forward, loss, backward, update. seed and epoch key the
  // random streams (dropout).
  StepResult Step(const Batch& batch, float learning_rate);
  void SetRandom(uint64_t seed, uint32_t epoch) {
    context_seed_ = seed;
    context_epoch_ = epoch;
  }

  // Forward in inference mode. Without labels or targets: loss 0, correct 0.
  StepResult Evaluate(const Batch& batch);
  // Output of the last Evaluate: probabilities (rows, classes), or the
  // prediction. Valid until the next call.
  const float* Output() const;

  // 1/2 weight_decay * sum of squares of the decayed weights.
  double Penalty() const;

  const std::vector<TensorView>& Tensors() const { return tensors_; }
  const std::vector<StateView>& States() const { return states_; }
  const Plan& plan() const { return plan_; }

  // Before and after every step of the program, fills buffers that are not
  // alive with NaN and checks that nobody wrote behind a buffer; a step that
  // did ends in kInternal. On in builds without NDEBUG. Slow.
  void CheckMemory(bool on) { check_memory_ = on; }
  // Node whose step wrote out of bounds, or kNoNode.
  uint32_t MemoryFault() const { return memory_fault_; }

 private:
  template <class T = float>
  T* At(uint32_t tensor) const {
    return tensor == kNoTensor
               ? nullptr
               : reinterpret_cast<T*>(memory_ + plan_.tensors[tensor].offset);
  }
  StepResult Run(const Batch& batch, bool training, float learning_rate);
  Status CheckBatch(const Batch& batch, bool training) const;
  void CallLayer(const ProgramStep& step, const void* step_context,
                 uint32_t first, uint32_t count);
  void RunGroup(uint32_t first_step, const void* step_context);
  void ClearGradients(const ProgramStep& step);
  GradientBlocks Blocks(uint32_t node);
  GradientPieces Pieces(uint32_t node);
  bool UpdateWeight(uint32_t node, uint32_t slot, uint64_t first,
                    uint64_t count, const float* gradient,
                    const ParallelRunner& parallel);
  bool UpdateNode(uint32_t node);
  void PoisonDead(uint32_t step, bool before);

  Plan plan_;
  uint8_t* memory_ = nullptr;
  ParallelRunner parallel_;
  std::vector<TensorView> tensors_;
  std::vector<StateView> states_;
  std::vector<uint64_t> default_ids_;  // 0, 1, 2, ... up to the batch
  uint64_t context_seed_ = 0;
  uint32_t context_epoch_ = 0;
  float learning_rate_ = 0.0f;  // of this step
  bool block_bad_ = false;      // a block's update went non-finite
  uint32_t forward_steps_ = 0;  // steps of the forward part, loss included
#ifdef NDEBUG
  bool check_memory_ = false;
#else
  bool check_memory_ = true;
#endif
  uint32_t memory_fault_ = kNoNode;
};

}  // namespace temper

#endif  // TEMPER_TRAINER_H_
