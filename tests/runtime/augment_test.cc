// Augmentations against plain references, their distribution over samples, the
// independence of a sample's fate from everything but its key, known bytes.
#include "temper/augment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "runtime/hash.h"
#include "temper/random.h"
#include "temper/registry.h"

namespace temper {
namespace {

template <class T>
constexpr ElementType kType =
    std::is_same_v<T, uint8_t> ? ElementType::kU8 : ElementType::kF32;

template <class T>
std::vector<T> Sample(const Shape& s, uint64_t seed = 1) {
  std::vector<T> x(s.Count());
  for (uint32_t i = 0; i < x.size(); ++i) {
    // From 1 up, so that a 0 is one that came in.
    x[i] = static_cast<T>(1 + RandomWord(seed, i, 0, 0, 0) % 255);
  }
  return x;
}

template <class T>
std::vector<T> Augmented(const std::vector<Augmentation>& list, Shape s,
                         std::vector<T> x, uint64_t sample = 0,
                         uint32_t epoch = 0, uint64_t seed = 7) {
  s.type = kType<T>;
  Augment(list.data(), static_cast<uint32_t>(list.size()), s, seed, sample,
          epoch, x.data());
  return x;
}

const Shape kShapes[] = {{1, 1, 1}, {4, 5, 1}, {5, 4, 3}, {7, 7, 2}, {2, 9, 3}};

template <class T>
void FlipsSwap() {
  for (const Shape& s : kShapes) {
    const std::vector<T> x = Sample<T>(s);
    const auto h = Augmented<T>({HFlipParams{1.0f}}, s, x);
    const auto v = Augmented<T>({VFlipParams{1.0f}}, s, x);
    for (uint32_t i = 0; i < s.h; ++i) {
      for (uint32_t j = 0; j < s.w; ++j) {
        for (uint32_t c = 0; c < s.c; ++c) {
          const auto at = [&](uint32_t row, uint32_t col) {
            return (row * s.w + col) * s.c + c;
          };
          ASSERT_EQ(h[at(i, j)], x[at(i, s.w - 1 - j)]);
          ASSERT_EQ(v[at(i, j)], x[at(s.h - 1 - i, j)]);
        }
      }
    }
    EXPECT_EQ(Augmented<T>({HFlipParams{0.0f}}, s, x), x);
    EXPECT_EQ(Augmented<T>({VFlipParams{0.0f}}, s, x), x);
  }
}
TEST(Augment, FlipsSwap) {
  FlipsSwap<uint8_t>();
  FlipsSwap<float>();
}

TEST(Augment, FlipsHappenAsOftenAsTheySay) {
  const Shape s = {1, 2, 1};
  for (const float p : {0.1f, 0.5f, 0.9f}) {
    int flipped = 0;
    for (uint64_t sample = 0; sample < 4000; ++sample) {
      flipped +=
          Augmented<uint8_t>({HFlipParams{p}}, s, {1, 2}, sample)[0] == 2;
    }
    // Five standard deviations.
    EXPECT_NEAR(flipped, 4000 * p, 5 * std::sqrt(4000 * p * (1 - p)));
  }
}

// The sample in a field of zeros, cut at (dy, dx).
template <class T>
std::vector<T> PaddedAndCut(const Shape& s, const std::vector<T>& x, int dy,
                            int dx) {
  std::vector<T> y(x.size());
  for (int i = 0; i < static_cast<int>(s.h); ++i) {
    for (int j = 0; j < static_cast<int>(s.w); ++j) {
      const int row = i + dy, col = j + dx;
      if (row < 0 || row >= static_cast<int>(s.h) || col < 0 ||
          col >= static_cast<int>(s.w)) {
        continue;
      }
      for (uint32_t c = 0; c < s.c; ++c) {
        y[(i * s.w + j) * s.c + c] = x[(row * s.w + col) * s.c + c];
      }
    }
  }
  return y;
}

template <class T>
void CropsAreAllPlacesAlike() {
  for (const Shape& s : kShapes) {
    const int most = static_cast<int>(std::min({s.h, s.w, 3u}));
    const std::vector<T> x = Sample<T>(s);
    std::vector<std::pair<std::vector<T>, std::pair<int, int>>> places;
    const auto find = [&](const std::vector<T>& y) {
      return std::find_if(places.begin(), places.end(),
                          [&](const auto& place) { return place.first == y; });
    };
    for (int dy = -most; dy <= most; ++dy) {
      for (int dx = -most; dx <= most; ++dx) {
        const auto cut = PaddedAndCut(s, x, dy, dx);
        if (find(cut) == places.end()) places.push_back({cut, {dy, dx}});
      }
    }
    std::map<std::pair<int, int>, int> seen;
    for (uint64_t sample = 0; sample < 2000; ++sample) {
      const auto y =
          Augmented<T>({CropParams{static_cast<uint32_t>(most)}}, s, x, sample);
      const auto place = find(y);
      ASSERT_NE(place, places.end()) << "neither of the places";
      ++seen[place->second];
    }
    EXPECT_EQ(seen.size(), places.size());
    const double even = 2000.0 / ((2 * most + 1) * (2 * most + 1));
    for (const auto& [place, times] : seen) {
      if (s.h == 1 || s.h == 2) break;  // places that look alike
      EXPECT_NEAR(times, even, 6 * std::sqrt(even))
          << place.first << " " << place.second;
    }
  }
}
TEST(Augment, CropsAreAllPlacesAlike) {
  CropsAreAllPlacesAlike<uint8_t>();
  CropsAreAllPlacesAlike<float>();
}

// One factor explains all elements, and it is in its range.
TEST(Augment, BrightnessIsOneFactor) {
  const Shape s = {9, 8, 3};
  double low = 10, high = 0, sum = 0;
  for (uint64_t sample = 0; sample < 500; ++sample) {
    const auto x = Sample<float>(s);
    const auto y = Augmented<float>({BrightnessParams{0.4f}}, s, x, sample);
    const double factor = double{y[5]} / double{x[5]};
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(y[i], factor * double{x[i]}, 1e-4);
    }
    low = std::min(low, factor), high = std::max(high, factor), sum += factor;
    const auto bytes = Sample<uint8_t>(s);
    const auto z =
        Augmented<uint8_t>({BrightnessParams{0.4f}}, s, bytes, sample);
    for (size_t i = 0; i < bytes.size(); ++i) {
      // torchvision: clamped, then truncated.
      const double exact = std::min(255.0, factor * bytes[i]);
      ASSERT_TRUE(z[i] == std::floor(exact - 1e-4) ||
                  z[i] == std::floor(exact + 1e-4))
          << exact << " " << int{z[i]};
    }
  }
  EXPECT_GE(low, 0.6 - 1e-6);
  EXPECT_LT(low, 0.61);
  EXPECT_LE(high, 1.4 + 1e-6);
  EXPECT_GT(high, 1.39);
  EXPECT_NEAR(sum / 500, 1.0, 5 * 0.8 / std::sqrt(12.0 * 500));
}

TEST(Augment, ContrastTurnsAboutTheMean) {
  for (const Shape s : {Shape{6, 7, 1}, Shape{6, 7, 3}, Shape{3, 3, 2}}) {
    const auto x = Sample<float>(s);
    const auto bytes = Sample<uint8_t>(s);
    // The same numbers: the means differ only by the truncated grey values.
    double mean = 0, grey = 0;
    for (size_t i = 0; i < x.size(); ++i) mean += double{x[i]} / x.size();
    if (s.c == 3) {
      mean = 0;
      for (size_t i = 0; i < x.size(); i += 3) {
        const double g = 0.2989 * x[i] + 0.587 * x[i + 1] + 0.114 * x[i + 2];
        mean += g * 3 / x.size();
        grey += std::floor(g) * 3 / x.size();
      }
    } else {
      grey = mean;
    }
    double low = 10, high = 0;
    for (uint64_t sample = 0; sample < 500; ++sample) {
      const std::vector<Augmentation> list = {ContrastParams{0.9f}};
      const auto y = Augmented<float>(list, s, x, sample);
      const auto [least, most] = std::minmax_element(x.begin(), x.end());
      const double factor =
          (double{y[most - x.begin()]} - double{y[least - x.begin()]}) /
          (double{*most} - double{*least});
      low = std::min(low, factor), high = std::max(high, factor);
      const auto z = Augmented<uint8_t>(list, s, bytes, sample);
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(y[i], mean + factor * (x[i] - mean), 1e-3);
        const double exact =
            std::clamp(grey + factor * (bytes[i] - grey), 0.0, 255.0);
        ASSERT_TRUE(z[i] == std::floor(exact - 1e-3) ||
                    z[i] == std::floor(exact + 1e-3) || (exact < 1e-3 && !z[i]))
            << exact << " " << int{z[i]};
      }
    }
    EXPECT_GE(low, 0.1 - 1e-4);
    EXPECT_LT(low, 0.12);
    EXPECT_LE(high, 1.9 + 1e-4);
    EXPECT_GT(high, 1.88);
  }
}

// A rectangle of zeros, nothing else changed; its centre everywhere.
template <class T>
void CutoutIsASquareAnywhere() {
  const Shape s = {9, 7, 2};
  const auto x = Sample<T>(s);
  for (const int side : {1, 2, 3, 7}) {
    std::set<std::pair<int, int>> centres;
    for (uint64_t sample = 0; sample < 1500; ++sample) {
      const auto y = Augmented<T>({CutoutParams{static_cast<uint32_t>(side)}},
                                  s, x, sample);
      int found = 0;
      for (int ci = 0; ci < 9; ++ci) {
        for (int cj = 0; cj < 7; ++cj) {
          auto expected = x;
          for (int i = std::max(0, ci - side / 2);
               i < std::min(9, ci - side / 2 + side); ++i) {
            for (int j = std::max(0, cj - side / 2);
                 j < std::min(7, cj - side / 2 + side); ++j) {
              expected[(i * 7 + j) * 2] = expected[(i * 7 + j) * 2 + 1] = 0;
            }
          }
          if (expected != y) continue;
          centres.insert({ci, cj});
          ++found;
        }
      }
      ASSERT_GE(found, 1);
    }
    EXPECT_EQ(centres.size(), 63u) << side;
  }
}
TEST(Augment, CutoutIsASquareAnywhere) {
  CutoutIsASquareAnywhere<uint8_t>();
  CutoutIsASquareAnywhere<float>();
}

const std::vector<Augmentation> kAll = {
    HFlipParams{0.5f},      VFlipParams{0.5f},    CropParams{3},
    BrightnessParams{0.3f}, ContrastParams{0.3f}, CutoutParams{4}};

TEST(Augment, DependsOnTheKeyAlone) {
  const Shape s = {12, 10, 3};
  const auto x = Sample<uint8_t>(s);
  const auto once = Augmented<uint8_t>(kAll, s, x, 3, 2, 9);
  EXPECT_EQ(Augmented<uint8_t>(kAll, s, x, 3, 2, 9), once);
  EXPECT_NE(Augmented<uint8_t>(kAll, s, x, 4, 2, 9), once);
  EXPECT_NE(Augmented<uint8_t>(kAll, s, x, 3, 3, 9), once);
  EXPECT_NE(Augmented<uint8_t>(kAll, s, x, 3, 2, 10), once);
  // Two of a kind in one list are two draws.
  std::set<std::pair<bool, bool>> draws;
  for (uint64_t sample = 0; sample < 64; ++sample) {
    const std::vector<Augmentation> first = {HFlipParams{0.5f}};
    const std::vector<Augmentation> second = {VFlipParams{0.0f},
                                              HFlipParams{0.5f}};
    draws.insert(
        {Augmented<uint8_t>(first, {1, 2, 1}, {1, 2}, sample)[0] == 2,
         Augmented<uint8_t>(second, {1, 2, 1}, {1, 2}, sample)[0] == 2});
  }
  EXPECT_EQ(draws.size(), 4u);
  EXPECT_EQ(Augmented<uint8_t>({}, s, x), x);
}

// The same bytes on every machine.
TEST(Augment, KnownBytes) {
  const Shape s = {12, 10, 3};
  Fnv1a bytes, floats;
  for (uint64_t sample = 0; sample < 100; ++sample) {
    const auto y =
        Augmented<uint8_t>(kAll, s, Sample<uint8_t>(s, sample), sample);
    bytes.Bytes(y.data(), y.size());
    const auto z = Augmented<float>(kAll, s, Sample<float>(s, sample), sample);
    floats.Bytes(z.data(), z.size() * sizeof(float));
  }
  EXPECT_EQ(bytes.value(), 14279772475026286955u);
  EXPECT_EQ(floats.value(), 8088626564788786625u);
}

TEST(Augment, ChecksAmounts) {
  const Shape s = {8, 6, 1};
  const auto ok = [&](const Augmentation& a) {
    return CheckAugmentation(a, s).ok();
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {nan, -1.0f, 1e9f}) {
    EXPECT_FALSE(ok(HFlipParams{bad}));
    EXPECT_FALSE(ok(VFlipParams{bad}));
    EXPECT_FALSE(ok(BrightnessParams{bad}));
    EXPECT_FALSE(ok(ContrastParams{bad}));
  }
  EXPECT_TRUE(ok(HFlipParams{1.0f}));
  EXPECT_TRUE(ok(VFlipParams{0.0f}));
  EXPECT_TRUE(ok(BrightnessParams{10.0f}));
  EXPECT_TRUE(ok(ContrastParams{0.0f}));
  EXPECT_FALSE(ok(HFlipParams{1.01f}));
  EXPECT_FALSE(ok(CropParams{0}));
  EXPECT_TRUE(ok(CropParams{6}));
  EXPECT_FALSE(ok(CropParams{7}));
  EXPECT_FALSE(ok(CropParams{~0u}));
  EXPECT_TRUE(ok(CutoutParams{6}));
  EXPECT_FALSE(ok(CutoutParams{7}));
  Augmentation none;
  none.kind = AugmentKind::kCount;
  EXPECT_FALSE(ok(none));
  for (uint32_t i = 0; i < static_cast<uint32_t>(AugmentKind::kCount); ++i) {
    const auto kind = static_cast<AugmentKind>(i);
    EXPECT_EQ(AugmentationCatalogue().Find(AugmentName(kind)), i);
  }
  EXPECT_EQ(AugmentationCatalogue().Find("hflop"),
            static_cast<uint32_t>(AugmentKind::kCount));
}

}  // namespace
}  // namespace temper
