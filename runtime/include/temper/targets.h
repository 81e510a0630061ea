// Targets: what a sample's prediction is compared with. A kind of data says
// which targets its samples have, a loss which it takes (LossTraits, graph.h).
// Next: trainer.h (Batch, which brings them to a step).
#ifndef TEMPER_TARGETS_H_
#define TEMPER_TARGETS_H_

#include <cstdint>

namespace temper {

enum class TargetKind : uint32_t {
  kNone,      // samples alone: autoencoders, prediction
  kClasses,   // one class index a sample
  kValues,    // numbers: regression
  kMultiHot,  // 0 or 1 for every class: several labels a sample
  kSoft,      // a probability for every class; they add up to 1
};

struct Targets {
  TargetKind kind = TargetKind::kNone;
  // Outputs of a model for them: the number of classes, or of values a sample.
  uint32_t width = 0;

  // Floats that a sample's targets take: all but class indices are floats.
  constexpr uint32_t Floats() const {
    return kind == TargetKind::kNone || kind == TargetKind::kClasses ? 0
                                                                     : width;
  }
  // True if an output is a class.
  constexpr bool HasClasses() const {
    return kind == TargetKind::kClasses || kind == TargetKind::kMultiHot ||
           kind == TargetKind::kSoft;
  }
  friend constexpr bool operator==(const Targets&, const Targets&) = default;
};

// "none", "classes", "values", "multi_hot", "soft".
constexpr const char* TargetKindName(TargetKind kind) {
  switch (kind) {
    case TargetKind::kClasses:
      return "classes";
    case TargetKind::kValues:
      return "values";
    case TargetKind::kMultiHot:
      return "multi_hot";
    case TargetKind::kSoft:
      return "soft";
    case TargetKind::kNone:
      break;
  }
  return "none";
}

}  // namespace temper

#endif  // TEMPER_TARGETS_H_
