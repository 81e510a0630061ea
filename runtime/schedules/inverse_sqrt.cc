// Inverse square root: lr = base_lr * sqrt(timescale / (timescale + t)). The
// Transformer's schedule (Vaswani et al. 2017) where timescale is the warm-up.
#include <cmath>

#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD(InverseSqrtParams, timescale, kU64, 1, 0x1p53,
                 "time until 0.71 of the rate", "epochs"),
};

double Rate(const Schedule& s, uint64_t t, uint64_t) {
  const double scale = static_cast<double>(s.As<InverseSqrtParams>().timescale);
  return s.base_lr * std::sqrt(scale / (scale + static_cast<double>(t)));
}

}  // namespace

extern const ScheduleOp kInverseSqrtSchedule;
const ScheduleOp kInverseSqrtSchedule = {
    .name = "inverse_sqrt",
    .help = "the rate falls as 1 / sqrt(time)",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<InverseSqrtParams>,
    .rate = Rate,
};

}  // namespace temper
