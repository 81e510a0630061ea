// simd/math.h: errors against double and stored bits over every 65537th and
// every 509th of the 2^32 floats, special values. Emulated machines run the
// latter in `./test long` alone. All floats: math_slow_test.cc.
#include "simd/math.h"

#include <algorithm>

#include "tests/simd/math_hash.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::MathFunction;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// |actual - expected| in units of the float spacing at `expected`; overflow
// counts from the next power of two. Infinite if only one of them is NaN.
double Ulps(float actual, double expected) {
  if (std::isnan(expected) != std::isnan(actual)) return INFINITY;
  if (std::isnan(expected)) return 0;
  const float rounded = static_cast<float>(expected);
  if (actual == rounded) return 0.5;  // at most
  if (std::isinf(rounded) || std::isinf(actual)) {
    // Infinity instead of the largest float, or the other way round.
    return std::fabs(actual) >= 0x1.fffffep+127f &&
                   std::fabs(rounded) >= 0x1.fffffep+127f &&
                   std::signbit(actual) == std::signbit(rounded) &&
                   std::fabs(expected) < 0x1.000001p+128
               ? 1
               : INFINITY;
  }
  const int exponent = std::max(std::ilogb(expected), -126);
  return std::fabs(actual - expected) / std::ldexp(1.0, exponent - 23);
}

struct TargetRun {
  simd::Target target;
  testing::BitHash hash;
  double worst = 0;
  float worst_at = 0;
};

void CheckEvery(uint64_t stride, uint64_t MathFunction::*hash) {
  constexpr size_t kBlock = 8192;
  simd::Target targets[32];
  const size_t count = simd::SupportedTargets(targets, 32);
  ASSERT_GT(count, 0u);
  std::vector<float> x(kBlock), thinned(kBlock), y(kBlock);
  std::vector<double> expected(kBlock);
  for (const MathFunction& f : testing::kMathFunctions) {
    std::vector<TargetRun> runs;
    for (size_t t = 0; t < count; ++t) runs.push_back({targets[t], {}, 0, 0});
    const uint64_t patterns = (testing::kPatterns + stride - 1) / stride;
    for (uint64_t first = 0; first < patterns; first += kBlock) {
      const size_t n = std::min<uint64_t>(kBlock, patterns - first);
      testing::FillPatterns(first * stride, stride, n, x.data());
      for (size_t i = 0; i < n; ++i) expected[i] = f.reference(x[i]);
      for (TargetRun& run : runs) {
        ASSERT_TRUE(simd::ForceTarget(run.target.name));
        // The others have no stored bits: an eighth of the arguments will do.
        const size_t step = run.target.exact ? 1 : 8;
        for (size_t i = 0; i < n; i += step) thinned[i / step] = x[i];
        f.kernel((n + step - 1) / step, thinned.data(), y.data());
        if (run.target.exact) run.hash.Add(y.data(), n);
        for (size_t i = 0; i < n; i += step) {
          if (std::isfinite(x[i]) && std::fabs(x[i]) > f.limit) continue;
          // Without FMA the reduction of sin and cos has an absolute error,
          // which shows where they are near zero.
          const float actual = y[i / step];
          if (std::fabs(x[i]) < testing::kFlushed ||
              std::fabs(expected[i]) < testing::kFlushed) {
            continue;
          }
          // Where subnormals are flushed, the half of a result may be one (expm1).
          if (!run.target.exact && std::fabs(actual - expected[i]) <
                                       f.atol_other + 2 * testing::kFlushed) {
            continue;
          }
          const double ulps = Ulps(actual, expected[i]);
          if (ulps > run.worst) run.worst = ulps, run.worst_at = x[i];
        }
      }
    }
    for (const TargetRun& run : runs) {
      EXPECT_LE(run.worst, run.target.exact ? f.ulp : f.ulp_other)
          << f.name << " on " << run.target.name << " at " << run.worst_at;
      if (run.target.exact) {
        EXPECT_EQ(run.hash.Value(), f.*hash)
            << f.name << " on " << run.target.name << ": 0x" << std::hex
            << run.hash.Value();
      }
    }
  }
  ASSERT_TRUE(simd::ForceTarget(nullptr));
}

TEST(Math, ErrorsAndStoredBitsOfEvery65537thPattern) {
  CheckEvery(testing::kSparse, &MathFunction::sparse_hash);
}

TEST(Math, ErrorsAndStoredBitsOfEvery509thPattern) {
  CheckEvery(testing::kStride, &MathFunction::strided_hash);
}

float One(void (*kernel)(size_t, const float*, float*), float x) {
  float y;
  kernel(1, &x, &y);
  return y;
}

TEST(Math, SpecialValues) {
  testing::ForEachTarget([&](simd::Target) {
    for (const MathFunction& f : testing::kMathFunctions) {
      EXPECT_TRUE(std::isnan(One(f.kernel, kNan))) << f.name;
      EXPECT_TRUE(std::isnan(One(f.kernel, -kNan))) << f.name;
    }
    EXPECT_EQ(One(simd::Exp, kInf), kInf);
    EXPECT_EQ(One(simd::Exp, 88.8f), kInf);
    EXPECT_EQ(One(simd::Exp, 3e38f), kInf);
    EXPECT_EQ(One(simd::Exp, -kInf), 0.0f);
    EXPECT_EQ(One(simd::Exp, -3e38f), 0.0f);
    EXPECT_FALSE(std::signbit(One(simd::Exp, -kInf)));
    EXPECT_EQ(One(simd::Exp, 0.0f), 1.0f);
    EXPECT_EQ(One(simd::Exp, -0.0f), 1.0f);
    if (testing::kFlushed == 0.0f) {
      EXPECT_EQ(One(simd::Exp, -103.0f), 0x1p-149f);
      EXPECT_EQ(One(simd::Exp, -100.0f), 0x1.bp-145f);
      EXPECT_TRUE(std::isnan(One(simd::Log, -0x1p-149f)));
      EXPECT_FLOAT_EQ(One(simd::Log, 0x1p-149f), -103.278929f);
      EXPECT_EQ(One(simd::Tanh, 0x1p-149f), 0x1p-149f);
      EXPECT_EQ(One(simd::Sin, 0x1p-149f), 0x1p-149f);
    }
    EXPECT_EQ(One(simd::Log, 0.0f), -kInf);
    EXPECT_EQ(One(simd::Log, -0.0f), -kInf);
    EXPECT_EQ(One(simd::Log, kInf), kInf);
    EXPECT_TRUE(std::isnan(One(simd::Log, -1.0f)));
    EXPECT_TRUE(std::isnan(One(simd::Log, -kInf)));
    EXPECT_EQ(One(simd::Log, 1.0f), 0.0f);
    EXPECT_EQ(One(simd::Tanh, kInf), 1.0f);
    EXPECT_EQ(One(simd::Tanh, -kInf), -1.0f);
    EXPECT_EQ(One(simd::Tanh, 9.02f), 1.0f);
    for (auto kernel : {simd::Tanh, simd::Sin}) {
      EXPECT_EQ(One(kernel, 0.0f), 0.0f);
      EXPECT_FALSE(std::signbit(One(kernel, 0.0f)));
      EXPECT_TRUE(std::signbit(One(kernel, -0.0f)));
    }
    EXPECT_EQ(One(simd::Cos, 0.0f), 1.0f);
    for (auto kernel : {simd::Sin, simd::Cos}) {
      EXPECT_TRUE(std::isnan(One(kernel, kInf)));
      EXPECT_TRUE(std::isnan(One(kernel, -kInf)));
      EXPECT_TRUE(std::isnan(One(kernel, 3e38f)));
      EXPECT_TRUE(std::isnan(One(kernel, 1048576.0f)));
      EXPECT_FALSE(std::isnan(One(kernel, 1048575.0f)));
    }
  });
}

TEST(Math, EverySizeTouchesOnlyItsElements) {
  testing::ForEachTarget([&](simd::Target) {
    for (const MathFunction& f : testing::kMathFunctions) {
      for (size_t n = 0; n <= 35; ++n) {
        Buffer x = Buffer(n).Randomize(n), y(n);
        f.kernel(n, x, y);
        EXPECT_TRUE(y.GuardsIntact()) << f.name << " " << n;
        for (size_t i = 0; i < n; ++i) {
          const float alone = One(f.kernel, x[i]);
          EXPECT_EQ(std::memcmp(&alone, &y[i], sizeof(float)) == 0 ||
                        std::isnan(alone),
                    true)
              << f.name << " " << i;
          EXPECT_EQ(std::isnan(alone), std::isnan(y[i]));
        }
        f.kernel(n, x, x);
        for (size_t i = 0; i < n; ++i) {
          EXPECT_TRUE(x[i] == y[i] || std::isnan(y[i])) << f.name;
        }
      }
    }
  });
}

}  // namespace
}  // namespace temper
