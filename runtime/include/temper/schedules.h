// Learning-rate schedules: a pure function of the step, computed in double with
// our own cosine, so that every machine gets the same rate. One file each in
// runtime/schedules/.
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

#define TEMPER_SCHEDULES(SCHEDULE) \
  SCHEDULE(Constant, constant)     \
  SCHEDULE(Step, step)             \
  SCHEDULE(Cosine, cosine)

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

// The rate of step `step` (0-based). Past the end the last rate is kept.
double LearningRate(const Schedule& schedule, uint64_t step);

// Ranges: 0 < base_lr <= 1e6, warm-up shorter than the run, parameters in the
// ranges of their fields, no final rate above the first one.
Status CheckSchedule(const Schedule& schedule);

// The inverse: ScheduleCatalogue().Find(name) (registry.h).
const char* ScheduleName(ScheduleKind kind);

}  // namespace temper

#endif  // TEMPER_SCHEDULES_H_
