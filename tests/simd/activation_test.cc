// The list of activations: what it says of each, that every one that fuses
// reaches its functor through every door, by itself, through a prologue and
// after an addition, with the same bits, and how far those that run alone are
// from double, over all exponents.
#include "simd/activation.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "simd/norm.h"
#include "simd/prologue.h"
#include "tests/reference/activation.h"
#include "tests/simd/math_hash.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::Activation;
using simd::ActivationFunction;
using testing::Buffer;

constexpr uint32_t kCount = static_cast<uint32_t>(Activation::kCount);
static_assert(static_cast<uint32_t>(Activation::kNone) == 0);
static_assert(simd::GradientOf(Activation::kNone) ==
              simd::GradientFrom::kEither);

TEST(ActivationFunction, IsItsKindAndItsParameters) {
  const ActivationFunction relu = Activation::kRelu;
  EXPECT_EQ(relu, ActivationFunction(Activation::kRelu, 0, 0));
  EXPECT_NE(relu, ActivationFunction(Activation::kRelu6));
  EXPECT_NE(relu, ActivationFunction(Activation::kRelu, 0.5f));
  EXPECT_NE(relu, ActivationFunction(Activation::kRelu, 0, 0.5f));
  simd::Prologue p = {nullptr, nullptr, {Activation::kRelu, 1, 2}};
  EXPECT_EQ(p.activation.parameters[0], 1);
  EXPECT_EQ(p.activation.parameters[1], 2);
}

TEST(Activations, AreTheSameThroughEveryDoor) {
  constexpr size_t kChannels = 19, kRows = 11, kN = kChannels * kRows;
  Buffer x = Buffer(kN).Randomize(1), dy = Buffer(kN).Randomize(2);
  Buffer zeros(kN), one(kChannels), zero(kChannels);
  for (size_t i = 0; i < kN; ++i) x[i] *= 9, zeros[i] = 0;
  for (size_t c = 0; c < kChannels; ++c) one[c] = 1, zero[c] = 0;
  for (uint32_t k = 0; k < kCount; ++k) {
    const Activation kind = static_cast<Activation>(k);
    Buffer y(kN), other(kN), dx(kN);
    const auto same = [](const float* a, const float* b) {
      return std::memcmp(a, b, kN * sizeof(float)) == 0;
    };
    simd::Activate(kN, kind, x, y, {});
    EXPECT_EQ(same(y, x), kind == Activation::kNone) << k;
    const simd::Prologue p = {one, zero, kind};
    if (!simd::Fuses(kind)) continue;
    simd::ApplyPrologue(kRows, kChannels, x, p, other);
    EXPECT_TRUE(same(other, y)) << k;
    simd::AddThrough(kRows, kChannels, x, {}, zeros, {}, kind, other, {});
    EXPECT_TRUE(same(other, y)) << k;
    simd::AddThrough(kRows, kChannels, zeros, {}, x, p, Activation::kNone,
                     other, {});
    EXPECT_TRUE(same(other, y)) << k;
    // Backward: by itself, and after a batch norm of scale 1.
    const bool input = simd::GradientOf(kind) == simd::GradientFrom::kInput;
    simd::ActivateBackward(kN, kind, input ? x : y, dy, false, dx, {});
    simd::ScaleBackward(kRows, kChannels, x, p, dy, false, other, {});
    EXPECT_TRUE(same(other, dx)) << k;
    if (simd::GradientOf(kind) != simd::GradientFrom::kEither) continue;
    simd::ActivateBackward(kN, kind, x, dy, false, other, {});
    EXPECT_TRUE(same(other, dx)) << k;
  }
}

constexpr float kInf = std::numeric_limits<float>::infinity();

// The bounds of activation.h: units in the last place of y, or this much.
struct LoneCase {
  ActivationFunction function;
  double ulp, atol;
};
const LoneCase kLone[] = {
    {{Activation::kLeakyRelu, 0.01f}, 0.5, 0},
    {{Activation::kElu, 1.0f}, 2.2, 0},
    {{Activation::kElu, 0.7f}, 2.7, 0},
    {Activation::kLogisticSigmoid, 2.6, 0},
    {Activation::kHyperbolicTangent, 2.6, 0},
    {Activation::kHardSigmoid, 1.6, 0x1p-23},
    {Activation::kHardSwish, 2.1, 0x1p-23},
    {Activation::kSilu, 3.2, 0},
    {Activation::kGelu, 8.0, 0},
    {Activation::kGeluTanh, 4.0, 4e-7},
    {{Activation::kSoftplus, 1.0f}, 2.7, 0},
    {{Activation::kSoftplus, 3.0f}, 48, 0},
};

// Every 65537th float: all exponents, both signs. One hash for exact targets.
TEST(Activations, ErrorsOverAllExponents) {
  constexpr size_t kN = 65536;
  std::vector<float> x(kN), y(kN);
  testing::FillPatterns(0, testing::kSparse, kN, x.data());
  for (const LoneCase& c : kLone) {
    std::vector<float> first;
    testing::ForEachTarget([&](simd::Target target) {
      simd::Activate(kN, c.function, x.data(), y.data(), {});
      if (!target.exact) return;
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < kN; ++i) {
        if (std::isnan(x[i])) {
          EXPECT_TRUE(std::isnan(y[i]));
          continue;
        }
        const double expected =
            reference::FlushTiny(reference::LoneActivation(c.function, x[i]));
        if (y[i] == expected) continue;
        const double off = std::fabs(y[i] - expected);
        const int exponent = std::max(std::ilogb(expected), -126);
        double ulps = off / std::ldexp(1.0, exponent - 23);
        if (off <= c.atol * std::max(1.0, std::fabs(expected))) ulps = 0;
        // One of the two is just flushed.
        if (std::max(std::fabs(double{y[i]}), std::fabs(expected)) <
            0x1.01p-63) {
          ulps = 0;
        }
        if (!(ulps <= worst)) worst = ulps, at = x[i];
      }
      EXPECT_LE(worst, c.ulp)
          << static_cast<uint32_t>(c.function.kind) << " at " << at;
      std::vector<float> same = y;
      for (float& v : same) v = std::isnan(v) ? 7.0f : v;
      if (first.empty()) first = same;
      EXPECT_EQ(std::memcmp(first.data(), same.data(), kN * sizeof(float)), 0)
          << static_cast<uint32_t>(c.function.kind) << " on " << target.name;
    });
  }
}

TEST(Activations, LimitsAtInfinity) {
  const float x[] = {kInf, -kInf, 0.0f, -0.0f};
  const struct {
    ActivationFunction function;
    float high, low;
  } cases[] = {
      {{Activation::kLeakyRelu, 0.01f}, kInf, -kInf},
      {{Activation::kElu, 1.5f}, kInf, -1.5f},
      {Activation::kLogisticSigmoid, 1, 0},
      {Activation::kHyperbolicTangent, 1, -1},
      {Activation::kHardSigmoid, 1, 0},
      {Activation::kHardSwish, kInf, 0},
      {Activation::kSilu, kInf, 0},
      {Activation::kGelu, kInf, 0},
      {Activation::kGeluTanh, kInf, 0},
      {{Activation::kSoftplus, 1.0f}, kInf, 0},
  };
  testing::ForEachTarget([&](simd::Target) {
    for (const auto& c : cases) {
      float y[4];
      simd::Activate(4, c.function, x, y, {});
      EXPECT_EQ(y[0], c.high) << static_cast<uint32_t>(c.function.kind);
      EXPECT_EQ(y[1], c.low) << static_cast<uint32_t>(c.function.kind);
      EXPECT_EQ(y[2], y[3]) << static_cast<uint32_t>(c.function.kind);
    }
  });
}

}  // namespace
}  // namespace temper
