// The bound of flush-inl.h for code outside of kernels: values below it in
// magnitude become 0 before they are multiplied. update.cc asserts that the two
// are equal.
#ifndef TEMPER_SIMD_FLUSH_H_
#define TEMPER_SIMD_FLUSH_H_

namespace temper::simd {

inline constexpr float kFlushBound = 0x1p-63f;

}  // namespace temper::simd

#endif  // TEMPER_SIMD_FLUSH_H_
