// simd/elementwise.h against its twins, and Philox against its known answers.
#include "simd/elementwise.h"

#include <memory>

#include "tests/reference/elementwise.h"
#include "tests/testing/gradient.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::Doubles;
using testing::Near;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kSizes[] = {1,  2,  3,  4,  5,  7,  8,   9,   15,  16,  17,
                             31, 32, 33, 63, 64, 65, 127, 128, 509, 1021};

// Values around the corners of ReLU and ReLU6, and every special one.
Buffer Corners(size_t n, uint64_t seed) {
  Buffer x = Buffer(n).Randomize(seed);
  const float special[] = {0.0f,  -0.0f, 6.0f,   kInf,
                           -kInf, kNan,  1e-45f, -1e-45f};
  for (size_t i = 0; i < n; ++i) {
    x[i] *= 9;
    if (i % 3 == 2) x[i] = special[(i / 3 + seed) % 8];
  }
  return x;
}

void ExpectEqual(const Buffer& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  EXPECT_TRUE(actual.GuardsIntact());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(actual[i] == static_cast<float>(expected[i]) ||
                (std::isnan(actual[i]) && std::isnan(expected[i])))
        << i << ": " << actual[i] << " is not " << expected[i];
  }
}

TEST(Philox, KnownAnswers) {
  // From the authors' Random123 distribution (kat_vectors, philox4x32 10).
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(Philox(0, {0, 0, 0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox(~uint64_t{0}, {~0u, ~0u, ~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox(0x299f31d0a4093822,
                   {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, CounterLayout) {
  const auto words = Philox(0x0123456789abcdef, {25, 7, 3, 0x20005});
  EXPECT_EQ(RandomStream(RandomUse::kDropout, 5), 0x20005u);
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(RandomWord(0x0123456789abcdef, 100 + i, 7, 3, 0x20005), words[i]);
  }
}

TEST(Relu, ForwardMatchesTheTwin) {
  for (size_t n : kSizes) {
    const Buffer x = Corners(n, n);
    std::vector<double> relu(n), relu6(n);
    reference::Relu(n, Doubles(x).data(), relu.data());
    reference::Relu6(n, Doubles(x).data(), relu6.data());
    testing::ForEachTarget([&](simd::Target) {
      Buffer y(n);
      simd::Activate(n, simd::Activation::kRelu, x, y, {});
      ExpectEqual(y, relu);
      for (size_t i = 0; i < n; ++i)
        EXPECT_FALSE(y[i] == 0 && std::signbit(y[i]));
      y = x;
      simd::Activate(n, simd::Activation::kRelu, y, y, {});
      ExpectEqual(y, relu);
      y = Buffer(n);
      simd::Activate(n, simd::Activation::kRelu6, x, y, {});
      ExpectEqual(y, relu6);
      for (size_t i = 0; i < n; ++i)
        EXPECT_FALSE(y[i] == 0 && std::signbit(y[i]));
      y = x;
      simd::Activate(n, simd::Activation::kRelu6, y, y, {});
      ExpectEqual(y, relu6);
    });
  }
}

TEST(Relu, BackwardMatchesTheTwin) {
  for (size_t n : kSizes) {
    for (const bool accumulate : {false, true}) {
      const Buffer y = Corners(n, n), dy = Buffer(n).Randomize(2),
                   dx = Buffer(n).Randomize(3);
      std::vector<double> relu = Doubles(dx), relu6 = relu;
      reference::ReluBackward(n, Doubles(y).data(), Doubles(dy).data(),
                              accumulate, relu.data());
      reference::Relu6Backward(n, Doubles(y).data(), Doubles(dy).data(),
                               accumulate, relu6.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer actual = accumulate ? dx : Buffer(n);
        simd::ActivateBackward(n, simd::Activation::kRelu, y, dy, accumulate,
                               actual, {});
        ExpectEqual(actual, relu);
        actual = accumulate ? dx : Buffer(n);
        simd::ActivateBackward(n, simd::Activation::kRelu6, y, dy, accumulate,
                               actual, {});
        ExpectEqual(actual, relu6);
        if (accumulate) return;
        actual = dy;
        simd::ActivateBackward(n, simd::Activation::kRelu, y, actual, false,
                               actual, {});
        ExpectEqual(actual, relu);
      });
    }
  }
}

TEST(Elementwise, AddScaleCopyFillMatchTheTwins) {
  for (size_t n : kSizes) {
    const Buffer a = Corners(n, n), b = Buffer(n).Randomize(2);
    std::vector<double> sum(n), scaled(n);
    reference::Add(n, Doubles(a).data(), Doubles(b).data(), sum.data());
    reference::Scale(n, double{-0.3f}, Doubles(a).data(), scaled.data());
    testing::ForEachTarget([&](simd::Target) {
      Buffer y(n);
      simd::Add(n, a, b, y, {});
      ExpectEqual(y, sum);
      y = a;
      simd::Add(n, y, b, y, {});
      ExpectEqual(y, sum);
      y = Buffer(n);
      simd::Scale(n, -0.3f, a, y, {});
      ExpectEqual(y, scaled);
      y = a;
      simd::Scale(n, -0.3f, y, y, {});
      ExpectEqual(y, scaled);
      y = Buffer(n);
      simd::Copy(n, a, y, {});
      EXPECT_TRUE(y.SameBits(a) && y.GuardsIntact());
      simd::Copy(n, y, y, {});
      EXPECT_TRUE(y.SameBits(a) && y.GuardsIntact());
      simd::Fill(n, -2.5f, y, {});
      ExpectEqual(y, std::vector<double>(n, -2.5));
    });
  }
}

TEST(Elementwise, ZeroElementsTouchNothing) {
  testing::ForEachTarget([&](simd::Target) {
    simd::Activate(0, simd::Activation::kRelu, nullptr, nullptr, {});
    simd::Fill(0, 1.0f, nullptr, {});
    simd::Copy(0, nullptr, nullptr, {});
    simd::NormalizeU8(0, 3, nullptr, 1.0f, nullptr, nullptr, nullptr, {});
    simd::Dropout(0, 5, nullptr, 1.0f, 0, 0, nullptr, 0, 0, false, nullptr, {});
    simd::Dropout(5, 0, nullptr, 1.0f, 0, 0, nullptr, 0, 0, false, nullptr, {});
  });
}

TEST(Normalize, MatchesTheTwinForEveryPeriod) {
  for (size_t period : {1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 64, 192}) {
    for (size_t n : {1, 2, 3, 15, 16, 17, 47, 192, 193, 384, 1021}) {
      // Exactly n elements on the heap: a sanitizer sees any read past them.
      const auto bytes = std::make_unique<uint8_t[]>(n);
      const auto floats = std::make_unique<float[]>(n);
      for (size_t i = 0; i < n; ++i) {
        bytes[i] = static_cast<uint8_t>(i * 37 + 255);
        floats[i] = 3.0f * Buffer(1).Randomize(i)[0];
      }
      Buffer mean = Buffer(period).Randomize(1),
             std = Buffer(period).Randomize(2);
      for (size_t i = 0; i < period; ++i) std[i] = 0.3f + std::fabs(std[i]);
      const float scale = 1 / 255.0f;
      std::vector<double> from_bytes(n), from_floats(n);
      reference::Normalize(n, period, bytes.get(), double{scale},
                           Doubles(mean).data(), Doubles(std).data(),
                           from_bytes.data());
      reference::Normalize(n, period, floats.get(), double{scale},
                           Doubles(mean).data(), Doubles(std).data(),
                           from_floats.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer y(n);
        simd::NormalizeU8(n, period, bytes.get(), scale, mean, std, y, {});
        EXPECT_TRUE(y.GuardsIntact());
        for (size_t i = 0; i < n; ++i) {
          EXPECT_TRUE(Near(y[i], from_bytes[i], 2e-7, 3e-7)) << i;
        }
        y = Buffer(n);
        simd::NormalizeF32(n, period, floats.get(), scale, mean, std, y, {});
        EXPECT_TRUE(y.GuardsIntact());
        for (size_t i = 0; i < n; ++i) {
          EXPECT_TRUE(Near(y[i], from_floats[i], 2e-7, 3e-7)) << i;
        }
      });
    }
  }
}

// With the same rounding steps the twin in float gives the same bits.
TEST(Normalize, TwoRoundingsOnExactTargets) {
  const size_t n = 997, period = 3;
  std::vector<uint8_t> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<uint8_t>(i * 91);
  const float mean[] = {0.485f, 0.456f, 0.406f},
              std[] = {0.229f, 0.224f, 0.225f};
  const float scale = 1 / 255.0f;
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    Buffer y(n);
    simd::NormalizeU8(n, period, x.data(), scale, mean, std, y, {});
    for (size_t i = 0; i < n; ++i) {
      EXPECT_EQ(y[i], std::fma(static_cast<float>(x[i]), scale, -mean[i % 3]) /
                          std[i % 3]);
    }
  });
}

TEST(Dropout, KeepsWhatThePhiloxWordSays) {
  const uint64_t seed = 0xfedcba9876543210;
  for (size_t n : kSizes) {
    for (size_t rows : {1, 2, 5}) {
      for (uint32_t threshold :
           {0u, 1u, 0x40000000u, 0x80000000u, 0xffffffffu}) {
        for (const bool accumulate : {false, true}) {
          std::vector<uint64_t> ids(rows);
          for (size_t r = 0; r < rows; ++r) ids[r] = 0xfffffffe - 977 * r;
          const Buffer x = Buffer(rows * n).Randomize(1),
                       old = Buffer(rows * n).Randomize(2);
          std::vector<double> y = Doubles(old);
          reference::Dropout(rows, n, Doubles(x).data(), double{1.25f},
                             threshold, seed, ids.data(), 9, 0x20003u,
                             accumulate, y.data());
          testing::ForEachTarget([&](simd::Target) {
            Buffer actual = accumulate ? old : Buffer(rows * n);
            simd::Dropout(rows, n, x, 1.25f, threshold, seed, ids.data(), 9,
                          0x20003u, accumulate, actual, {});
            EXPECT_TRUE(actual.GuardsIntact());
            for (size_t i = 0; i < rows * n; ++i) {
              EXPECT_TRUE(Near(actual[i], y[i], 1.2e-7, 1.2e-7)) << i;
            }
            if (accumulate) return;
            actual = x;
            simd::Dropout(rows, n, actual, 1.25f, threshold, seed, ids.data(),
                          9, 0x20003u, false, actual, {});
            for (size_t i = 0; i < rows * n; ++i) {
              EXPECT_TRUE(Near(actual[i], y[i], 1.2e-7, 0)) << i;
            }
          });
        }
      }
    }
  }
}

TEST(Dropout, KeepsAWordEqualToTheThreshold) {
  const uint64_t id = 12;
  const float one = 1.0f;
  const uint32_t word = RandomWord(5, 0, 12, 1, 0x20002u);
  testing::ForEachTarget([&](simd::Target) {
    float y = 7.0f;
    simd::Dropout(1, 1, &one, 2.0f, word, 5, &id, 1, 0x20002u, false, &y, {});
    EXPECT_EQ(y, 2.0f);
    simd::Dropout(1, 1, &one, 2.0f, word + 1, 5, &id, 1, 0x20002u, false, &y,
                  {});
    EXPECT_EQ(y, 0.0f);
  });
}

TEST(Dropout, DropsNanAndKeepsAboutTheRightShare) {
  const size_t n = 100000;
  const uint64_t id = 3;
  testing::ForEachTarget([&](simd::Target) {
    Buffer x(n, kNan);
    simd::Dropout(1, n, x, 2.0f, 0x40000000u, 1, &id, 0, 0x20000u, false, x,
                  {});
    size_t dropped = 0;
    for (size_t i = 0; i < n; ++i) dropped += x[i] == 0.0f;
    EXPECT_NEAR(static_cast<double>(dropped), 25000.0, 600.0);  // 4.4 sigma
  });
}

TEST(Elementwise, SameBitsOnExactTargetsAndAnyThreads) {
  const size_t n = 150001, rows = 7;
  const Buffer x = Corners(n, 1), dy = Buffer(n).Randomize(2);
  const Buffer mean = Buffer(n / rows).Randomize(4), std(n / rows, 0.37f);
  std::vector<uint8_t> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i * 7);
  std::vector<uint64_t> ids = {5, 4, 3, 9, 8, 7, 0};
  std::vector<Buffer> first;
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    for (uint32_t threads : {1u, 2u, 3u}) {
      const ParallelRunner parallel = testing::ThreadRunner(threads);
      std::vector<Buffer> out(11, Buffer(n, 0.5f));
      simd::Activate(n, simd::Activation::kRelu, x, out[0], parallel);
      simd::Activate(n, simd::Activation::kRelu6, x, out[1], parallel);
      simd::ActivateBackward(n, simd::Activation::kRelu, x, dy, true, out[2],
                             parallel);
      simd::ActivateBackward(n, simd::Activation::kRelu6, x, dy, false, out[3],
                             parallel);
      simd::Add(n, x, dy, out[4], parallel);
      simd::Copy(n, x, out[5], parallel);
      simd::Fill(n, 0.1f, out[6], parallel);
      simd::Scale(n, 0.1f, dy, out[7], parallel);
      simd::NormalizeU8(n, 3, bytes.data(), 0.01f, mean, std, out[8], parallel);
      simd::NormalizeF32(n, n / rows, dy, 0.7f, mean, std, out[9], parallel);
      simd::Dropout(rows, n / rows, dy, 1.1f, 0x20000000u, 42, ids.data(), 3,
                    0x20001u, true, out[10], parallel);
      if (first.empty()) first = out;
      for (size_t i = 0; i < out.size(); ++i) {
        EXPECT_TRUE(out[i].GuardsIntact() && out[i].SameBits(first[i]))
            << i << " with " << threads << " threads";
      }
    }
  });
}

// Twins against central differences, away from the kinks.
TEST(ElementwiseTwins, GradientsAreCentralDifferences) {
  for (size_t n = 1; n <= 24; ++n) {
    std::vector<double> x(n), dy(n), y(n), dx(n);
    for (size_t i = 0; i < n; ++i) {
      const double u = Buffer(1).Randomize(100 * n + i)[0];
      x[i] = 10 * u;
      for (double kink : {0.0, 6.0}) {
        if (std::fabs(x[i] - kink) < 0.01) x[i] += 0.1;
      }
      dy[i] = Buffer(1).Randomize(7 * n + i)[0];
    }
    const auto weighted = [&](const std::vector<double>& v) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i) sum += v[i] * dy[i];
      return sum;
    };
    const auto relu = [&](const double* at) {
      reference::Relu(n, at, y.data());
      return weighted(y);
    };
    relu(x.data());
    reference::ReluBackward(n, y.data(), dy.data(), false, dx.data());
    testing::ExpectGradient(x, dx, relu);
    const auto relu6 = [&](const double* at) {
      reference::Relu6(n, at, y.data());
      return weighted(y);
    };
    relu6(x.data());
    reference::Relu6Backward(n, y.data(), dy.data(), false, dx.data());
    testing::ExpectGradient(x, dx, relu6);
    const uint64_t id = n;
    const auto dropout = [&](const double* in, double* out) {
      reference::Dropout<double>(1, n, in, 1.5, 0x55555555u, 1, &id, 0, 0,
                                 false, out);
    };
    dropout(dy.data(), dx.data());
    testing::ExpectGradient(x, dx, [&](const double* at) {
      dropout(at, y.data());
      return weighted(y);
    });
  }
}

}  // namespace
}  // namespace temper
