// Augmentation: training samples are changed a little, each time anew, so that
// a small data set teaches more. Works on samples as they are stored (u8, or
// f32), before the normalize layer, as torchvision's transforms do before
// Normalize: what is padded or cut out is 0 (black), u8 results are clamped to
// 0..255 and truncated. f32 samples have no known range and are not clamped.
//
// Example: each sample of a data set, changed anew in each epoch.
//
//   const temper::Augmentation list[] = {
//       {temper::AugmentKind::kHFlip, 0.5f},
//       {temper::AugmentKind::kCrop, 2.0f},
//   };
//   const temper::Shape shape{28, 28, 1, temper::ElementType::kU8};
//   static uint8_t sample[28 * 28];
//   for (uint32_t epoch = 0; epoch < 3; ++epoch) {
//     for (uint64_t i = 0; i < 100; ++i) {  // sample i lies in `sample`
//       temper::Augment(list, 2, shape, /*seed=*/1, i, epoch, sample);
//     }
//   }
//
// What happens to a sample is a function of (seed, index of the sample in its
// data set, epoch, place in the list): batch size, order, threads, target and
// resume do not matter. One file each in runtime/augment/.
#ifndef TEMPER_AUGMENT_H_
#define TEMPER_AUGMENT_H_

#include <cstdint>
#include <string_view>

#include "temper/graph.h"
#include "temper/status.h"

namespace temper {

// hflip:      left and right swapped with probability `amount` (0.5)
// vflip:      top and bottom swapped with probability `amount` (0.5)
// crop:       padded by `amount` zeros on each side, then cut back to its
//             size at a random place (torchvision: RandomCrop(size, padding))
// brightness: x * f, f uniform in [max(0, 1 - amount), 1 + amount]
//             (torchvision: ColorJitter(brightness))
// contrast:   mean + f * (x - mean), f likewise; mean: that of the sample, of
//             its grey values if it has 3 channels (ColorJitter(contrast))
// cutout:     a square of side `amount` at a random place is 0; its centre lies
//             anywhere in the sample (DeVries and Taylor 2017)
#define TEMPER_AUGMENTATIONS(AUGMENTATION) \
  AUGMENTATION(HFlip, hflip)               \
  AUGMENTATION(VFlip, vflip)               \
  AUGMENTATION(Crop, crop)                 \
  AUGMENTATION(Brightness, brightness)     \
  AUGMENTATION(Contrast, contrast)         \
  AUGMENTATION(Cutout, cutout)

enum class AugmentKind : uint32_t {
#define TEMPER_AUGMENT_ENUM(Name, file) k##Name,
  TEMPER_AUGMENTATIONS(TEMPER_AUGMENT_ENUM)
#undef TEMPER_AUGMENT_ENUM
      kCount
};

inline constexpr uint32_t kMaxAugmentations = 16;  // in one list

struct Augmentation {
  AugmentKind kind = AugmentKind::kHFlip;
  float amount = 0.0f;
};

// An amount within its range that fits samples of this shape (crop and cutout
// are smaller than the sample). Else kInvalidArgument, saying what is allowed.
Status CheckAugmentation(const Augmentation& augmentation, const Shape& shape);

// Changes one sample in place, with the `count` <= kMaxAugmentations
// augmentations in their order. `sample`: shape.Count() elements of
// shape.type, NHWC. Allocates nothing.
void Augment(const Augmentation* list, uint32_t count, const Shape& shape,
             uint64_t seed, uint64_t sample_index, uint32_t epoch,
             void* sample);

const char* AugmentName(AugmentKind kind);
// kCount for an unknown name.
AugmentKind AugmentByName(std::string_view name);
// The amount of one that is named alone; NaN if it must be given.
float DefaultAmount(AugmentKind kind);

}  // namespace temper

#endif  // TEMPER_AUGMENT_H_
