// What an optimizer is: one file in optimizers/ fills in one OptimizerOp.
// Next: optimizers/sgd.cc.
#ifndef TEMPER_RUNTIME_OPTIMIZER_H_
#define TEMPER_RUNTIME_OPTIMIZER_H_

#include "temper/graph.h"
#include "temper/optimizers.h"
#include "temper/parallel.h"
#include "temper/plan.h"

namespace temper {

struct UpdateCall {
  const Optimizer& optimizer;
  WeightRole role;
  uint64_t count;
  float learning_rate;
  const float* g;
  float* w;
  float* const* state;  // kMaxStates, null where there is none
  bool w_shared;        // other threads may have read w (simd/update.h)
  const ParallelRunner& parallel;
};

struct OptimizerOp {
  const char* name = "";
  const char* help = "";  // one line
  FieldList fields = {};
  void (*defaults)(void* params) = nullptr;
  // Names of the state tensors a weight needs, each the weight's size; writes
  // at most kMaxStates and returns how many.
  uint32_t (*states)(const Optimizer& optimizer, const char** names) = nullptr;
  // Updates w from g. True if a weight or state became non-finite. Several
  // threads may call it at once, each with its own part of a weight: a new
  // value depends on nothing but the element's own.
  bool (*update)(const UpdateCall& call) = nullptr;
  // What of the parameters has no effect, such as "nesterov has no effect
  // without momentum"; null if all have. May be null.
  const char* (*unused)(const Optimizer& optimizer) = nullptr;
  // Factor of the 1/2 |w|^2 penalty on a weight of this role.
  float (*decay)(const Optimizer& optimizer, WeightRole role) = nullptr;
};

const OptimizerOp& OpOf(OptimizerKind kind);

}  // namespace temper

#endif  // TEMPER_RUNTIME_OPTIMIZER_H_
