// The scalar twin of simd/flush-inl.h, in any number type.
#ifndef TEMPER_TESTS_REFERENCE_FLUSH_H_
#define TEMPER_TESTS_REFERENCE_FLUSH_H_

namespace temper::reference {

inline constexpr double kTiny = 0x1p-63;

inline constexpr double kTinySquare = 0x1p-126;

// v, or +0 where it is smaller than `bound` in magnitude; NaN is kept.
template <class T>
T FlushTiny(T v, T bound = T(kTiny)) {
  return v < bound && v > -bound ? T(0) : v;
}

}  // namespace temper::reference

#endif  // TEMPER_TESTS_REFERENCE_FLUSH_H_
