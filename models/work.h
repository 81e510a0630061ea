// How much arithmetic a planned model is: multiply-adds of the kernels of dense
// and convolution layers, the measure of papers and of `temper bench`.
#ifndef TEMPER_MODELS_WORK_H_
#define TEMPER_MODELS_WORK_H_

#include <cstdint>

#include "temper/plan.h"

namespace temper::models {

// One layer's forward on one sample: each kernel value is used once per output
// pixel (at the border, too, where it meets padding).
uint64_t MultiplyAdds(const Plan& plan, uint32_t node);

// A whole training step on one sample: every layer's forward, and as much again
// for the gradient of its input and for that of its weights, where the plan has
// them.
uint64_t StepMultiplyAdds(const Plan& plan);

}  // namespace temper::models

#endif  // TEMPER_MODELS_WORK_H_
