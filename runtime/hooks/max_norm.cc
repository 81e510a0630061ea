// Max-norm (Srebro, Rennie, Jaakkola 2005): after the update, the incoming weights
// of each output whose norm is above max_norm are scaled down to it. Of dense and
// convolution weights; of a depthwise kernel (kh, kw, c) an output is a column.
#include <cmath>

#include "runtime/table.h"
#include "runtime/update_hook.h"
#include "simd/flush.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(MaxNormParams, max_norm, 1e-6, 1e30,
                     "largest norm of one output's weights"),
};

// Elements first, first + stride, ...
void Limit(float* w, uint64_t first, uint64_t count, uint64_t stride,
           double most) {
  double sum = 0.0;
  for (uint64_t k = 0; k < count; ++k) {
    const double x = w[first + k * stride];
    sum += x * x;
  }
  const double norm = std::sqrt(sum);
  if (!(norm > most)) return;
  const double factor = most / norm;
  for (uint64_t k = 0; k < count; ++k) {
    float& x = w[first + k * stride];
    x = static_cast<float>(x * factor);
    if (std::fabs(x) < simd::kFlushBound) x = 0.0f;
  }
}

Status Run(const HookCall& call) {
  const double most = call.hook.As<MaxNormParams>().max_norm;
  for (const TensorView& view : call.tensors) {
    if (!view.trained || view.spec->role != WeightRole::kKernel) continue;
    const bool depthwise = view.spec->rank == 3;
    const uint64_t outputs = view.spec->dims[depthwise ? 2 : 0];
    const uint64_t inputs = view.count / outputs;
    for (uint64_t o = 0; o < outputs; ++o) {
      if (depthwise) {
        Limit(view.data, o, inputs, outputs, most);
      } else {
        Limit(view.data, o * inputs, inputs, 1, most);
      }
    }
  }
  return Ok();
}

}  // namespace

extern const UpdateHookOp kMaxNormHook;
const UpdateHookOp kMaxNormHook = {
    .name = "max_norm",
    .help = "incoming weights of each output scaled down to max_norm",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MaxNormParams>,
    .when = StepKind::kAfterUpdate,
    .run = Run,
};

}  // namespace temper
