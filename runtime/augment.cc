// The table of augmentations and the walk over a list of them. See
// temper/augment.h.
#include "runtime/augment.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string_view>

#include "runtime/resample.h"
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

bool ResizesSample(const Augmentation& a) {
  return OpOf(a.kind).resize != nullptr;
}

bool CopiesSample(const Augmentation& a) {
  return OpOf(a.kind).remap != nullptr;
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

namespace {

size_t BytesOf(const Shape& shape) {
  return static_cast<size_t>(shape.Count()) *
         (shape.type == ElementType::kU8 ? 1 : sizeof(float));
}

// The whole of a stored sample to its size.
Resampling WholeOf(const Shape& stored, const Shape& shape) {
  return {.in_h = stored.h,
          .in_w = stored.w,
          .c = stored.c,
          .out_h = shape.h,
          .out_w = shape.w,
          .window = {0, 0, shape.h, shape.w},
          .from_row_bytes = size_t{stored.w} * stored.c,
          .to_row_bytes = size_t{shape.w} * shape.c};
}

bool NeedsResampling(const Augmentation* list, uint32_t count,
                     const Shape& stored, const Shape& shape) {
  return stored != shape || (count > 0 && ResizesSample(list[0]));
}

AugmentCall CallOf(const Augmentation* list, uint32_t i, const Shape& shape,
                   uint64_t seed, uint64_t sample_index, uint32_t epoch,
                   void* sample) {
  const std::array<uint32_t, 4> counter = {
      0, static_cast<uint32_t>(sample_index), epoch,
      RandomStream(RandomUse::kAugment, i)};
  return {list[i], shape, Philox(seed, counter), sample, seed, counter};
}

}  // namespace

Status CheckAugmentations(const Augmentation* list, uint32_t count,
                          const Shape& stored, const Shape& shape) {
  if (count > kMaxAugmentations) {
    return Error(StatusCode::kInvalidArgument, "too many augmentations");
  }
  for (uint32_t i = 0; i < count; ++i) {
    const Status status = CheckAugmentation(list[i], shape);
    if (!status.ok()) return status;
    if (i > 0 && ResizesSample(list[i])) {
      return Error(StatusCode::kInvalidArgument,
                   "random_resized_crop comes first: it makes the sample");
    }
  }
  if (!NeedsResampling(list, count, stored, shape)) return Ok();
  constexpr uint32_t kMostSide = 65535;
  const bool good = stored.type == ElementType::kU8 &&
                    shape.type == stored.type && stored.c == shape.c &&
                    (stored.c == 1 || stored.c == 3) && stored.h <= kMostSide &&
                    stored.w <= kMostSide;
  if (!good) {
    return Error(StatusCode::kInvalidArgument,
                 "only pictures are resized: u8 samples of 1 or 3 channels");
  }
  return Ok();
}

size_t AugmentScratchBytes(const Augmentation* list, uint32_t count,
                           const Shape& stored, const Shape& shape) {
  const size_t resampling = NeedsResampling(list, count, stored, shape)
                                ? ResampleScratchBytes(WholeOf(stored, shape))
                                : 0;
  const bool copies = std::any_of(list, list + count, CopiesSample);
  return std::max(resampling, copies ? BytesOf(shape) : 0);
}

void AugmentFrom(const Augmentation* list, uint32_t count, const Shape& stored,
                 const void* from, const Shape& shape, uint64_t seed,
                 uint64_t sample_index, uint32_t epoch, void* sample,
                 void* scratch) {
  uint32_t first = 0;
  if (count > 0 && ResizesSample(list[0])) {
    const AugmentCall call =
        CallOf(list, 0, shape, seed, sample_index, epoch, sample);
    OpOf(list[0].kind).resize(call, stored, from, scratch);
    first = 1;
  } else if (stored != shape) {
    Resampling whole = WholeOf(stored, shape);
    whole.from = static_cast<const uint8_t*>(from);
    whole.to = static_cast<uint8_t*>(sample);
    Resample(whole, scratch);
  } else {
    std::memcpy(sample, from, BytesOf(shape));
  }
  for (uint32_t i = first; i < count; ++i) {
    const AugmentOp& op = OpOf(list[i].kind);
    const AugmentCall call =
        CallOf(list, i, shape, seed, sample_index, epoch, sample);
    if (op.remap != nullptr) {
      std::memcpy(scratch, sample, BytesOf(shape));
      op.remap(call, scratch);
    } else {
      op.apply(call);
    }
  }
}

void Augment(const Augmentation* list, uint32_t count, const Shape& shape,
             uint64_t seed, uint64_t sample_index, uint32_t epoch,
             void* sample) {
  for (uint32_t i = 0; i < count; ++i) {
    assert(!ResizesSample(list[i]) && !CopiesSample(list[i]));
    OpOf(list[i].kind)
        .apply(CallOf(list, i, shape, seed, sample_index, epoch, sample));
  }
}

const char* AugmentName(AugmentKind kind) { return OpOf(kind).name; }

}  // namespace temper
