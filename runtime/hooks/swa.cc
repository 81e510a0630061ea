// Stochastic weight averaging (Izmailov et al. 2018): from step `start` on, every
// `every` steps, the mean of the weights so far:
//   average = average + (w - average) / (n + 1), n averaged before
// The first one is w itself: what an average held that a shorter run had begun is
// none of it.
#include "runtime/table.h"
#include "runtime/update_hook.h"
#include "simd/elementwise.h"
#include "simd/update.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(SwaParams, start, 0, 4294967295.0,
                     "after which epoch the first weights are averaged; by "
                     "default the ends of the last quarter's epochs are",
                     "epochs"),
    TEMPER_FIELD_U32(SwaParams, every, 1, 4294967295.0,
                     "time between two averaged weights", "epochs"),
};

uint32_t States(const UpdateHook&, const char** names) {
  names[0] = kAverageState;
  return 1;
}

Status Run(const HookCall& call) {
  const SwaParams& p = call.hook.As<SwaParams>();
  const uint64_t start = p.start == 0 ? 1 : p.start;
  if (call.step < start || (call.step - start) % p.every != 0) return Ok();
  const double before = static_cast<double>((call.step - start) / p.every);
  const float share = static_cast<float>(1.0 / (before + 1.0));
  for (uint32_t t = 0; t < call.tensors.size(); ++t) {
    float* const average = call.State(t, 0);
    if (average == nullptr) continue;
    const TensorView& view = call.tensors[t];
    if (call.step == start) {
      simd::Copy(view.count, view.data, average, call.parallel);
    } else {
      simd::MoveToward(view.count, share, view.data, average, call.parallel);
    }
  }
  return Ok();
}

}  // namespace

extern const UpdateHookOp kSwaHook;
const UpdateHookOp kSwaHook = {
    .name = "swa",
    .help = "the mean of the weights over the last part of a run",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<SwaParams>,
    .when = StepKind::kAfterUpdate,
    .states = States,
    .run = Run,
};

}  // namespace temper
