// Clipping by value: g = min(max(g, -value), value), each number by itself. That
// changes the direction, too.
#include <cmath>

#include "runtime/table.h"
#include "runtime/update_hook.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(ClipValueParams, value, 1e-30, 1e30,
                     "largest size of a gradient"),
};

Status Run(const HookCall& call) {
  const float most = call.hook.As<ClipValueParams>().value;
  for (uint32_t t = 0; t < call.tensors.size(); ++t) {
    float* const gradient = call.Gradient(t);
    if (gradient == nullptr) continue;
    const uint64_t count = call.tensors[t].count;
    if (!std::isfinite(simd::SumOfSquaresDouble(count, gradient))) {
      return Error(StatusCode::kNotFinite, "a gradient is not finite",
                   call.tensors[t].node);
    }
    *call.clipped |=
        simd::Clamp(count, *call.gradient_scale, most, gradient, call.parallel);
  }
  *call.gradient_scale = 1.0f;
  return Ok();
}

}  // namespace

extern const UpdateHookOp kClipValueHook;
const UpdateHookOp kClipValueHook = {
    .name = "clip_value",
    .help = "every gradient into [-value, value]",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<ClipValueParams>,
    .when = StepKind::kBeforeUpdate,
    .run = Run,
};

}  // namespace temper
