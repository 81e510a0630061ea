// Adam (Kingma and Ba 2015), in PyTorch's form: eps beside the corrected root.
//   g = gradient_scale * g + weight_decay * w
//   m = m + (1 - beta1) * (g - m)
//   v = beta2 * v + (1 - beta2) * g^2
//   amsgrad (Reddi et al. 2018): h = max(h, v), and h in the place of v
//   w = w - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// with t the number of the step in the run, from 1. weight_decay is L2: its term
// is divided by the root as well. adamw.cc has the other kind.
// Kernel: simd/update.h. Reference: tests/reference/update.h.
#include "runtime/optimizers/adam.h"

#include "runtime/table.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(AdamParams, beta1, 0.0, 0.99999,
                     "share of the mean gradient that is kept", "",
                     kNoFriction),
    TEMPER_FIELD_F32(AdamParams, beta2, 0.0, 0.999999,
                     "share of the mean square that is kept"),
    TEMPER_FIELD_F32(AdamParams, eps, 1e-30, 1.0, "added to the root"),
    TEMPER_FIELD_F32(AdamParams, weight_decay, 0.0, 1e6,
                     "L2 penalty on dense and convolution weights"),
    TEMPER_FIELD_U32(AdamParams, amsgrad, 0, 1,
                     "divide by the largest mean square so far"),
    TEMPER_FIELD_U32(AdamParams, decay_all, 0, 1,
                     "decay of biases and batch norm, too"),
};

}  // namespace

extern const OptimizerOp kAdamOptimizer;
const OptimizerOp kAdamOptimizer = {
    .name = "adam",
    .help = "momentum, and steps divided by the root of a mean square",
    .learning_rate = 1e-3,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<AdamParams>,
    .states = AdamStates<AdamParams>,
    .update = AdamUpdate<AdamParams, false>,
    .decay = AdamDecay<AdamParams>,
    .momentum = "beta1",
};

}  // namespace temper
