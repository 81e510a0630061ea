// simd/dense.h: the bits of the products it stands for, on every target and
// number of threads; each element of the gradient once; none past its end.
#include "simd/dense.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "simd/gemm.h"
#include "tests/reference/gemm.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using testing::Buffer;

struct Size {
  size_t rows, in, out;
};
// Widths around a panel, around a piece (6144 floats, cut within a row beyond
// it), and rows of x that no cache holds (forward then packs first).
const Size kSizes[] = {{1, 1, 1},     {2, 17, 1},    {3, 5, 33},
                       {8, 128, 8},   {32, 64, 128}, {31, 63, 130},
                       {13, 320, 90}, {5, 6144, 18}, {4, 6145, 3},
                       {2, 9001, 5},  {504, 80, 9},  {40, 900, 20}};

struct Problem {
  Size size;
  Buffer x, w, bias, dy, dx;
  explicit Problem(const Size& s)
      : size(s),
        x(Buffer(s.rows * s.in).Randomize(1)),
        w(Buffer(s.out * s.in).Randomize(2)),
        bias(Buffer(s.out).Randomize(3)),
        dy(Buffer(s.rows * s.out).Randomize(4)),
        dx(Buffer(s.rows * s.in).Randomize(5)) {}
};

// What an optimizer does: changes w as soon as its gradient is there.
struct Taken {
  Buffer dw;
  std::vector<std::atomic<int>> times;
  float* w;
  Taken(const Size& s, float* weights)
      : dw(s.in * s.out), times(s.in * s.out), w(weights) {}
  static void Take(void* self, size_t first, size_t count, const float* g) {
    Taken& t = *static_cast<Taken*>(self);
    ASSERT_LE(first + count, t.times.size());
    for (size_t i = 0; i < count; ++i) {
      t.dw[first + i] = g[i];
      t.w[first + i] = std::nanf("");
      ++t.times[first + i];
    }
  }
};

TEST(DenseForward, HasTheBitsOfTheProduct) {
  uint32_t most_parts = 0;
  for (const Size& s : kSizes) {
    SCOPED_TRACE(::testing::Message() << s.rows << " " << s.in << " " << s.out);
    const Problem p(s);
    testing::ForEachTarget([&](simd::Target) {
      for (const bool bias : {true, false}) {
        const float* const b = bias ? p.bias.data() : nullptr;
        Buffer packed(simd::PackedBytes(s.in, s.out) / sizeof(float));
        Buffer expected(s.rows * s.out);
        simd::PackB(s.in, s.out, p.w, 1, s.in, packed, {});
        simd::MatMul(s.rows, s.out, s.in, p.x, s.in, packed, b, false, expected,
                     s.out, {});
        for (const uint32_t threads : {1u, 2u, 5u}) {
          Buffer again(simd::DenseForwardScratch(s.rows, s.in, s.out, threads) /
                       sizeof(float));
          Buffer y(s.rows * s.out);
          simd::DenseForward(s.rows, s.in, s.out, {p.x}, p.w, b, again, y,
                             testing::CountedRunner(threads, &most_parts));
          EXPECT_TRUE(y.SameBits(expected)) << threads;
          EXPECT_TRUE(y.GuardsIntact() && again.GuardsIntact());

          Buffer w(packed.size());
          std::copy_n(p.w.data(), p.w.size(), w.data());
          Buffer rows(simd::PackRowsFloats(s.in, s.out));
          simd::PackRows(s.in, s.out, w, rows);
          EXPECT_TRUE(w.SameBits(packed));
          EXPECT_TRUE(w.GuardsIntact() && rows.GuardsIntact());
          Buffer z(s.rows * s.out);
          simd::DenseForwardPacked(
              s.rows, s.in, s.out, {p.x}, w, b, z,
              testing::CountedRunner(threads, &most_parts));
          EXPECT_TRUE(z.SameBits(expected)) << threads;
          EXPECT_TRUE(z.GuardsIntact());
        }
      }
    });
  }
  EXPECT_EQ(most_parts, 5u);
}

TEST(DenseBackward, HasTheBitsOfTheProducts) {
  uint32_t most_parts = 0;
  for (const Size& s : kSizes) {
    SCOPED_TRACE(::testing::Message() << s.rows << " " << s.in << " " << s.out);
    const Problem p(s);
    testing::ForEachTarget([&](simd::Target) {
      for (const bool accumulate : {false, true}) {
        Buffer dx_expected = p.dx, dw_expected(s.in * s.out, 0.0f);
        simd::MatMulUnpacked(s.rows, s.in, s.out, p.dy, s.out, p.w, s.in,
                             accumulate, dx_expected, s.in, {});
        simd::MatMulTransposed(s.rows, s.out, s.in, p.dy, s.out, p.x, s.in,
                               dw_expected, s.in, nullptr, {});
        for (const uint32_t threads : {1u, 2u, 5u}) {
          Buffer w = p.w, dx = p.dx;
          Taken taken(s, w);
          simd::DenseBackward(s.rows, s.in, s.out, {p.x}, w, p.dy, accumulate,
                              dx, {Taken::Take, &taken},
                              testing::CountedRunner(threads, &most_parts));
          EXPECT_TRUE(dx.SameBits(dx_expected)) << threads;
          EXPECT_TRUE(taken.dw.SameBits(dw_expected)) << threads;
          for (const auto& times : taken.times) ASSERT_EQ(times, 1);
          EXPECT_TRUE(dx.GuardsIntact() && w.GuardsIntact());
        }
      }
    });
  }
  EXPECT_EQ(most_parts, 5u);
}

// A derived input: the bits of the one that is formed first; small ones have no
// memory, large ones are formed where the caller says.
TEST(Dense, FormsADerivedInput) {
  uint32_t own_parts = 0, shared_parts = 0;
  for (const Size& s : kSizes) {
    for (const size_t channels : {s.in, size_t{1}}) {
      SCOPED_TRACE(::testing::Message()
                   << s.rows << " " << s.in << " " << s.out << " " << channels);
      const Problem p(s);
      const Buffer scale = Buffer(channels).Randomize(6);
      const Buffer shift = Buffer(channels).Randomize(7);
      const simd::Prologue prologue = {scale, shift, simd::Activation::kRelu};
      testing::ForEachTarget([&](simd::Target) {
        const size_t floats = s.rows * s.in;
        Buffer x(floats);
        Buffer packed(simd::DenseForwardScratch(s.rows, s.in, s.out, 5) /
                      sizeof(float));
        simd::ApplyPrologue(floats / channels, channels, p.x, prologue, x);
        Buffer y_expected(s.rows * s.out), w = p.w;
        simd::DenseForward(s.rows, s.in, s.out, {x}, w, p.bias, packed,
                           y_expected, {});
        Taken expected(s, w);
        simd::DenseBackward(s.rows, s.in, s.out, {x}, w, p.dy, false, nullptr,
                            {Taken::Take, &expected}, {});
        for (const uint32_t threads : {1u, 2u, 5u}) {
          const ParallelRunner run = testing::CountedRunner(
              threads,
              simd::DenseInputBytes(floats) == 0 ? &own_parts : &shared_parts);
          Buffer y(s.rows * s.out), again = p.w;
          Buffer formed(simd::DenseInputBytes(floats) / sizeof(float));
          const simd::DenseInput input = {
              p.x, prologue, channels,
              formed.size() == 0 ? nullptr : formed.data()};
          simd::DenseForward(s.rows, s.in, s.out, input, again, p.bias, packed,
                             y, run);
          Taken taken(s, again);
          simd::DenseBackward(s.rows, s.in, s.out, input, again, p.dy, false,
                              nullptr, {Taken::Take, &taken}, run);
          EXPECT_TRUE(y.SameBits(y_expected)) << threads;
          EXPECT_TRUE(taken.dw.SameBits(expected.dw)) << threads;
          EXPECT_TRUE(formed.GuardsIntact());
        }
      });
    }
  }
  EXPECT_GT(own_parts, 1u);
  EXPECT_EQ(shared_parts, 5u);
}

// Against the twin, without the input's gradient.
TEST(DenseBackward, MatchesTheTwin) {
  const Size s = {32, 70, 24};
  const Problem p(s);
  std::vector<double> x(p.x.data(), p.x.data() + p.x.size());
  std::vector<double> dy(p.dy.data(), p.dy.data() + p.dy.size());
  std::vector<double> expected(s.in * s.out);
  reference::MatMulTransposed<double>(s.rows, s.out, s.in, dy.data(), s.out,
                                      x.data(), s.in, expected.data(), s.in);
  testing::ForEachTarget([&](simd::Target) {
    Buffer w = p.w;
    Taken taken(s, w);
    simd::DenseBackward(s.rows, s.in, s.out, {p.x}, w, p.dy, false, nullptr,
                        {Taken::Take, &taken}, {});
    for (size_t i = 0; i < expected.size(); ++i) {
      // Terms are below 1: their magnitudes add up to at most s.rows.
      ASSERT_TRUE(testing::Near(taken.dw[i], expected[i], 0.0,
                                0x1p-23 * s.rows * s.rows));
    }
  });
}

// A gradient that underflows to -0 is +0 as if it were added to memory of
// zeros.
TEST(DenseBackward, AddsToPlusZero) {
  testing::ForEachTarget([&](simd::Target target) {
    if (!target.exact) return;
    const Size s = {1, 3, 2};
    Problem p(s);
    for (size_t i = 0; i < 3; ++i) p.x[i] = 0x1p-100f;
    for (size_t i = 0; i < 2; ++i) p.dy[i] = -0x1p-100f;
    Taken taken(s, p.w);
    simd::DenseBackward(s.rows, s.in, s.out, {p.x}, p.w, p.dy, false, nullptr,
                        {Taken::Take, &taken}, {});
    for (size_t i = 0; i < taken.dw.size(); ++i) {
      ASSERT_EQ(taken.dw[i], 0.0f);
      ASSERT_FALSE(std::signbit(taken.dw[i]));
    }
  });
}

}  // namespace
}  // namespace temper
