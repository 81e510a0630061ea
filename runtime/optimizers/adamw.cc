// AdamW (Loshchilov and Hutter 2019), in PyTorch's form: adam.cc with decay
// that is not a part of the gradient,
//   w = (1 - lr * weight_decay) * w
// before the step.
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include "runtime/optimizers/adam.h"
#include "runtime/table.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(AdamwParams, beta1, 0.0, 0.99999,
                     "share of the mean gradient that is kept", "",
                     kNoFriction),
    TEMPER_FIELD_F32(AdamwParams, beta2, 0.0, 0.999999,
                     "share of the mean square that is kept"),
    TEMPER_FIELD_F32(AdamwParams, eps, 1e-30, 1.0, "added to the root"),
    TEMPER_FIELD_F32(
        AdamwParams, weight_decay, 0.0, 1e6,
        "lr times it of dense and convolution weights is taken off"),
    TEMPER_FIELD_U32(AdamwParams, amsgrad, 0, 1,
                     "divide by the largest mean square so far"),
    TEMPER_FIELD_U32(AdamwParams, decay_all, 0, 1,
                     "decay of biases and batch norm, too"),
};

}  // namespace

extern const OptimizerOp kAdamwOptimizer;
const OptimizerOp kAdamwOptimizer = {
    .name = "adamw",
    .help = "Adam with decoupled weight decay",
    .learning_rate = 1e-3,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<AdamwParams>,
    .states = AdamStates<AdamwParams>,
    .update = AdamUpdate<AdamwParams, true>,
    .decay = AdamDecay<AdamwParams>,
    .momentum = "beta1",
};

}  // namespace temper
