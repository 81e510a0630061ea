// The table of augmentations and the walk over a list of them. See
// temper/augment.h.
#include "runtime/augment.h"

#include "temper/random.h"

namespace temper {

#define TEMPER_DECLARE(Name, file) extern const AugmentOp k##Name##Augment;
TEMPER_AUGMENTATIONS(TEMPER_DECLARE)
#undef TEMPER_DECLARE

const AugmentOp& OpOf(AugmentKind kind) {
  static const AugmentOp* const kOps[] = {
#define TEMPER_POINTER(Name, file) &k##Name##Augment,
      TEMPER_AUGMENTATIONS(TEMPER_POINTER)
#undef TEMPER_POINTER
  };
  return *kOps[static_cast<uint32_t>(kind)];
}

Status CheckAugmentation(const Augmentation& a, const Shape& shape) {
  if (a.kind >= AugmentKind::kCount) {
    return Error(StatusCode::kInvalidArgument, "there is no such augmentation");
  }
  const FieldList fields = OpOf(a.kind).fields;
  if (FieldOutOfRange(fields, a.params) != nullptr) {
    return Error(StatusCode::kInvalidArgument,
                 "a parameter is outside its range");
  }
  for (const Field& field : fields) {
    if (std::string_view(field.unit) != kPixels) continue;
    const double pixels = ReadField(field, a.params);
    if (pixels > shape.h || pixels > shape.w) {
      return Error(StatusCode::kInvalidArgument,
                   "at most as many pixels as the sample is high and wide");
    }
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
    OpOf(list[i].kind).apply({list[i], shape, random, sample});
  }
}

const char* AugmentName(AugmentKind kind) { return OpOf(kind).name; }

}  // namespace temper
