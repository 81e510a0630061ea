// Mixup (Zhang et al. 2018): training on mixtures of two samples with mixtures of
// their targets. Row r of a batch is mixed with the last row but r; batches are in
// random order, so that pairs are random. The middle row of an odd number stays as it
// is.
//
// What the rows of a pair become is a function of (seed, epoch, sample index of
// its first row): threads, targets and a resume do not matter.
//
// Example: a batch of two samples of four floats and three classes.
//
//   static float samples[2 * 4], targets[2 * 3] = {1, 0, 0, 0, 0, 1};
//   const uint64_t ids[] = {17, 4};
//   const temper::Shape shape{1, 1, 4, temper::ElementType::kF32};
//   temper::MixBatch({.alpha = 0.2f, .seed = 1}, /*epoch=*/0, 2, ids, shape, samples,
//                    3, targets);
#ifndef TEMPER_MIXUP_H_
#define TEMPER_MIXUP_H_

#include <cstdint>

#include "temper/graph.h"

namespace temper {

inline constexpr float kLeastMixupAlpha = 0.01f, kMostMixupAlpha = 100.0f;

struct Mixup {
  // Beta(alpha, alpha) is the distribution of a sample's share: 0.1 to 0.4 are usual,
  // 1 is uniform. 0: no mixing. Else kLeastMixupAlpha to kMostMixupAlpha.
  float alpha = 0.0f;
  uint64_t seed = 0;
};

// The share that a row keeps of itself, in [0, 1].
float MixupShare(const Mixup& mixup, uint32_t epoch, uint64_t sample_index);

// Mixes `rows` samples of `shape` (u8: rounded to the nearest; f32) and their targets,
// `width` floats each, in place. Allocates nothing.
void MixBatch(const Mixup& mixup, uint32_t epoch, uint32_t rows,
              const uint64_t* sample_indices, const Shape& shape, void* samples,
              uint32_t width, float* targets);

}  // namespace temper

#endif  // TEMPER_MIXUP_H_
