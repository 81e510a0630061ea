// The table of augmentations and the walk over a list of them. See
// temper/augment.h.
#include "runtime/augment.h"

#include <cmath>

#include "temper/random.h"

namespace temper {

#define TEMPER_DECLARE(Name, file) extern const AugmentOp k##Name##Augment;
TEMPER_AUGMENTATIONS(TEMPER_DECLARE)
#undef TEMPER_DECLARE

namespace {

const AugmentOp& OpOf(AugmentKind kind) {
  static const AugmentOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Augment,
      TEMPER_AUGMENTATIONS(TEMPER_POINTER)
#undef TEMPER_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}

}  // namespace

Status CheckAugmentation(const Augmentation& a, const Shape& shape) {
  if (a.kind >= AugmentKind::kCount) {
    return Error(StatusCode::kInvalidArgument, "there is no such augmentation");
  }
  const AugmentOp& op = OpOf(a.kind);
  // Written so that NaN fails.
  if (!(a.amount >= op.min && a.amount <= op.max) ||
      (op.pixels && a.amount != std::floor(a.amount))) {
    return Error(StatusCode::kInvalidArgument, op.range);
  }
  if (op.pixels && (a.amount > static_cast<float>(shape.h) ||
                    a.amount > static_cast<float>(shape.w))) {
    return Error(StatusCode::kInvalidArgument,
                 "at most as many pixels as the sample is high and wide");
  }
  return Ok();
}

void Augment(const Augmentation* list, uint32_t count, const Shape& shape,
             uint64_t seed, uint64_t sample_index, uint32_t epoch,
             void* sample) {
  for (uint32_t i = 0; i < count; ++i) {
    const std::array<uint32_t, 4> random =
        Philox(seed, {0, static_cast<uint32_t>(sample_index), epoch,
                      RandomStream(RandomUse::kAugment, i)});
    OpOf(list[i].kind).apply({list[i].amount, shape, random, sample});
  }
}

const char* AugmentName(AugmentKind kind) { return OpOf(kind).name; }

AugmentKind AugmentByName(std::string_view name) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(AugmentKind::kCount); ++i) {
    if (name == AugmentName(static_cast<AugmentKind>(i))) {
      return static_cast<AugmentKind>(i);
    }
  }
  return AugmentKind::kCount;
}

float DefaultAmount(AugmentKind kind) { return OpOf(kind).default_amount; }

}  // namespace temper
