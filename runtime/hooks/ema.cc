// Exponential moving average of the weights (Polyak and Juditsky 1992), as
// torch.optim.swa_utils with get_ema_multi_avg_fn:
//   average = average + (1 - decay) * (w - average)
// after every update; the first one is w itself.
#include "runtime/table.h"
#include "runtime/update_hook.h"
#include "simd/elementwise.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(EmaParams, decay, 0.0, 0.999999,
                     "share of the average that is kept in a step"),
};

uint32_t States(const UpdateHook&, const char** names) {
  names[0] = kAverageState;
  return 1;
}

Status Run(const HookCall& call) {
  const double decay = call.hook.As<EmaParams>().decay;
  for (uint32_t t = 0; t < call.tensors.size(); ++t) {
    const TensorView& view = call.tensors[t];
    float* const average = call.State(t, 0);
    if (average == nullptr) continue;
    if (call.step == 1) {
      simd::Copy(view.count, view.data, average, call.parallel);
    } else {
      simd::MoveToward(view.count, static_cast<float>(1.0 - decay), view.data,
                       average, call.parallel);
    }
  }
  return Ok();
}

}  // namespace

extern const UpdateHookOp kEmaHook;
const UpdateHookOp kEmaHook = {
    .name = "ema",
    .help = "an exponential moving average of the weights",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<EmaParams>,
    .when = StepKind::kAfterUpdate,
    .states = States,
    .run = Run,
};

}  // namespace temper
