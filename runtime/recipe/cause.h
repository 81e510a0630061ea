// What may be wrong with a training run. Causes are looked for, and said, in the
// order data, initialization, learning rate, architecture: a later one only when
// the earlier ones are cleared. Names are those of the JSON key `cause`.
#ifndef TEMPER_RUNTIME_RECIPE_CAUSE_H_
#define TEMPER_RUNTIME_RECIPE_CAUSE_H_

#include <cstdint>

namespace temper::recipe {

// Enumerator, name in text and JSON. In the order in which they are judged.
#define TEMPER_CAUSES(CAUSE)             \
  CAUSE(LabelRange, label_range)         \
  CAUSE(LossMismatch, loss_mismatch)     \
  CAUSE(OneClass, one_class)             \
  CAUSE(ConstantInput, constant_input)   \
  CAUSE(InputScale, input_scale)         \
  CAUSE(SplitMismatch, split_mismatch)   \
  CAUSE(Leak, leak)                      \
  CAUSE(NearDuplicates, near_duplicates) \
  CAUSE(Labels, labels)                  \
  CAUSE(InitZero, init_zero)             \
  CAUSE(InitLarge, init_large)           \
  CAUSE(InitSmall, init_small)           \
  CAUSE(DeadUnits, dead_units)           \
  CAUSE(NormStatistics, norm_statistics) \
  CAUSE(NotFinite, not_finite)           \
  CAUSE(RateHigh, rate_high)             \
  CAUSE(RateLow, rate_low)               \
  CAUSE(ScheduleEarly, schedule_early)   \
  CAUSE(MomentumHigh, momentum_high)     \
  CAUSE(DecayHigh, decay_high)           \
  CAUSE(DropoutHigh, dropout_high)       \
  CAUSE(Overfitting, overfitting)        \
  CAUSE(Depth, depth)                    \
  CAUSE(Capacity, capacity)              \
  CAUSE(Plateau, plateau)                \
  CAUSE(Slow, slow)                      \
  CAUSE(Noisy, noisy)

enum class Cause : uint32_t {
#define TEMPER_CAUSE_ENUM(Name, name) k##Name,
  TEMPER_CAUSES(TEMPER_CAUSE_ENUM)
#undef TEMPER_CAUSE_ENUM
      kCount
};

constexpr const char* CauseName(Cause cause) {
  constexpr const char* kNames[] = {
#define TEMPER_CAUSE_NAME(Name, name) #name,
      TEMPER_CAUSES(TEMPER_CAUSE_NAME)
#undef TEMPER_CAUSE_NAME
  };
  return kNames[static_cast<uint32_t>(cause)];
}

// What a cause belongs to, in the order in which it is looked for: with one of a
// later group, the earlier groups are cleared.
enum class CauseGroup : uint32_t {
  kData,
  kInitialization,
  kLearningRate,  // and what else decides how large a step is
  kArchitecture,  // and its regularization
};
inline constexpr const char* kCauseGroupNames[] = {
    "data", "initialization", "learning rate", "architecture"};

constexpr CauseGroup GroupOf(Cause cause) {
  switch (cause) {
    case Cause::kInitZero:
    case Cause::kInitLarge:
    case Cause::kInitSmall:
    case Cause::kDeadUnits:
    case Cause::kNormStatistics:
      return CauseGroup::kInitialization;
    case Cause::kRateHigh:
    case Cause::kRateLow:
    case Cause::kScheduleEarly:
    case Cause::kMomentumHigh:
    case Cause::kDecayHigh:
    case Cause::kPlateau:
    case Cause::kSlow:
    case Cause::kNoisy:
      return CauseGroup::kLearningRate;
    case Cause::kDropoutHigh:
    case Cause::kOverfitting:
    case Cause::kDepth:
    case Cause::kCapacity:
      return CauseGroup::kArchitecture;
    default:
      return CauseGroup::kData;
  }
}

}  // namespace temper::recipe

#endif  // TEMPER_RUNTIME_RECIPE_CAUSE_H_
