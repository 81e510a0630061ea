// SGD with momentum, in PyTorch's form (dampening 0):
//   g = gradient_scale * g + weight_decay * w
//   v = momentum * v + g
//   w = w - lr * (nesterov ? g + momentum * v : v)
// With momentum 0 there is no v: plain gradient descent.
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include <cstddef>

#include "runtime/optimizer.h"
#include "runtime/table.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(SgdParams, momentum, 0.0, 0.99999,
                     "factor of the previous step that is added to this one", "",
                     kNoFriction),
    TEMPER_FIELD_F32(SgdParams, weight_decay, 0.0, 1e6,
                     "L2 penalty on dense and convolution weights"),
    TEMPER_FIELD_U32(SgdParams, nesterov, 0, 1, "Nesterov's momentum"),
    TEMPER_FIELD_U32(SgdParams, decay_all, 0, 1,
                     "penalty on biases and batch norm, too"),
};

uint32_t States(const Optimizer& optimizer, const char** names) {
  if (optimizer.As<SgdParams>().momentum == 0.0f) return 0;
  names[0] = "momentum";
  return 1;
}

float Decay(const Optimizer& optimizer, WeightRole role) {
  const SgdParams& p = optimizer.As<SgdParams>();
  return role == WeightRole::kKernel || p.decay_all ? p.weight_decay : 0.0f;
}

const char* Unused(const Optimizer& optimizer) {
  const SgdParams& p = optimizer.As<SgdParams>();
  return p.nesterov && p.momentum == 0.0f
             ? "nesterov has no effect: there is no momentum"
             : nullptr;
}

bool Update(const UpdateCall& call) {
  const SgdParams& p = call.optimizer.As<SgdParams>();
  return simd::SgdUpdate(
      call.count,
      {call.learning_rate, p.momentum, Decay(call.optimizer, call.role),
       p.nesterov != 0, call.gradient_scale},
      call.g, call.w, call.state[0], call.w_shared, call.parallel);
}

}  // namespace

extern const OptimizerOp kSgdOptimizer;
const OptimizerOp kSgdOptimizer = {
    .name = "sgd",
    .help = "gradient descent with momentum",
    .learning_rate = 0.05,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<SgdParams>,
    .states = States,
    .update = Update,
    .unused = Unused,
    .decay = Decay,
    .momentum = "momentum",
};

}  // namespace temper
