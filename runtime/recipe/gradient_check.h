// Whether backward computes the gradient of what forward computes, on this graph
// and this CPU, as one number: the slope of the loss along the gradient, by
// central differences, divided by what backward says. 1 is right.
#ifndef TEMPER_RUNTIME_RECIPE_GRADIENT_CHECK_H_
#define TEMPER_RUNTIME_RECIPE_GRADIENT_CHECK_H_

#include <cstddef>
#include <cstdint>

#include "temper/trainer.h"

namespace temper::recipe {

struct GradientCheck {
  Status status;
  double slope = 0;  // by central differences, per unit of length
  double norm = 0;   // of the gradient: what the slope should be
  double ratio = 0;  // slope / norm; 0 if the gradient is 0
};

// Bytes that the check needs: a direction and a copy of the state.
uint64_t GradientCheckBytes(const Plan& plan);

// The plan needs whole gradients (ProbeOptions). Everything is as before
// afterwards. `memory`: aligned to 64.
GradientCheck CheckGradient(Trainer& trainer, const Batch& batch, void* memory,
                            size_t bytes);

}  // namespace temper::recipe

#endif  // TEMPER_RUNTIME_RECIPE_GRADIENT_CHECK_H_
