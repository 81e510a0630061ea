// The list of activations: what it says of each, and that every entry reaches
// its functor through every door, by itself, through a prologue and after an
// addition, with the same bits.
#include "simd/activation.h"

#include <cstring>

#include "simd/norm.h"
#include "simd/prologue.h"
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

}  // namespace
}  // namespace temper
