// Learning-rate schedules: a function of the step (and, of plateau, of what
// validation has said), computed in double with our own cosine, so that every
// machine gets the same rate. One file each in runtime/schedules/.
#ifndef TEMPER_SCHEDULES_H_
#define TEMPER_SCHEDULES_H_

#include <cassert>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "temper/status.h"

namespace temper {

// base_lr for all steps after the warm-up.
struct ConstantParams {};
// base_lr * gamma^(number of passed milestones), one milestone every step_size
// steps (torch.optim.lr_scheduler.StepLR).
struct StepParams {
  uint64_t step_size = 10;  // steps between drops; in a spec, 10 epochs
  double gamma = 0.1;       // factor of a drop, in (0, 1]
};
// min_lr + (base_lr - min_lr) * (1 + cos(pi * t / T)) / 2 with t steps since
// the warm-up and T those that are left (Loshchilov and Hutter 2017, without
// restarts).
struct CosineParams {
  double min_lr = 0.0;  // the rate at the end, at most base_lr
};

// base_lr * gamma^(number of passed milestones); times since the warm-up, in
// ascending order, 0: none (torch.optim.lr_scheduler.MultiStepLR).
struct MultiStepParams {
  uint64_t milestone1 = 5, milestone2 = 0, milestone3 = 0,
           milestone4 = 0;  // steps; in a spec, epochs
  double gamma = 0.1;       // factor of a drop, in (0, 1]
};
// base_lr * gamma^floor(t / every) (torch.optim.lr_scheduler.ExponentialLR).
struct ExponentialParams {
  double gamma = 0.98;  // in (0, 1]
  uint64_t every = 1;   // steps; in a spec, epochs
};
// From base_lr to min_lr in a straight line: min_lr + (base_lr - min_lr) * (1 -
// t / T) (torch.optim.lr_scheduler.LinearLR).
struct LinearParams {
  double min_lr = 0.0;  // the rate at the end, at most base_lr
};
// base_lr * sqrt(timescale / (timescale + t)) (Vaswani et al. 2017, with the
// rate in the place of the model's width).
struct InverseSqrtParams {
  uint64_t timescale = 1;  // steps until 0.71 of base_lr; in a spec, epochs
};
// Cosine annealing again and again, the n-th time over period * mult^n steps
// (Loshchilov and Hutter 2017;
// torch.optim.lr_scheduler.CosineAnnealingWarmRestarts).
struct CosineRestartsParams {
  uint64_t period = 10;  // steps of the first time; in a spec, epochs
  double min_lr = 0.0;   // at most base_lr
  uint64_t mult = 2;     // 1 to 100
};
// From base_lr / div_factor up to base_lr at pct_start of the steps, then down
// to base_lr / div_factor / final_div_factor, along cosines; the optimizer's
// momentum the other way, from max_momentum to base_momentum and back (Smith and
// Topin 2018; torch.optim.lr_scheduler.OneCycleLR).
struct OneCycleParams {
  float pct_start = 0.3f;                             // in (0, 1)
  float div_factor = 25.0f, final_div_factor = 1e4f;  // >= 1
  float base_momentum = 0.85f, max_momentum = 0.95f;  // [0, 1)
  uint32_t linear = 0;  // 1: straight lines in the place of cosines
};
// The rate falls by `factor` when the monitored value has not become better for
// more than `patience` epochs (torch.optim.lr_scheduler.ReduceLROnPlateau, mode
// min, threshold_mode rel). The value is the validation loss, without validation
// the training loss.
struct PlateauParams {
  double factor = 0.1;      // in (0, 1)
  double threshold = 1e-4;  // a loss below best * (1 - threshold) is better
  double min_lr = 0.0;      // at most base_lr
  uint32_t patience = 10;   // epochs
  uint32_t cooldown = 0;    // epochs after a fall that do not count
};

#define TEMPER_SCHEDULES(SCHEDULE)          \
  SCHEDULE(Constant, constant)              \
  SCHEDULE(Step, step)                      \
  SCHEDULE(Cosine, cosine)                  \
  SCHEDULE(MultiStep, multi_step)           \
  SCHEDULE(Exponential, exponential)        \
  SCHEDULE(Linear, linear)                  \
  SCHEDULE(InverseSqrt, inverse_sqrt)       \
  SCHEDULE(CosineRestarts, cosine_restarts) \
  SCHEDULE(OneCycle, one_cycle)             \
  SCHEDULE(Plateau, plateau)

enum class ScheduleKind : uint32_t {
#define TEMPER_SCHEDULE_ENUM(Name, file) k##Name,
  TEMPER_SCHEDULES(TEMPER_SCHEDULE_ENUM)
#undef TEMPER_SCHEDULE_ENUM
      kCount
};

template <class Params>
struct ScheduleKindOf;
template <class Params>
inline constexpr bool kIsScheduleParams = false;
#define TEMPER_SCHEDULE_KIND(Name, file)                         \
  template <>                                                    \
  struct ScheduleKindOf<Name##Params> {                          \
    static constexpr ScheduleKind value = ScheduleKind::k##Name; \
  };                                                             \
  template <>                                                    \
  inline constexpr bool kIsScheduleParams<Name##Params> = true;
TEMPER_SCHEDULES(TEMPER_SCHEDULE_KIND)
#undef TEMPER_SCHEDULE_KIND

// A schedule with its parameters, as plain data.
struct Schedule {
  ScheduleKind kind = ScheduleKind::kCosine;
  double base_lr = 0.01;     // > 0
  uint64_t total_steps = 1;  // of the whole run
  // Linear warm-up before any schedule: step t < warmup runs at
  // base_lr * (t + 1) / (warmup + 1).
  uint64_t warmup = 0;
  alignas(8) uint8_t params[48] = {};

  Schedule() : Schedule(CosineParams{}) {}
  template <class Params, class = std::enable_if_t<kIsScheduleParams<Params>>>
  Schedule(const Params& p) : kind(ScheduleKindOf<Params>::value) {
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(params));
    if constexpr (!std::is_empty_v<Params>) {
      std::memcpy(params, &p, sizeof(p));
    }
  }

  // The parameters of a schedule of this kind. Another kind's: an assertion.
  template <class Params>
  const Params& As() const {
    static_assert(kIsScheduleParams<Params>,
                  "not the parameters of a schedule");
    assert(kind == ScheduleKindOf<Params>::value);
    return *reinterpret_cast<const Params*>(params);
  }
  template <class Params>
  Params& As() {
    return const_cast<Params&>(std::as_const(*this).As<Params>());
  }
};

// What a schedule remembers of validations. Without any: the start of a run.
struct ScheduleState {
  double factor = 1.0;   // of the rate, so far
  double best = 0.0;     // best value, if one was seen
  uint32_t seen = 0;     // 1: there is a best value
  uint32_t bad = 0;      // since the best one, as far as they count
  uint32_t cooling = 0;  // that will not count
};

// The rate of step `step` (0-based). Past the end the last rate is kept.
double LearningRate(const Schedule& schedule, uint64_t step,
                    const ScheduleState& state = {});
// The momentum of that step, where the schedule moves it; negative: it does
// not.
double Momentum(const Schedule& schedule, uint64_t step);
// After an epoch: its loss, lower is better; not finite counts as worse.
// Schedules that go by the step alone do nothing.
void ObserveLoss(const Schedule& schedule, double loss, ScheduleState* state);

// Ranges: 0 < base_lr <= 1e6, warm-up shorter than the run, parameters in the
// ranges of their fields, no final rate above the first one.
Status CheckSchedule(const Schedule& schedule);

// The inverse: ScheduleCatalogue().Find(name) (registry.h).
const char* ScheduleName(ScheduleKind kind);

}  // namespace temper

#endif  // TEMPER_SCHEDULES_H_
