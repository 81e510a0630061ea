// Momentum with the rate inside the velocity (Sutskever et al. 2013, "classical
// momentum"; Polyak 1964):
//   g = gradient_scale * g + weight_decay * w
//   v = momentum * v - lr * g
//   w = w + v
// With a constant rate the weights are those of sgd.cc. When the rate falls, v
// still holds steps at the rates of the past: after 50 steps of a cosine the
// weights differ by some percent.
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include "runtime/optimizer.h"
#include "runtime/table.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(ClassicalMomentumParams, momentum, 0.0, 0.99999,
                     "share of the last step that is kept", "", kNoFriction),
    TEMPER_FIELD_F32(ClassicalMomentumParams, weight_decay, 0.0, 1e6,
                     "L2 penalty on dense and convolution weights"),
    TEMPER_FIELD_U32(ClassicalMomentumParams, decay_all, 0, 1,
                     "penalty on biases and batch norm, too"),
};

uint32_t States(const Optimizer&, const char** names) {
  names[0] = "velocity";
  return 1;
}

float Decay(const Optimizer& optimizer, WeightRole role) {
  const auto& p = optimizer.As<ClassicalMomentumParams>();
  return role == WeightRole::kKernel || p.decay_all ? p.weight_decay : 0.0f;
}

bool Update(const UpdateCall& call) {
  const auto& p = call.optimizer.As<ClassicalMomentumParams>();
  return simd::MomentumUpdate(
      call.count,
      {call.learning_rate, p.momentum, Decay(call.optimizer, call.role),
       call.gradient_scale},
      call.g, call.w, call.state[0], call.w_shared, call.parallel);
}

}  // namespace

extern const OptimizerOp kClassicalMomentumOptimizer;
const OptimizerOp kClassicalMomentumOptimizer = {
    .name = "classical_momentum",
    .help = "momentum with the rate inside the velocity: v = m v - lr g, w + v",
    .learning_rate = 0.05,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<ClassicalMomentumParams>,
    .states = States,
    .update = Update,
    .decay = Decay,
    .momentum = "momentum",
};

}  // namespace temper
