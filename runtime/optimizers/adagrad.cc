// AdaGrad (Duchi, Hazan, Singer 2011), in PyTorch's form:
//   g = gradient_scale * g + weight_decay * w
//   s = s + g^2
//   w = w - lr / (1 + (step - 1) * lr_decay) * g / (sqrt(initial + s) + eps)
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include "runtime/optimizer.h"
#include "runtime/table.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(AdagradParams, eps, 1e-30, 1.0, "added to the root"),
    TEMPER_FIELD_F32(AdagradParams, lr_decay, 0.0, 1e6,
                     "the rate is divided by 1 + lr_decay * (step - 1)"),
    TEMPER_FIELD_F32(AdagradParams, initial, 0.0, 1e6,
                     "first value of the sum of squares"),
    TEMPER_FIELD_F32(AdagradParams, weight_decay, 0.0, 1e6,
                     "L2 penalty on dense and convolution weights"),
    TEMPER_FIELD_U32(AdagradParams, decay_all, 0, 1,
                     "penalty on biases and batch norm, too"),
};

uint32_t States(const Optimizer&, const char** names) {
  names[0] = "sum";
  return 1;
}

float Decay(const Optimizer& optimizer, WeightRole role) {
  const AdagradParams& p = optimizer.As<AdagradParams>();
  return role == WeightRole::kKernel || p.decay_all ? p.weight_decay : 0.0f;
}

bool Update(const UpdateCall& call) {
  const AdagradParams& p = call.optimizer.As<AdagradParams>();
  const double slower =
      1.0 + static_cast<double>(call.step - 1) * double{p.lr_decay};
  return simd::AdagradUpdate(
      call.count,
      {static_cast<float>(double{call.learning_rate} / slower), p.eps,
       p.initial, Decay(call.optimizer, call.role), call.gradient_scale},
      call.g, call.w, call.state[0], call.w_shared, call.parallel);
}

}  // namespace

extern const OptimizerOp kAdagradOptimizer;
const OptimizerOp kAdagradOptimizer = {
    .name = "adagrad",
    .help = "steps divided by the root of the sum of squared gradients",
    .learning_rate = 0.01,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<AdagradParams>,
    .states = States,
    .update = Update,
    .decay = Decay,
};

}  // namespace temper
