// What Adam and AdamW share: states and the arithmetic of a step. Formulas:
// adam.cc, adamw.cc.
#ifndef TEMPER_RUNTIME_OPTIMIZERS_ADAM_H_
#define TEMPER_RUNTIME_OPTIMIZERS_ADAM_H_

#include <cmath>

#include "runtime/exact_math.h"
#include "runtime/optimizer.h"
#include "simd/update.h"

namespace temper {

template <class Params>
uint32_t AdamStates(const Optimizer& optimizer, const char** names) {
  names[0] = "exp_avg";
  names[1] = "exp_avg_sq";
  if (!optimizer.As<Params>().amsgrad) return 2;
  names[2] = "max_exp_avg_sq";
  return 3;
}

template <class Params>
float AdamDecay(const Optimizer& optimizer, WeightRole role) {
  const Params& p = optimizer.As<Params>();
  return role == WeightRole::kKernel || p.decay_all ? p.weight_decay : 0.0f;
}

template <class Params, bool decoupled>
bool AdamUpdate(const UpdateCall& call) {
  const Params& p = call.optimizer.As<Params>();
  const double rate = call.learning_rate;
  const double beta1 = p.beta1, beta2 = p.beta2;
  const double correction1 = 1.0 - exact::Power(beta1, call.step);
  const double correction2 = 1.0 - exact::Power(beta2, call.step);
  const float decay = AdamDecay<Params>(call.optimizer, call.role);
  simd::AdamStep step;
  step.lr = static_cast<float>(rate / correction1);
  step.beta1_rest = static_cast<float>(1.0 - beta1);
  step.beta2 = p.beta2;
  step.beta2_rest = static_cast<float>(1.0 - beta2);
  step.eps = p.eps;
  step.root = static_cast<float>(1.0 / std::sqrt(correction2));
  step.scale = call.gradient_scale;
  if (decoupled) {
    step.keep = static_cast<float>(1.0 - rate * double{decay});
  } else {
    step.decay = decay;
  }
  return simd::AdamUpdate(call.count, step, call.g, call.w, call.state[0],
                          call.state[1], p.amsgrad ? call.state[2] : nullptr,
                          call.w_shared, call.parallel);
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_OPTIMIZERS_ADAM_H_
