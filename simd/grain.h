// When splitting work over threads pays: sizes below which a kernel stays on
// the calling thread. They depend on shapes only and cannot change a result.
#ifndef TEMPER_SIMD_GRAIN_H_
#define TEMPER_SIMD_GRAIN_H_

#include <cstddef>
#include <cstdint>

namespace temper::simd {

// Elements of an element-wise loop worth one task: 1 to 2 microseconds where a
// call of the thread pool takes half of one, 10 to 20 on a small board.
inline constexpr size_t kElementGrain = 8192;
// Multiply-adds worth one task.
inline constexpr size_t kMultiplyGrain = 65536;

// A number of them, as far as size_t goes.
constexpr size_t Saturated(uint64_t work) {
  return work < SIZE_MAX ? static_cast<size_t>(work) : SIZE_MAX;
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_GRAIN_H_
