// Clipping by the global norm (Pascanu, Mikolov, Bengio 2013), in PyTorch's form:
//   g = g * min(1, max_norm / (|g| + 1e-6))
// with one norm over all gradients, in double: that of floats that overflow when
// they are squared is still right. Gradients stay as they are, their scale
// changes.
#include <cmath>

#include "runtime/table.h"
#include "runtime/update_hook.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(ClipNormParams, max_norm, 1e-30, 1e30,
                     "largest norm of all gradients together"),
};

Status Run(const HookCall& call) {
  double sum = 0.0;
  for (const TensorView& view : call.tensors) {
    if (view.gradient == nullptr) continue;
    const double squares = simd::SumOfSquaresDouble(view.count, view.gradient);
    if (!std::isfinite(squares)) {
      return Error(StatusCode::kNotFinite, "a gradient is not finite",
                   view.node);
    }
    sum += squares;
  }
  const double scale = double{*call.gradient_scale};
  const double norm = std::sqrt(sum) * std::fabs(scale);
  const double most = call.hook.As<ClipNormParams>().max_norm;
  const double factor = most / (norm + 1e-6);
  if (factor >= 1.0) return Ok();
  *call.gradient_scale = static_cast<float>(scale * factor);
  *call.clipped = true;
  return Ok();
}

}  // namespace

extern const UpdateHookOp kClipNormHook;
const UpdateHookOp kClipNormHook = {
    .name = "clip_norm",
    .help =
        "all gradients scaled down where their common norm is above max_norm",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<ClipNormParams>,
    .when = StepKind::kBeforeUpdate,
    .run = Run,
};

}  // namespace temper
