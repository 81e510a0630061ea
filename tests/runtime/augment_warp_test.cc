// Augmentations that resample a sample from a copy of it, against a plain
// bilinear one in double; and flips that alternate.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <set>
#include <vector>

#include "runtime/hash.h"
#include "temper/augment.h"
#include "temper/random.h"

namespace temper {
namespace {

constexpr uint64_t kSeed = 7;

template <class T>
std::vector<T> Sample(const Shape& s, uint64_t seed = 1) {
  std::vector<T> x(s.Count());
  for (uint32_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<T>(1 + RandomWord(seed, i, 0, 0, 0) % 255);
  }
  return x;
}

template <class T>
std::vector<T> Augmented(const std::vector<Augmentation>& list, Shape s,
                         const std::vector<T>& x, uint64_t sample = 0,
                         uint32_t epoch = 0) {
  s.type = std::is_same_v<T, uint8_t> ? ElementType::kU8 : ElementType::kF32;
  const auto count = static_cast<uint32_t>(list.size());
  EXPECT_TRUE(CheckAugmentations(list.data(), count, s, s).ok());
  std::vector<uint32_t> scratch(
      (AugmentScratchBytes(list.data(), count, s, s) + 3) / 4);
  std::vector<T> y(x.size());
  AugmentFrom(list.data(), count, s, x.data(), s, kSeed, sample, epoch,
              y.data(), scratch.data());
  return y;
}

// What `affine` draws for a sample, by its words.
struct Drawn {
  double radians, scale, down, right;
};
Drawn DrawnBy(const AffineParams& p, const Shape& s, uint64_t sample,
              uint32_t epoch) {
  const auto random = Philox(kSeed, {0, static_cast<uint32_t>(sample), epoch,
                                     RandomStream(RandomUse::kAugment, 0)});
  const auto between = [](uint32_t word, double low, double high) {
    return low + word / 4294967296.0 * (high - low);
  };
  const double y = double(p.translate) * s.h, x = double(p.translate) * s.w;
  return {between(random[0], -p.degrees, p.degrees) * std::numbers::pi / 180,
          between(random[1], p.scale_min, p.scale_max),
          std::floor(between(random[2], -y, y) + 0.5),
          std::floor(between(random[3], -x, x) + 0.5)};
}

// Each output pixel is taken from where it was before: by a 2 x 2 matrix.
template <class T>
std::vector<double> Expected(const Shape& s, const std::vector<T>& x,
                             const Drawn& d) {
  std::vector<double> y;
  const double mid_y = (s.h - 1) / 2.0, mid_x = (s.w - 1) / 2.0;
  const auto at = [&](double row, double col, uint32_t c) {
    const bool inside = row >= 0 && row < s.h && col >= 0 && col < s.w;
    return inside ? double(x[(size_t(row) * s.w + size_t(col)) * s.c + c]) : 0;
  };
  for (uint32_t i = 0; i < s.h; ++i) {
    for (uint32_t j = 0; j < s.w; ++j) {
      const double v = i - mid_y - d.down, u = j - mid_x - d.right;
      const double row =
          (std::cos(d.radians) * v - std::sin(d.radians) * u) / d.scale + mid_y;
      const double col =
          (std::sin(d.radians) * v + std::cos(d.radians) * u) / d.scale + mid_x;
      const double r = std::floor(row), k = std::floor(col);
      for (uint32_t c = 0; c < s.c; ++c) {
        const double top =
            at(r, k, c) + (col - k) * (at(r, k + 1, c) - at(r, k, c));
        const double low = at(r + 1, k, c) +
                           (col - k) * (at(r + 1, k + 1, c) - at(r + 1, k, c));
        y.push_back(top + (row - r) * (low - top));
      }
    }
  }
  return y;
}

const Shape kShapes[] = {{1, 1, 1}, {4, 5, 1}, {9, 6, 3}, {28, 28, 1}};
const AffineParams kParams[] = {
    {.degrees = 15},
    {.degrees = 180},
    {.scale_min = 0.5f, .scale_max = 2},
    {.translate = 0.3f},
    {.degrees = 40, .scale_min = 0.8f, .scale_max = 1.3f, .translate = 0.2f}};

template <class T>
void AgreesWithAPlainOne(double bound) {
  for (const Shape& s : kShapes) {
    const std::vector<T> x = Sample<T>(s);
    for (const AffineParams& p : kParams) {
      for (uint64_t sample = 0; sample < 20; ++sample) {
        const auto got = Augmented<T>({p}, s, x, sample, 3);
        const auto want = Expected(s, x, DrawnBy(p, s, sample, 3));
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_NEAR(double(got[i]), want[i], bound) << i;
        }
      }
    }
  }
}
TEST(AugmentWarp, AgreesWithAPlainOne) {
  AgreesWithAPlainOne<uint8_t>(0.5 + 1e-9);
  AgreesWithAPlainOne<float>(3e-5);
}

TEST(AugmentWarp, NothingToDoLeavesTheBytes) {
  const Shape s = {9, 6, 3};
  const auto x = Sample<uint8_t>(s);
  EXPECT_EQ(Augmented<uint8_t>({AffineParams{}}, s, x), x);
  EXPECT_EQ(Augmented<uint8_t>({RotateParams{0}}, s, x), x);
  // rotate is affine with the same angle.
  EXPECT_EQ(Augmented<uint8_t>({RotateParams{30}}, s, x, 5),
            Augmented<uint8_t>({AffineParams{.degrees = 30}}, s, x, 5));
  EXPECT_NE(Augmented<uint8_t>({RotateParams{30}}, s, x, 5), x);
}

TEST(AugmentWarp, TheListGoesOnInOrder) {
  const Shape s = {8, 8, 1};
  const auto x = Sample<uint8_t>(s);
  const auto turned = Augmented<uint8_t>({RotateParams{45}}, s, x, 2);
  const auto both =
      Augmented<uint8_t>({RotateParams{45}, HFlipParams{1}}, s, x, 2);
  for (uint32_t i = 0; i < 8; ++i) {
    for (uint32_t j = 0; j < 8; ++j) {
      ASSERT_EQ(both[i * 8 + j], turned[i * 8 + 7 - j]);
    }
  }
}

TEST(AugmentWarp, ChecksRanges) {
  const auto ok = [](const Augmentation& a) {
    return CheckAugmentation(a, {8, 8, 1}).ok();
  };
  EXPECT_TRUE(ok(RotateParams{180}));
  EXPECT_FALSE(ok(RotateParams{-1}));
  EXPECT_FALSE(ok(RotateParams{181}));
  EXPECT_FALSE(ok(AffineParams{.scale_min = 0}));
  EXPECT_FALSE(ok(AffineParams{.translate = 1.5f}));
  EXPECT_TRUE(CopiesSample(RotateParams{}));
  EXPECT_FALSE(CopiesSample(HFlipParams{}));
}

TEST(AugmentWarp, KnownBytes) {
  Fnv1a bytes;
  const Shape s = {12, 10, 3};
  const AffineParams p = kParams[4];
  for (uint64_t sample = 0; sample < 100; ++sample) {
    const auto y =
        Augmented<uint8_t>({p}, s, Sample<uint8_t>(s, sample), sample);
    bytes.Bytes(y.data(), y.size());
    const auto z = Augmented<float>({p}, s, Sample<float>(s, sample), sample);
    bytes.Bytes(z.data(), z.size() * sizeof(float));
  }
  EXPECT_EQ(bytes.value(), 13786660069438980326u);
}

TEST(AlternatingFlip, EveryOtherEpochHalfOfTheSamples) {
  const Shape s = {1, 2, 1};
  int first = 0;
  for (uint64_t sample = 0; sample < 4000; ++sample) {
    bool was = false;
    for (uint32_t epoch = 0; epoch < 6; ++epoch) {
      const auto y = Augmented<uint8_t>({AlternatingFlipParams{}}, s, {1, 2},
                                        sample, epoch);
      const bool flipped = y[0] == 2;
      if (epoch == 0) first += flipped;
      if (epoch > 0) {
        ASSERT_NE(flipped, was);
      }
      was = flipped;
    }
  }
  EXPECT_NEAR(first, 2000, 5 * std::sqrt(1000));
}

}  // namespace
}  // namespace temper
