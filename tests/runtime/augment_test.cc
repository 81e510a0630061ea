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

std::vector<uint8_t> From(const std::vector<Augmentation>& list, Shape stored,
                          const std::vector<uint8_t>& x, Shape shape,
                          uint64_t sample, uint32_t epoch = 0) {
  stored.type = shape.type = ElementType::kU8;
  const auto count = static_cast<uint32_t>(list.size());
  EXPECT_TRUE(CheckAugmentations(list.data(), count, stored, shape).ok());
  std::vector<uint32_t> scratch(
      (AugmentScratchBytes(list.data(), count, stored, shape) + 3) / 4);
  std::vector<uint8_t> y(shape.Count());
  AugmentFrom(list.data(), count, stored, x.data(), shape, 7, sample, epoch,
              y.data(), scratch.data());
  return y;
}

// The mean under a triangle, in double (Pillow's BILINEAR).
std::vector<double> Resized(const Shape& from, const std::vector<double>& x,
                            uint32_t h, uint32_t w) {
  const auto along = [](const std::vector<double>& in, size_t rows, size_t n,
                        size_t step, size_t row_step, size_t out) {
    // Every row of n values becomes one of `out`, stored [row][out].
    std::vector<double> y(rows * out);
    const double scale = double(n) / double(out), wide = std::max(scale, 1.0);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < out; ++i) {
        const double middle = (double(i) + 0.5) * scale;
        double sum = 0, weights = 0;
        for (size_t k = 0; k < n; ++k) {
          const double away = std::abs(double(k) + 0.5 - middle) / wide;
          const double weight = std::max(0.0, 1.0 - away);
          sum += weight * in[r * row_step + k * step];
          weights += weight;
        }
        y[r * out + i] = sum / weights;
      }
    }
    return y;
  };
  std::vector<double> y(size_t{h} * w * from.c);
  for (uint32_t c = 0; c < from.c; ++c) {
    std::vector<double> plane;
    for (size_t i = c; i < x.size(); i += from.c) plane.push_back(x[i]);
    const auto across = along(plane, from.h, from.w, 1, from.w, w);
    const auto both = along(across, w, from.h, w, 1, h);  // [column][row]
    for (uint32_t i = 0; i < h; ++i) {
      for (uint32_t j = 0; j < w; ++j) {
        y[(i * w + j) * from.c + c] = both[j * h + i];
      }
    }
  }
  return y;
}

// Every result is one of the allowed parts, resized; all sizes and places come.
TEST(Augment, RandomResizedCropIsAPartOfTheSample) {
  const Shape stored = {6, 8, 3}, shape = {4, 5, 3};
  const auto x = Sample<uint8_t>(stored);
  struct Part {
    uint32_t y, x, h, w;
    std::vector<double> pixels;
  };
  std::vector<Part> parts;
  for (uint32_t h = 1; h <= 6; ++h) {
    for (uint32_t w = 1; w <= 8; ++w) {
      for (uint32_t i = 0; i + h <= 6; ++i) {
        for (uint32_t j = 0; j + w <= 8; ++j) {
          std::vector<double> cut;
          for (uint32_t r = i; r < i + h; ++r) {
            for (uint32_t k = 3 * j; k < 3 * (j + w); ++k) {
              cut.push_back(x[r * 24 + k]);
            }
          }
          parts.push_back({i, j, h, w, Resized({h, w, 3}, cut, 4, 5)});
        }
      }
    }
  }
  const RandomResizedCropParams p = {.scale_min = 0.25f};
  std::set<std::pair<uint32_t, uint32_t>> sizes, places;
  double areas = 0;
  constexpr int kSamples = 400;
  for (uint64_t sample = 0; sample < kSamples; ++sample) {
    const auto y = From({p}, stored, x, shape, sample);
    const Part* found = nullptr;
    for (const Part& part : parts) {
      bool same = true;
      for (size_t i = 0; i < y.size() && same; ++i) {
        same = std::abs(y[i] - part.pixels[i]) < 1.5;
      }
      if (same) found = &part;
    }
    ASSERT_NE(found, nullptr) << sample;
    // Rounded sides: within half a pixel of what is allowed.
    EXPECT_GE((found->h + 0.5) * (found->w + 0.5), 0.25 * 48);
    EXPECT_GE((found->w + 0.5) / (found->h - 0.5), 0.75);
    EXPECT_LE((found->w - 0.5) / (found->h + 0.5), 4.0 / 3);
    sizes.insert({found->h, found->w});
    places.insert({found->y, found->x});
    areas += found->h * found->w;
  }
  EXPECT_GE(sizes.size(), 6u);
  EXPECT_GE(places.size(), 12u);
  EXPECT_NEAR(areas / kSamples, 0.6 * 48, 0.1 * 48);
}

TEST(Augment, RandomResizedCropOfAllIsTheSample) {
  const Shape s = {9, 9, 1};
  const auto x = Sample<uint8_t>(s);
  const RandomResizedCropParams whole = {1, 1, 1, 1};
  EXPECT_EQ(From({whole}, s, x, s, 3), x);
  // No part of a 1 x 20 sample is as high as the proportions ask for: the middle.
  const Shape flat = {1, 20, 1};
  std::vector<uint8_t> ramp(20);
  for (uint8_t i = 0; i < 20; ++i) ramp[i] = i;
  const RandomResizedCropParams tall = {0.9f, 1, 0.9f, 2.0f};
  EXPECT_EQ(From({tall}, flat, ramp, {1, 2, 1}, 0),
            (std::vector<uint8_t>{9, 10}));
  // The others follow it, and draw by their own place in the list.
  const auto both = From({whole, HFlipParams{1.0f}}, s, x, s, 3);
  EXPECT_EQ(both, Augmented<uint8_t>({HFlipParams{1.0f}}, s, x));
  // Without one, the whole of a larger sample is resized; an equal one copied.
  EXPECT_EQ(From({}, s, x, s, 0), x);
  EXPECT_EQ(From({}, s, x, {3, 3, 1}, 0), From({whole}, s, x, {3, 3, 1}, 0));
}

TEST(Augment, RandomResizedCropKnownBytes) {
  Fnv1a bytes;
  for (uint64_t sample = 0; sample < 100; ++sample) {
    const Shape stored = {40, 48, 3};
    const auto y = From({RandomResizedCropParams{}, HFlipParams{}}, stored,
                        Sample<uint8_t>(stored, sample), {10, 12, 3}, sample,
                        static_cast<uint32_t>(sample % 3));
    bytes.Bytes(y.data(), y.size());
  }
  EXPECT_EQ(bytes.value(), 11375864377003927920u);
}

TEST(Augment, ChecksLists) {
  const auto ok = [](std::vector<Augmentation> list, Shape stored,
                     Shape shape) {
    return CheckAugmentations(list.data(), static_cast<uint32_t>(list.size()),
                              stored, shape)
        .ok();
  };
  const ElementType u8 = ElementType::kU8;
  const Shape large = {9, 9, 3, u8}, small = {4, 4, 3, u8};
  const RandomResizedCropParams crop;
  EXPECT_TRUE(ok({crop, HFlipParams{}}, large, small));
  EXPECT_TRUE(ok({HFlipParams{}}, large, small));
  EXPECT_TRUE(ok({HFlipParams{}}, {9, 9, 5}, {9, 9, 5}));
  EXPECT_FALSE(ok({HFlipParams{}, crop}, large, small));
  EXPECT_FALSE(ok({crop, crop}, large, small));
  EXPECT_FALSE(ok({crop}, {9, 9, 2, u8}, {9, 9, 2, u8}));
  EXPECT_FALSE(ok({crop}, {9, 9, 3}, {9, 9, 3}));
  EXPECT_FALSE(ok({}, large, {4, 4, 1, u8}));
  EXPECT_FALSE(ok({CropParams{5}}, large, small));
  EXPECT_FALSE(ok({RandomResizedCropParams{.scale_min = 0}}, large, small));
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
