// What an optimizer is: one file in optimizers/ fills in one OptimizerOp.
// What else happens in a step, before and after the updates: update_hook.h.
// Next: optimizers/sgd.cc, trainer_update.cc (the caller).
#ifndef TEMPER_RUNTIME_OPTIMIZER_H_
#define TEMPER_RUNTIME_OPTIMIZER_H_

#include <vector>

#include "temper/graph.h"
#include "temper/optimizers.h"
#include "temper/parallel.h"
#include "temper/plan.h"
#include "temper/trainer.h"

namespace temper {

// A weight as a matrix. A row is what belongs to one index of dims[0]: for
// dense and convolution layers all weights of one output, for biases and the
// parameters of batch norm one number, and for depthwise kernels (kh, kw, c),
// whose outputs are columns, one row of taps of all channels.
struct RowGeometry {
  uint64_t rows = 0, length = 0;
};
inline RowGeometry RowsOf(const WeightSpec& spec) {
  return {spec.dims[0], spec.Count() / spec.dims[0]};
}

// Elements [first, first + count) of one weight. Pointers are to the first of
// them.
struct UpdateCall {
  // The plan's, or the one of StepOptions. A state that the plan does not have
  // is null: test the pointers, not the parameters.
  const Optimizer& optimizer;
  WeightRole role;
  uint64_t step;         // from 1; a resumed run continues its count
  float learning_rate;   // of the step times the layer's factor
  float gradient_scale;  // g is multiplied by it first; 1: no change
  RowGeometry shape;     // of the whole weight
  uint64_t first, count;
  const float* g;
  float* w;
  float* const* state;  // kMaxStates, null where there is none
  float* scratch;       // OptimizerOp::scratch bytes, or null
  bool w_shared;        // other threads may have read w (simd/update.h)
  const ParallelRunner& parallel;
};

// What a new value depends on, which decides what one call must contain.
enum class UpdateUnit : uint32_t {
  kElement,  // on its own element only: a call may hold any part of a weight
  kRow,    // on its row: calls hold whole rows, gradients never come in pieces
  kModel,  // on all weights or all gradients: the plan's gradients must be whole
           // (GradientMode), and a call holds a whole weight
};

// All gradients of a step, before the first update.
struct GradientsCall {
  const Optimizer& optimizer;
  float gradient_scale;                    // as UpdateCall
  const std::vector<TensorView>& tensors;  // gradient: null if not trained
  const ParallelRunner& parallel;
};

struct OptimizerOp {
  const char* name = "";
  const char* help = "";       // one line
  double learning_rate = 0.0;  // a usual one, at which a run starts
  FieldList fields = {};
  void (*defaults)(void* params) = nullptr;
  // Names of the state tensors a weight needs, each the weight's size and zero
  // before the first step; writes at most kMaxStates and returns how many.
  uint32_t (*states)(const Optimizer& optimizer, const char** names) = nullptr;
  // Updates w from g. True if a weight or state became non-finite. Several
  // threads may call it at once, each with its own part of a weight.
  bool (*update)(const UpdateCall& call) = nullptr;
  // Which parameter has no effect, such as "nesterov has no effect without
  // momentum"; returns null if all have. The function may be null.
  const char* (*unused)(const Optimizer& optimizer) = nullptr;
  // Factor of the 1/2 |w|^2 penalty on a weight of this role.
  float (*decay)(const Optimizer& optimizer, WeightRole role) = nullptr;
  UpdateUnit unit = UpdateUnit::kElement;
  // The field that one-cycle schedules move against the rate; null: none.
  const char* momentum = nullptr;
  // Of unit kModel. What all gradients are multiplied by, in the place of
  // gradient_scale. Null: by that.
  float (*scale)(const GradientsCall& call) = nullptr;
  // Of unit kModel. Bytes that an update of this weight needs beside its state;
  // null: none.
  uint64_t (*scratch)(const Optimizer& optimizer,
                      const WeightSpec& spec) = nullptr;
};

const OptimizerOp& OpOf(OptimizerKind kind);

// The optimizer as it is for a layer whose weights decay by `factor` times as
// much (PlanOptions::decay_factors): its field weight_decay times that, rounded to
// a float.
inline constexpr const char* kDecayField = "weight_decay";
Optimizer WithDecay(const Optimizer& optimizer, float factor);

}  // namespace temper

#endif  // TEMPER_RUNTIME_OPTIMIZER_H_
