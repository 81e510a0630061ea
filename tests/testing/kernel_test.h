// What kernel tests share: every target of this CPU, buffers whose padding is
// poison, a sequential and a many-threaded runner, and reproducible data.
#ifndef TEMPER_TESTS_TESTING_KERNEL_TEST_H_
#define TEMPER_TESTS_TESTING_KERNEL_TEST_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "simd/rows.h"
#include "simd/target.h"
#include "temper/parallel.h"
#include "temper/random.h"
#include "tests/testing/thread_runner.h"

namespace temper::testing {

// NEON of 32-bit ARM reads and writes numbers below this as zero.
#ifdef __arm__
inline constexpr float kFlushed = std::numeric_limits<float>::min();
#else
inline constexpr float kFlushed = 0.0f;
#endif

// Runs body() once per SIMD target that this CPU supports.
template <class Body>
void ForEachTarget(Body&& body) {
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  ASSERT_GT(count, 0u);
  for (size_t i = 0; i < count; ++i) {
    SCOPED_TRACE(targets[i].name);
    ASSERT_TRUE(simd::ForceTarget(targets[i].name));
    body(targets[i]);
  }
  ASSERT_TRUE(simd::ForceTarget(nullptr));
}

// n floats between NaN guards; the guard after serves as the readable tail and
// both are checked to be untouched.
class Buffer {
 public:
  explicit Buffer(size_t n,
                  float fill = std::numeric_limits<float>::quiet_NaN())
      : n_(n),
        storage_(n + 2 * kGuard, std::numeric_limits<float>::quiet_NaN()) {
    for (size_t i = 0; i < n; ++i) data()[i] = fill;
  }
  float* data() { return storage_.data() + kGuard; }
  const float* data() const { return storage_.data() + kGuard; }
  size_t size() const { return n_; }
  // ptrdiff_t like the built-in operator that the conversions below offer, too:
  // with size_t, buffer[0] is ambiguous where int is ptrdiff_t (32 bits).
  float& operator[](ptrdiff_t i) { return data()[i]; }
  float operator[](ptrdiff_t i) const { return data()[i]; }
  operator float*() { return data(); }
  operator const float*() const { return data(); }

  // Uniform in [-1, 1), a function of the seed.
  Buffer& Randomize(uint64_t seed) {
    for (size_t i = 0; i < n_; ++i) {
      const uint32_t word = RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 0);
      data()[i] = static_cast<float>(static_cast<int32_t>(word)) * 0x1p-31f;
    }
    return *this;
  }
  bool GuardsIntact() const {
    for (size_t i = 0; i < kGuard; ++i) {
      if (!std::isnan(storage_[i]) || !std::isnan(storage_[kGuard + n_ + i]))
        return false;
    }
    return true;
  }
  bool SameBits(const Buffer& other) const {
    return n_ == other.n_ &&
           std::memcmp(data(), other.data(), n_ * sizeof(float)) == 0;
  }

 private:
  static constexpr size_t kGuard = simd::kTailBytes / sizeof(float);
  size_t n_;
  std::vector<float> storage_;
};

// |actual - expected| <= atol + rtol * |expected|; NaN only equals NaN.
inline ::testing::AssertionResult Near(double actual, double expected,
                                       double rtol, double atol) {
  if (std::isnan(expected) && std::isnan(actual))
    return ::testing::AssertionSuccess();
  if (actual == expected) return ::testing::AssertionSuccess();
  if (std::fabs(actual - expected) <= atol + rtol * std::fabs(expected))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << actual << " is not near " << expected << " (off by "
         << actual - expected << ")";
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_KERNEL_TEST_H_
