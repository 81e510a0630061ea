// When it pays to give work to another thread: sizes below which a kernel stays
// on the calling thread. They depend on shapes only and cannot change a result.
#ifndef TEMPER_SIMD_GRAIN_H_
#define TEMPER_SIMD_GRAIN_H_

#include <cstddef>

namespace temper::simd {

// Elements of an element-wise loop worth one task (about 10 microseconds).
inline constexpr size_t kElementGrain = 32768;
// Multiply-adds worth one task.
inline constexpr size_t kMultiplyGrain = 262144;

}  // namespace temper::simd

#endif  // TEMPER_SIMD_GRAIN_H_
