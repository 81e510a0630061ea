// When it pays to give work to another thread: sizes below which a kernel stays
// on the calling thread. They depend on shapes only and cannot change a result.
#ifndef TEMPER_SIMD_GRAIN_H_
#define TEMPER_SIMD_GRAIN_H_

#include <cstddef>

namespace temper::simd {

// Elements of an element-wise loop over activations worth one task (about 10
// microseconds).
inline constexpr size_t kElementGrain = 32768;
// The same for loops over weights (update, packing, clearing): small ones stay
// in one core's cache from pass to pass, and moving them costs more than it
// saves.
inline constexpr size_t kWeightGrain = 262144;
// Multiply-adds worth one task.
inline constexpr size_t kMultiplyGrain = 262144;
// Multiply-adds worth one task of a product of `rows` rows: with few of them the
// weights' way to the other core decides.
constexpr size_t MultiplyGrain(size_t rows) {
  return rows < 64 ? 4 * kMultiplyGrain : kMultiplyGrain;
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_GRAIN_H_
