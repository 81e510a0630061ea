// Augmentation: training samples are changed a little at random in every epoch,
// which reduces overfitting on small data sets. Works on samples as they are
// stored (u8 or f32), before the normalize layer, as torchvision's transforms
// do before Normalize: padding and cut-outs are 0 (black), u8 results are
// clamped to 0..255 and truncated. f32 samples have no known range and are not
// clamped.
//
// Example: each sample of a data set, changed anew in each epoch.
//
//   const temper::Augmentation list[] = {
//       temper::HFlipParams{},
//       temper::CropParams{.padding = 2},
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

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "temper/graph.h"
#include "temper/status.h"

namespace temper {

// Left and right swapped with probability p.
struct HFlipParams {
  float p = 0.5f;
};
// Top and bottom swapped with probability p.
struct VFlipParams {
  float p = 0.5f;
};
// Left and right swapped in every other epoch, half of the samples in the first
// (Jordan 2024): as hflip with p = 0.5, but two epochs in a row see both sides.
struct AlternatingFlipParams {};
// Padded by zeros on each side, then cut back to its size at a random place
// (torchvision: RandomCrop(size, padding)).
struct CropParams {
  uint32_t padding = 4;  // pixels, smaller than the sample
};
// x * f, f uniform in [max(0, 1 - amount), 1 + amount] (torchvision:
// ColorJitter(brightness)).
struct BrightnessParams {
  float amount = 0.2f;
};
// mean + f * (x - mean), f likewise; mean: that of the sample, of its grey
// values if it has 3 channels (ColorJitter(contrast)).
struct ContrastParams {
  float amount = 0.2f;
};
// A square at a random place is 0; its centre lies anywhere in the sample
// (DeVries and Taylor 2017).
struct CutoutParams {
  uint32_t side = 8;  // pixels, at most the sample's
};
// A part of the sample, resized to the sample's size: its area is uniform between
// scale_min and scale_max of the whole, width over height log-uniform between
// ratio_min and ratio_max, its place uniform (torchvision: RandomResizedCrop with
// antialias). u8 samples of 1 or 3 channels. Only first in a list, and only
// for AugmentFrom.
struct RandomResizedCropParams {
  float scale_min = 0.08f;
  float scale_max = 1.0f;
  float ratio_min = 0.75f;
  float ratio_max = 1.33333333f;
};
// Turned around its middle by an angle uniform in [-degrees, degrees], bilinear;
// zeros come in at the edges (torchvision: RandomRotation). Only for AugmentFrom.
struct RotateParams {
  float degrees = 15.0f;
};
// Turned as above, at the same time made larger by a factor uniform between
// scale_min and scale_max and moved by up to `translate` times its height and
// width in each direction (torchvision: RandomAffine). Only for AugmentFrom.
struct AffineParams {
  float degrees = 0.0f;
  float scale_min = 1.0f;
  float scale_max = 1.0f;
  float translate = 0.0f;
};
#define TEMPER_AUGMENTATIONS(AUGMENTATION)             \
  AUGMENTATION(HFlip, hflip)                           \
  AUGMENTATION(VFlip, vflip)                           \
  AUGMENTATION(Crop, crop)                             \
  AUGMENTATION(Brightness, brightness)                 \
  AUGMENTATION(Contrast, contrast)                     \
  AUGMENTATION(Cutout, cutout)                         \
  AUGMENTATION(RandomResizedCrop, random_resized_crop) \
  AUGMENTATION(AlternatingFlip, alternating_flip)      \
  AUGMENTATION(Rotate, rotate)                         \
  AUGMENTATION(Affine, affine)

enum class AugmentKind : uint32_t {
#define TEMPER_AUGMENT_ENUM(Name, file) k##Name,
  TEMPER_AUGMENTATIONS(TEMPER_AUGMENT_ENUM)
#undef TEMPER_AUGMENT_ENUM
      kCount
};

inline constexpr uint32_t kMaxAugmentations = 16;  // in one list

template <class Params>
struct AugmentKindOf;
template <class Params>
inline constexpr bool kIsAugmentParams = false;
#define TEMPER_AUGMENT_KIND(Name, file)                        \
  template <>                                                  \
  struct AugmentKindOf<Name##Params> {                         \
    static constexpr AugmentKind value = AugmentKind::k##Name; \
  };                                                           \
  template <>                                                  \
  inline constexpr bool kIsAugmentParams<Name##Params> = true;
TEMPER_AUGMENTATIONS(TEMPER_AUGMENT_KIND)
#undef TEMPER_AUGMENT_KIND

// An augmentation with its parameters, as plain data.
struct Augmentation {
  AugmentKind kind = AugmentKind::kHFlip;
  alignas(4) uint8_t params[16] = {};

  Augmentation() : Augmentation(HFlipParams{}) {}
  template <class Params, class = std::enable_if_t<kIsAugmentParams<Params>>>
  Augmentation(const Params& p) : kind(AugmentKindOf<Params>::value) {
    static_assert(std::is_trivially_copyable_v<Params>);
    static_assert(sizeof(Params) <= sizeof(params));
    std::memcpy(params, &p, sizeof(p));
  }

  // The parameters of an augmentation of this kind. Another kind's: an
  // assertion.
  template <class Params>
  const Params& As() const {
    static_assert(kIsAugmentParams<Params>,
                  "not the parameters of an augmentation");
    assert(kind == AugmentKindOf<Params>::value);
    return *reinterpret_cast<const Params*>(params);
  }
};

// Parameters within their ranges that fit samples of this shape (crop and
// cutout are smaller than the sample). Else kInvalidArgument.
Status CheckAugmentation(const Augmentation& augmentation, const Shape& shape);

// True if it makes a sample of a stored one, whatever the size of that
// (random_resized_crop).
bool ResizesSample(const Augmentation& augmentation);

// True if it makes the sample from a copy of it (rotate, affine).
bool CopiesSample(const Augmentation& augmentation);

// A whole list, for samples that are kept as `stored` and become `shape`, larger
// or smaller: random_resized_crop comes first, and what is resized is a picture
// (u8, 1 or 3 channels). Else kInvalidArgument.
Status CheckAugmentations(const Augmentation* list, uint32_t count,
                          const Shape& stored, const Shape& shape);

// Makes a sample of a stored one, with the augmentations in their order. Where no
// random_resized_crop takes a part of it and the sizes differ, the whole of it is
// resized. `from`: stored.Count() elements, `sample`: shape.Count() elements of
// shape.type, NHWC. `scratch`: AugmentScratchBytes, aligned to 4. The list has
// passed CheckAugmentations. Allocates nothing.
size_t AugmentScratchBytes(const Augmentation* list, uint32_t count,
                           const Shape& stored, const Shape& shape);
void AugmentFrom(const Augmentation* list, uint32_t count, const Shape& stored,
                 const void* from, const Shape& shape, uint64_t seed,
                 uint64_t sample_index, uint32_t epoch, void* sample,
                 void* scratch);

// Changes one sample in place, with the `count` <= kMaxAugmentations
// augmentations in their order, none of which resizes or copies the sample.
// `sample`: shape.Count() elements of shape.type, NHWC. Allocates nothing.
void Augment(const Augmentation* list, uint32_t count, const Shape& shape,
             uint64_t seed, uint64_t sample_index, uint32_t epoch,
             void* sample);

// The inverse: AugmentationCatalogue().Find(name) (registry.h).
const char* AugmentName(AugmentKind kind);

}  // namespace temper

#endif  // TEMPER_AUGMENT_H_
