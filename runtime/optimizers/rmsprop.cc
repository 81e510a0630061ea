// RMSprop (Tieleman and Hinton 2012), in PyTorch's form:
//   g = gradient_scale * g + weight_decay * w
//   v = alpha * v + (1 - alpha) * g^2
//   centered: m = m + (1 - alpha) * (g - m), and v - m^2 in the place of v
//   (Graves 2013); where rounding makes that negative it is 0
//   s = g / (sqrt(v) + eps)
//   momentum: b = momentum * b + s, and b in the place of s
//   w = w - lr * s
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include "runtime/optimizer.h"
#include "runtime/table.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(RmspropParams, alpha, 0.0, 0.99999,
                     "decay of the running mean square"),
    TEMPER_FIELD_F32(RmspropParams, eps, 1e-30, 1.0, "added to the root"),
    TEMPER_FIELD_F32(RmspropParams, momentum, 0.0, 0.99999,
                     "factor of the previous step that is added to this one", "",
                     kNoFriction),
    TEMPER_FIELD_F32(RmspropParams, weight_decay, 0.0, 1e6,
                     "L2 penalty on dense and convolution weights"),
    TEMPER_FIELD_U32(RmspropParams, centered, 0, 1,
                     "divide by the standard deviation of the gradient, not by "
                     "the root of its mean square"),
    TEMPER_FIELD_U32(RmspropParams, decay_all, 0, 1,
                     "penalty on biases and batch norm, too"),
};

// Each state where it is in UpdateCall::state.
struct States {
  uint32_t count = 1, mean = kMaxStates, buffer = kMaxStates;
};
States StatesOf(const RmspropParams& p) {
  States s;
  if (p.centered) s.mean = s.count++;
  if (p.momentum != 0.0f) s.buffer = s.count++;
  return s;
}

uint32_t NameStates(const Optimizer& optimizer, const char** names) {
  const States s = StatesOf(optimizer.As<RmspropParams>());
  names[0] = "square_avg";
  if (s.mean != kMaxStates) names[s.mean] = "grad_avg";
  if (s.buffer != kMaxStates) names[s.buffer] = "momentum_buffer";
  return s.count;
}

float Decay(const Optimizer& optimizer, WeightRole role) {
  const RmspropParams& p = optimizer.As<RmspropParams>();
  return role == WeightRole::kKernel || p.decay_all ? p.weight_decay : 0.0f;
}

bool Update(const UpdateCall& call) {
  const RmspropParams& p = call.optimizer.As<RmspropParams>();
  const States s = StatesOf(p);
  const auto state = [&](uint32_t i) {
    return i == kMaxStates ? nullptr : call.state[i];
  };
  return simd::RmspropUpdate(
      call.count,
      {call.learning_rate, p.alpha, p.eps, p.momentum,
       Decay(call.optimizer, call.role), call.gradient_scale},
      call.g, call.w, call.state[0], state(s.mean), state(s.buffer),
      call.w_shared, call.parallel);
}

}  // namespace

extern const OptimizerOp kRmspropOptimizer;
const OptimizerOp kRmspropOptimizer = {
    .name = "rmsprop",
    .help = "steps divided by the root of a running mean of squared gradients",
    .learning_rate = 1e-3,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<RmspropParams>,
    .states = NameStates,
    .update = Update,
    .decay = Decay,
    .momentum = "momentum",
};

}  // namespace temper
