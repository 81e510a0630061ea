// simd/prologue.h against plain scalar code: one fmaf, then a select. The same
// bits on targets with FMA, close on the others; NaN, infinities and -0; in
// place; parts of channels; both sides of an add; threads.
// Next: depthwise_test.cc and conv_test.cc, whose kernels read through these.
#include "simd/prologue.h"

#include <algorithm>
#include <bit>

#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::Activation;
using simd::Prologue;
using testing::Buffer;

constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu,
                                       Activation::kRelu6};

// Both sides of all lane counts; blocks of coefficients (512); what AddThrough
// forms at a time (4096).
std::vector<size_t> Channels() {
  std::vector<size_t> all;
  for (size_t c = 1; c <= 40; ++c) all.push_back(c);
  for (size_t c : {63, 64, 65, 100, 128, 257, 513, 1031, 5000}) {
    all.push_back(c);
  }
  return all;
}

float Activate(Activation activation, float y) {
  if (activation == Activation::kNone) return y;
  if (y < 0x1p-63f) return 0.0f;
  return activation == Activation::kRelu6 && y >= 6.0f ? 6.0f : y;
}

// Values of +-8 with all that is special among them.
Buffer Special(size_t n, uint64_t seed) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kSpecial[] = {std::numeric_limits<float>::quiet_NaN(),
                                kInfinity,
                                -kInfinity,
                                0.0f,
                                -0.0f,
                                6.0f,
                                0x1p-149f,
                                -0x1p-140f};
  Buffer x = Buffer(n).Randomize(seed);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word =
        RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 1) % 64;
    x[i] = word < std::size(kSpecial) ? kSpecial[word] : 8.0f * x[i];
  }
  return x;
}

// A tensor with its coefficients; formed: what is read, and how far a target
// without FMA may be off: the product is rounded once more.
struct Tensor {
  size_t rows, channels;
  Buffer x, scale, shift;

  Tensor(size_t r, size_t c, uint64_t seed)
      : rows(r),
        channels(c),
        x(Special(r * c, seed)),
        scale(Buffer(c).Randomize(seed + 100)),
        shift(Buffer(c).Randomize(seed + 200)) {
    // Here a product with zero, there a value that stays as it is.
    for (size_t i = 0; i < c; ++i) {
      const uint32_t word =
          RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 2) % 16;
      if (word == 0) scale[i] = 0.0f;
      if (word == 1) scale[i] = -0.0f, shift[i] = -0.0f;
      if (word == 2) scale[i] = 1.0f, shift[i] = -0.0f;
      if (word == 3) scale[i] = 1.0f, shift[i] = 0.0f;
      if (word == 4) shift[i] = 6.0f;
    }
  }
  Prologue With(Activation activation) const {
    return {scale, shift, activation};
  }
  float Formed(const Prologue& p, size_t i) const {
    if (p.IsIdentity()) return x[i];
    const size_t c = i % channels;
    return Activate(p.activation.kind, std::fma(x[i], scale[c], shift[c]));
  }
  double Slack(const Prologue& p, size_t i) const {
    if (p.IsIdentity() || !std::isfinite(x[i])) return 0.0;
    const size_t c = i % channels;
    return 0x1p-23 *
           (std::fabs(double{x[i]} * scale[c]) + std::fabs(double{shift[c]}));
  }
};

// What y should be.
struct Expected {
  std::vector<float> y;
  std::vector<double> slack;
};
Expected Form(const Tensor& t, const Prologue& p) {
  Expected e;
  for (size_t i = 0; i < t.x.size(); ++i) {
    e.y.push_back(t.Formed(p, i));
    e.slack.push_back(t.Slack(p, i));
  }
  return e;
}

// Elements that are not as expected: other bits, or too far. NaN is NaN.
size_t Wrong(const float* y, const Expected& e, bool exact) {
  size_t wrong = 0;
  for (size_t i = 0; i < e.y.size(); ++i) {
    if (std::bit_cast<uint32_t>(y[i]) == std::bit_cast<uint32_t>(e.y[i])) {
      continue;
    }
    if (std::isnan(y[i]) && std::isnan(e.y[i])) continue;
    wrong += exact ||
             !testing::Near(y[i], e.y[i], 0, e.slack[i] + testing::kFlushed);
  }
  return wrong;
}

TEST(ApplyPrologue, MatchesScalarCodeAlsoInPlace) {
  for (const size_t channels : Channels()) {
    const size_t most = channels > 200 ? 3 : 70;
    for (size_t rows = 1; rows <= most;
         rows += channels > 40 ? 1 + rows / 2 : 1) {
      SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
      const Tensor t(rows, channels, 1000 * rows + channels);
      for (const Activation activation : kActivations) {
        // Many rows: one of the activations, in turn.
        const size_t turn = (rows + channels) % 3;
        if (rows > 8 && kActivations[turn] != activation) continue;
        const Prologue p = t.With(activation);
        const Expected expected = Form(t, p);
        testing::ForEachTarget([&](simd::Target target) {
          Buffer y(t.x.size()), in_place = t.x;
          simd::ApplyPrologue(rows, channels, t.x, p, y);
          simd::ApplyPrologue(rows, channels, in_place, p, in_place);
          EXPECT_EQ(Wrong(y, expected, target.exact), 0u);
          EXPECT_TRUE(in_place.SameBits(y));
          EXPECT_TRUE(y.GuardsIntact() && in_place.GuardsIntact());
        });
      }
    }
  }
}

// Only what was asked for: no row after the last, nothing for none.
TEST(ApplyPrologue, WritesItsRowsOnly) {
  const Tensor t(6, 7, 3);
  testing::ForEachTarget([&](simd::Target) {
    for (const bool identity : {false, true}) {
      const Prologue p = identity ? Prologue() : t.With(Activation::kRelu);
      Buffer y(t.x.size(), 0.5f);
      simd::ApplyPrologue(0, 7, t.x, p, y);
      simd::ApplyPrologue(0, 7, t.x, p, y, testing::ThreadRunner(2));
      EXPECT_TRUE(y.SameBits(Buffer(t.x.size(), 0.5f)));
      simd::ApplyPrologue(4, 7, t.x, p, y);
      for (size_t i = 28; i < 42; ++i) EXPECT_EQ(y[i], 0.5f);
      Buffer copy = t.x;
      simd::ApplyPrologue(6, 7, copy, {}, copy);
      EXPECT_TRUE(copy.SameBits(t.x));
      simd::ApplyPrologue(6, 7, t.x, {}, y);
      EXPECT_TRUE(y.SameBits(t.x));
    }
  });
}

TEST(ApplyPrologue, SameBitsOverThreads) {
  uint32_t parts = 0;
  for (const auto& [rows, channels] : {std::pair<size_t, size_t>{6, 5000},
                                       {25, 1031},
                                       {100, 257},
                                       {1101, 24},
                                       {9011, 3},
                                       {25001, 1},
                                       {2, 14000}}) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const Tensor t(rows, channels, rows);
    for (const Activation activation : kActivations) {
      const Prologue p = t.With(activation);
      const Expected expected = Form(t, p);
      testing::ForEachTarget([&](simd::Target target) {
        for (const uint32_t threads : {1u, 2u, 3u}) {
          Buffer y(t.x.size()), in_place = t.x;
          const ParallelRunner runner = testing::CountedRunner(threads, &parts);
          simd::ApplyPrologue(rows, channels, t.x, p, y, runner);
          simd::ApplyPrologue(rows, channels, in_place, p, in_place, runner);
          EXPECT_EQ(Wrong(y, expected, target.exact), 0u) << threads;
          EXPECT_EQ(Wrong(in_place, expected, target.exact), 0u) << threads;
          EXPECT_TRUE(y.GuardsIntact() && in_place.GuardsIntact());
        }
      });
    }
  }
  EXPECT_EQ(parts, 3u);
}

TEST(StagePrologue, MatchesScalarCode) {
  for (const size_t channels : Channels()) {
    // From the first channel, to the last one, in between, all.
    std::vector<std::pair<size_t, size_t>> parts = {
        {0, channels}, {0, (channels + 1) / 2}, {channels - 1, 1}};
    for (const size_t first : {1, 3, 16, 64}) {
      if (first >= channels) continue;
      parts.push_back({first, channels - first});
      parts.push_back({first, std::min<size_t>(channels - first, 64)});
    }
    for (const size_t pixels : {1, 2, 3, 7, 70}) {
      if (pixels * channels > 20000) continue;
      const Tensor t(pixels, channels, 1000 * pixels + channels);
      for (const auto& [first, count] : parts) {
        SCOPED_TRACE(::testing::Message() << pixels << " x " << channels << ": "
                                          << first << " + " << count);
        for (size_t kind = 0; kind < 4; ++kind) {
          if (pixels > 3 && (kind + first + count) % 4 > 1) continue;
          const Prologue p =
              kind == 3 ? Prologue() : t.With(kActivations[kind]);
          Expected expected;
          for (size_t i = 0; i < pixels; ++i) {
            for (size_t c = first; c < first + count; ++c) {
              expected.y.push_back(t.Formed(p, i * channels + c));
              expected.slack.push_back(t.Slack(p, i * channels + c));
            }
          }
          testing::ForEachTarget([&](simd::Target target) {
            Buffer y(pixels * count);
            simd::StagePrologue(pixels, channels, first, count, t.x, p, y);
            EXPECT_EQ(Wrong(y, expected, target.exact), 0u);
            EXPECT_TRUE(y.GuardsIntact());
          });
        }
      }
    }
  }
}

// y = act(formed a + formed b): neither, either, both through a prologue.
Expected Sum(const Tensor& a, const Prologue& pa, const Tensor& b,
             const Prologue& pb, Activation activation) {
  Expected e;
  for (size_t i = 0; i < a.x.size(); ++i) {
    const float sum = a.Formed(pa, i) + b.Formed(pb, i);
    e.y.push_back(Activate(activation, sum));
    e.slack.push_back(a.Slack(pa, i) + b.Slack(pb, i) +
                      (std::isfinite(sum) ? 0x1p-23 * std::fabs(sum) : 0.0));
  }
  return e;
}

// f(prologue of a, prologue of b, activation, a number) for all of them.
template <class F>
void ForEachKind(const Tensor& a, const Tensor& b, F&& f) {
  uint32_t number = 0;
  for (size_t ka = 0; ka < 4; ++ka) {
    for (size_t kb = 0; kb < 4; ++kb) {
      for (const Activation activation : kActivations) {
        f(ka == 3 ? Prologue() : a.With(kActivations[ka]),
          kb == 3 ? Prologue() : b.With(kActivations[kb]), activation,
          number++);
      }
    }
  }
}

TEST(AddThrough, MatchesScalarCodeAlsoInPlace) {
  for (const size_t channels : Channels()) {
    for (const size_t rows : {1, 2, 3, 17, 70}) {
      if (rows * channels > 5000 && rows > 2) continue;
      SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
      const Tensor a(rows, channels, 1000 * rows + channels),
          b(rows, channels, 7000 * rows + channels);
      ForEachKind(
          a, b,
          [&](const Prologue& pa, const Prologue& pb, Activation activation,
              uint32_t number) {
            // Large ones in turn: five is prime to four and three.
            if (rows * channels > 300 && (number + channels) % 5 > 1) return;
            const Expected expected = Sum(a, pa, b, pb, activation);
            testing::ForEachTarget([&](simd::Target target) {
              Buffer y(a.x.size());
              simd::AddThrough(rows, channels, a.x, pa, b.x, pb, activation, y,
                               {});
              EXPECT_EQ(Wrong(y, expected, target.exact), 0u) << number;
              EXPECT_TRUE(y.GuardsIntact());
              const bool over_a = number / 3 % 2 == 0;
              Buffer in_place = over_a ? a.x : b.x;
              simd::AddThrough(rows, channels, over_a ? in_place.data() : a.x,
                               pa, over_a ? b.x : in_place.data(), pb,
                               activation, in_place, {});
              EXPECT_EQ(Wrong(in_place, expected, target.exact), 0u) << number;
              EXPECT_TRUE(in_place.GuardsIntact());
            });
          });
    }
  }
}

// x + x, both formed, over x.
TEST(AddThrough, TheSameTensorTwice) {
  for (const auto& [rows, channels] :
       {std::pair<size_t, size_t>{70, 19}, {3, 513}, {2, 5000}}) {
    const Tensor t(rows, channels, 5);
    for (const Activation activation : kActivations) {
      const Prologue pa = t.With(Activation::kRelu), pb = t.With(activation);
      const Expected expected = Sum(t, pa, t, pb, activation);
      testing::ForEachTarget([&](simd::Target target) {
        Buffer x = t.x;
        simd::AddThrough(rows, channels, x, pa, x, pb, activation, x, {});
        EXPECT_EQ(Wrong(x, expected, target.exact), 0u) << channels;
        EXPECT_TRUE(x.GuardsIntact());
      });
    }
  }
}

TEST(AddThrough, SameBitsOverThreads) {
  uint32_t parts = 0;
  for (const auto& [rows, channels] : {std::pair<size_t, size_t>{6, 5000},
                                       {25, 1031},
                                       {1101, 24},
                                       {25001, 1}}) {
    SCOPED_TRACE(::testing::Message() << rows << " x " << channels);
    const Tensor a(rows, channels, 1), b(rows, channels, 2);
    ForEachKind(a, b,
                [&](const Prologue& pa, const Prologue& pb,
                    Activation activation, uint32_t number) {
                  if (number % 7 != 0)
                    return;  // seven is prime to four and three
                  const Expected expected = Sum(a, pa, b, pb, activation);
                  testing::ForEachTarget([&](simd::Target target) {
                    for (const uint32_t threads : {1u, 2u, 3u}) {
                      Buffer y(a.x.size()), in_place = a.x;
                      const ParallelRunner runner =
                          testing::CountedRunner(threads, &parts);
                      simd::AddThrough(rows, channels, a.x, pa, b.x, pb,
                                       activation, y, runner);
                      simd::AddThrough(rows, channels, in_place, pa, b.x, pb,
                                       activation, in_place, runner);
                      EXPECT_EQ(Wrong(y, expected, target.exact), 0u) << number;
                      EXPECT_EQ(Wrong(in_place, expected, target.exact), 0u)
                          << number;
                      EXPECT_TRUE(y.GuardsIntact() && in_place.GuardsIntact());
                    }
                  });
                });
  }
  EXPECT_EQ(parts, 3u);
}

}  // namespace
}  // namespace temper
