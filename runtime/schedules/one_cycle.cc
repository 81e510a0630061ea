// One cycle (Smith and Topin 2018), as torch.optim.lr_scheduler.OneCycleLR with
// two phases: the rate rises from base_lr / div_factor to base_lr until step
// pct_start * total - 1 and falls to base_lr / div_factor / final_div_factor
// at the last one; the momentum mirrors it.
#include <algorithm>

#include "runtime/exact_math.h"
#include "runtime/schedule.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(OneCycleParams, pct_start, 0.001, 0.999,
                     "share of the steps in which the rate rises"),
    TEMPER_FIELD_F32(OneCycleParams, div_factor, 1.0, 1e9,
                     "the first rate is --lr divided by this"),
    TEMPER_FIELD_F32(OneCycleParams, final_div_factor, 1.0, 1e9,
                     "the last rate is the first one divided by this"),
    TEMPER_FIELD_F32(OneCycleParams, base_momentum, 0.0, 0.99999,
                     "momentum at the highest rate"),
    TEMPER_FIELD_F32(OneCycleParams, max_momentum, 0.0, 0.99999,
                     "momentum at the lowest rate"),
    TEMPER_FIELD_U32(OneCycleParams, linear, 0, 1,
                     "straight lines in the place of cosines"),
};

double Between(double from, double to, double share, bool linear) {
  if (linear) return (to - from) * share + from;
  const double cosine = exact::SinCosTurns(0.5 * share).cos;
  return to + (from - to) * 0.5 * (1.0 + cosine);
}

// `low` at the start, `high` at the top, `last` at the end.
double Curve(const OneCycleParams& p, uint64_t t, uint64_t total, double low,
             double high, double last) {
  const double at = static_cast<double>(t);
  const double end = static_cast<double>(total) - 1.0;
  const double top = double{p.pct_start} * static_cast<double>(total) - 1.0;
  // Of a very short run.
  if (top <= 0.0)
    return end <= 0.0 ? high : Between(high, last, at / end, p.linear != 0);
  if (at <= top) return Between(low, high, at / top, p.linear != 0);
  return Between(high, last, (at - top) / (end - top), p.linear != 0);
}

double Rate(const Schedule& s, uint64_t t, uint64_t total) {
  const OneCycleParams& p = s.As<OneCycleParams>();
  const double low = s.base_lr / double{p.div_factor};
  const double last = low / double{p.final_div_factor};
  // Rounding may not lift it above the highest one.
  return std::min(Curve(p, t, total, low, s.base_lr, last), s.base_lr);
}

double MomentumAt(const Schedule& s, uint64_t t, uint64_t total) {
  const OneCycleParams& p = s.As<OneCycleParams>();
  return Curve(p, t, total, p.max_momentum, p.base_momentum, p.max_momentum);
}

Status Check(const Schedule& s) {
  const OneCycleParams& p = s.As<OneCycleParams>();
  if (p.base_momentum <= p.max_momentum) return Ok();
  return Error(StatusCode::kInvalidArgument,
               "base_momentum must be at most max_momentum");
}

}  // namespace

extern const ScheduleOp kOneCycleSchedule;
const ScheduleOp kOneCycleSchedule = {
    .name = "one_cycle",
    .help = "up to --lr and down to nearly 0, the momentum the other way",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<OneCycleParams>,
    .rate = Rate,
    .momentum = MomentumAt,
    .check = Check,
};

}  // namespace temper
