// L1 (Tibshirani 1996) by its proximal step, as in FOBOS (Duchi and Singer 2009):
//   w = sign(w) * max(|w| - lr * strength, 0)
// after the update. Unlike the gradient of |w|, which steps over 0 and back, it
// makes weights exactly 0. Of dense and convolution weights alone.
#include "runtime/table.h"
#include "runtime/update_hook.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(L1Params, strength, 0.0, 1e6, "factor of the penalty |w|"),
};

Status Run(const HookCall& call) {
  const float strength = call.hook.As<L1Params>().strength;
  for (uint32_t t = 0; t < call.tensors.size(); ++t) {
    const TensorView& view = call.tensors[t];
    if (!view.trained || view.spec->role != WeightRole::kKernel) continue;
    simd::SoftThreshold(view.count, call.Rate(t) * strength, view.data,
                        call.parallel);
  }
  return Ok();
}

}  // namespace

extern const UpdateHookOp kL1Hook;
const UpdateHookOp kL1Hook = {
    .name = "l1",
    .help = "weights toward 0 by lr * strength, to exact zeros",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<L1Params>,
    .when = StepKind::kAfterUpdate,
    .run = Run,
};

}  // namespace temper
