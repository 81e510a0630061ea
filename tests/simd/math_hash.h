// What the two tests of simd/math.h share: the functions, their stored bits and
// a hash over results. A stored hash may only change together with the
// arithmetic version.
#ifndef TEMPER_TESTS_SIMD_MATH_HASH_H_
#define TEMPER_TESTS_SIMD_MATH_HASH_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/math.h"

namespace temper::testing {

struct MathFunction {
  const char* name;
  void (*kernel)(size_t n, const float* x, float* y);
  double (*reference)(double);
  double ulp;             // bound on exact targets
  double ulp_other;       // bound on targets without FMA,
  double atol_other;      // or this absolute error
  double limit;           // the bounds hold for |x| <= limit
  uint64_t sparse_hash;   // of every kSparse-th pattern
  uint64_t strided_hash;  // of every kStride-th
  uint64_t whole_hash;    // of all 2^32
};

inline constexpr uint64_t kPatterns = uint64_t{1} << 32;
inline constexpr uint64_t kStride = 509;
// 2^16 patterns that have every exponent, both signs and all low bits among
// them: as many as an emulated machine does in seconds.
inline constexpr uint64_t kSparse = 65537;

inline double SigmoidOf(double x) { return 1 / (1 + std::exp(-x)); }
inline double NormalTailOf(double x) {
  return 0.5 * std::erfc(std::fabs(x) / std::sqrt(2.0));
}

inline const MathFunction kMathFunctions[] = {
    {"exp", simd::Exp, std::exp, 1.05, 2, 0, INFINITY, 0x8187d0bb9b1b546d,
     0x4349e1a7e4117a03, 0x6c03a03aa269608e},
    {"log", simd::Log, std::log, 0.85, 2, 0, INFINITY, 0x0686daf1c08b8793,
     0xabb209735d16e7c1, 0x6d8fcfbd57024cc5},
    {"tanh", simd::Tanh, std::tanh, 2.55, 4, 0, INFINITY, 0xd20eb34b6a1f18b2,
     0x8d0422bf400904f9, 0x5ce1be9473998af3},
    {"expm1", simd::Expm1, std::expm1, 1.6, 3, 0, INFINITY, 0x21dbc68c7ba017ef,
     0xa12f9b622a91cf7e, 0x25e3855d1c62db54},
    {"log1p", simd::Log1p, std::log1p, 1.6, 3, 0, INFINITY, 0x57554738966daadb,
     0x8b3b29e4d5865a40, 0x90e617efe7996b8e},
    {"sigmoid", simd::Sigmoid, SigmoidOf, 2.6, 4, 0, 80, 0x479875d5f84e9987,
     0xe5c7137e78fb0ea4, 0x7ebe0749124b2e53},
    {"normal_tail", simd::NormalTail, NormalTailOf, 7, 200, 0, 10,
     0x53bec7d6c68e106c, 0x5277233865704ea6, 0xe593e0c851804aa4},
    {"sin", simd::Sin, std::sin, 1.6, 4, 1e-9, 10000, 0xc16578004f2f7e9f,
     0xbc05e1ef772b2c22, 0xcd58e6b44eeae2c2},
    {"cos", simd::Cos, std::cos, 1.6, 4, 1e-9, 10000, 0xdb3811ad03bdd079,
     0xc93c9e38e987677b, 0xb888574b6c89fbb5},
};

// Eight interleaved FNV-1a chains of 64 bits over the bits of the floats, NaN
// counted as one value.
class BitHash {
 public:
  // n must be a multiple of 8 in every call but the last.
  void Add(const float* y, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
      for (size_t lane = 0; lane < 8 && i + lane < n; ++lane) {
        uint32_t bits;
        std::memcpy(&bits, y + i + lane, sizeof(bits));
        if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fc00000u;
        lanes_[lane] = (lanes_[lane] ^ bits) * kPrime;
      }
    }
  }
  void Add(uint64_t word) { lanes_[0] = (lanes_[0] ^ word) * kPrime; }
  uint64_t Value() const {
    uint64_t value = kBasis;
    for (uint64_t lane : lanes_) {
      value = (value ^ lane ^ (lane >> 32)) * kPrime;
    }
    return value;
  }

 private:
  static constexpr uint64_t kBasis = 0xcbf29ce484222325u;
  static constexpr uint64_t kPrime = 0x100000001b3u;
  uint64_t lanes_[8] = {kBasis, kBasis, kBasis, kBasis,
                        kBasis, kBasis, kBasis, kBasis};
};

// x[i] = the float with the bits first + i * stride.
inline void FillPatterns(uint64_t first, uint64_t stride, size_t n, float* x) {
  for (size_t i = 0; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(first + i * stride);
    std::memcpy(x + i, &bits, sizeof(bits));
  }
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_SIMD_MATH_HASH_H_
