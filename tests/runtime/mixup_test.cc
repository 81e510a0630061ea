// Mixup: shares have a Beta distribution, pairs keep what they have together, and
// what happens depends on the key alone.
#include "temper/mixup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/hash.h"

namespace temper {
namespace {

// Beta(a, a) has mean 1/2, variance 1 / (4 (2 a + 1)), and its fourth central
// moment is 3 / (16 (2 a + 1) (2 a + 3)).
TEST(Mixup, SharesAreBeta) {
  constexpr int kDraws = 40000;
  for (const float alpha : {0.05f, 0.2f, 0.4f, 1.0f, 3.0f, 50.0f}) {
    SCOPED_TRACE(alpha);
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = MixupShare({alpha, 5}, 1, static_cast<uint64_t>(i));
      ASSERT_GE(x, 0);
      ASSERT_LE(x, 1);
      sum += x - 0.5;
      squares += (x - 0.5) * (x - 0.5);
    }
    const double a = alpha;
    const double variance = 1 / (4 * (2 * a + 1));
    const double fourth = 3 / (16 * (2 * a + 1) * (2 * a + 3));
    EXPECT_NEAR(sum / kDraws, 0, 5 * std::sqrt(variance / kDraws));
    EXPECT_NEAR(squares / kDraws, variance,
                5 * std::sqrt((fourth - variance * variance) / kDraws));
  }
}

// Beta(1, 1) is uniform: no gap to the diagonal larger than Kolmogorov's.
TEST(Mixup, AlphaOneIsUniform) {
  std::vector<float> x;
  for (uint64_t i = 0; i < 20000; ++i) x.push_back(MixupShare({1, 3}, 0, i));
  std::sort(x.begin(), x.end());
  double gap = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    gap = std::max(gap, std::abs(double(x[i]) - double(i) / 20000));
  }
  EXPECT_LT(gap, 1.95 / std::sqrt(20000));  // 0.1 %
}

TEST(Mixup, DependsOnTheKeyAlone) {
  const float once = MixupShare({0.4f, 1}, 2, 3);
  EXPECT_EQ(MixupShare({0.4f, 1}, 2, 3), once);
  EXPECT_NE(MixupShare({0.4f, 2}, 2, 3), once);
  EXPECT_NE(MixupShare({0.4f, 1}, 3, 3), once);
  EXPECT_NE(MixupShare({0.4f, 1}, 2, 4), once);
}

template <class T>
void PairsAreMixed(ElementType type, double rounding) {
  const Shape shape = {2, 3, 2, type};
  constexpr uint32_t kRows = 5, kCount = 12, kWidth = 3;
  const uint64_t ids[kRows] = {9, 4, 7, 1, 30};
  std::vector<T> x(kRows * kCount);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(i * 37 % 256);
  std::vector<float> t(kRows * kWidth);
  for (uint32_t r = 0; r < kRows; ++r) t[r * kWidth + r % kWidth] = 1;
  std::vector<T> y = x;
  std::vector<float> u = t;
  const Mixup mixup = {0.8f, 6};
  MixBatch(mixup, 2, kRows, ids, shape, y.data(), kWidth, u.data());
  for (uint32_t r = 0; r < kRows; ++r) {
    const uint32_t other = kRows - 1 - r;
    const double own = MixupShare(mixup, 2, ids[std::min(r, other)]);
    for (uint32_t i = 0; i < kCount; ++i) {
      const double want = own * double(x[r * kCount + i]) +
                          (1 - own) * double(x[other * kCount + i]);
      ASSERT_NEAR(double(y[r * kCount + i]), want, rounding);
    }
    double sum = 0;
    for (uint32_t i = 0; i < kWidth; ++i) {
      sum += u[r * kWidth + i];
      ASSERT_NEAR(u[r * kWidth + i],
                  own * t[r * kWidth + i] + (1 - own) * t[other * kWidth + i],
                  1e-6);
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
  // The one in the middle has no other.
  EXPECT_TRUE(std::equal(x.begin() + 2 * kCount, x.begin() + 3 * kCount,
                         y.begin() + 2 * kCount));
  EXPECT_NE(x, y);
}
TEST(Mixup, PairsAreMixed) {
  PairsAreMixed<uint8_t>(ElementType::kU8, 0.5 + 1e-4);
  PairsAreMixed<float>(ElementType::kF32, 1e-4);
}

TEST(Mixup, OneRowOrNoneStays) {
  const Shape shape = {1, 1, 2, ElementType::kF32};
  float x[2] = {3, 4}, t[2] = {0, 1};
  const uint64_t id = 0;
  MixBatch({1, 1}, 0, 1, &id, shape, x, 2, t);
  MixBatch({1, 1}, 0, 0, &id, shape, x, 2, t);
  EXPECT_EQ(x[0], 3);
  EXPECT_EQ(t[1], 1);
}

// The same bytes on every machine.
TEST(Mixup, KnownBytes) {
  Fnv1a bytes;
  for (const float alpha : {0.05f, 0.3f, 1.0f, 20.0f}) {
    for (uint64_t i = 0; i < 500; ++i) {
      const float share = MixupShare({alpha, 8}, 1, i);
      bytes.Bytes(&share, sizeof(share));
    }
  }
  EXPECT_EQ(bytes.value(), 10485999274569368114u);
}

}  // namespace
}  // namespace temper
