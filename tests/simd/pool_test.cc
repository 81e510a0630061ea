// simd/pool.h against its twin, its rules for ties, NaN and padding, the twin's
// gradients, and the same bits on every exact target and thread count.
#include "simd/pool.h"

#include "tests/reference/pool.h"
#include "tests/testing/gradient.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::AvgPoolOptions;
using simd::ConvShape;
using testing::Buffer;
using testing::Doubles;
using testing::Near;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Pool {
  ConvShape s;
  AvgPoolOptions options;
};

Pool Make(uint32_t h, uint32_t w, uint32_t c, uint32_t kernel_h,
          uint32_t kernel_w, uint32_t stride_h, uint32_t stride_w, uint32_t pad,
          uint32_t pad_end, bool include_pad = true, bool ceil_mode = false) {
  ConvShape s{};
  s.in_h = h, s.in_w = w, s.in_c = s.out_c = s.groups = c;
  s.kernel_h = kernel_h, s.kernel_w = kernel_w;
  s.stride_h = stride_h, s.stride_w = stride_w;
  s.pad_top = s.pad_left = pad;
  s.dilation_h = s.dilation_w = 1;
  const auto out = [&](uint32_t size, uint32_t kernel, uint32_t stride) {
    const uint32_t padded = size + pad + pad_end;
    if (padded < kernel) return 0u;
    return (padded - kernel + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  };
  s.out_h = out(h, kernel_h, stride_h);
  s.out_w = out(w, kernel_w, stride_w);
  return {s, {pad_end, pad_end, include_pad}};
}

std::string Name(const Pool& p) {
  std::string name;
  for (uint32_t v :
       {p.s.in_h, p.s.in_w, p.s.in_c, p.s.out_h, p.s.out_w, p.s.kernel_h,
        p.s.kernel_w, p.s.stride_h, p.s.stride_w, p.s.pad_top,
        p.options.pad_bottom, uint32_t{p.options.count_include_pad}}) {
    name += std::to_string(v) + " ";
  }
  return name;
}

std::vector<Pool> Pools() {
  std::vector<Pool> pools;
  for (uint32_t c : {1, 3, 8, 16, 17, 24, 64}) {
    pools.push_back(Make(8, 10, c, 2, 2, 2, 2, 0, 0));
    pools.push_back(Make(9, 11, c, 3, 3, 2, 2, 1, 1));
    pools.push_back(Make(9, 11, c, 3, 3, 1, 1, 1, 1, false));
    pools.push_back(Make(7, 7, c, 7, 7, 1, 1, 0, 0));
  }
  constexpr uint32_t kChannels[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 31};
  for (uint32_t i = 0; pools.size() < 90; ++i) {
    const auto draw = [&](uint32_t slot, uint32_t low, uint32_t high) {
      return low + RandomWord(3, i * 16 + slot, 0, 0, 0) % (high - low + 1);
    };
    // Windows that are all padding occur, and strides above the kernel.
    const Pool p = Make(draw(0, 1, 9), draw(1, 1, 12), kChannels[draw(2, 0, 9)],
                        draw(3, 1, 5), draw(4, 1, 5), draw(5, 1, 4),
                        draw(6, 1, 4), draw(7, 0, 3), draw(8, 0, 3),
                        draw(9, 0, 1) == 1, draw(10, 0, 1) == 1);
    if (p.s.out_h != 0 && p.s.out_w != 0) pools.push_back(p);
  }
  return pools;
}

size_t XSize(const ConvShape& s, size_t batch) {
  return batch * s.in_h * s.in_w * s.in_c;
}
size_t YSize(const ConvShape& s, size_t batch) {
  return batch * s.out_h * s.out_w * s.in_c;
}

size_t Wrong(const Buffer& actual, const std::vector<double>& expected,
             double rtol, double atol) {
  size_t wrong = 0;
  for (size_t i = 0; i < actual.size(); ++i)
    wrong += !Near(actual[i], expected[i], rtol, atol);
  return wrong;
}

// Few different values, so that ties are common, some NaN and infinities.
Buffer Ties(size_t n, uint64_t seed) {
  Buffer x(n);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word = RandomWord(seed, static_cast<uint32_t>(i), 0, 0, 0);
    x[i] = static_cast<float>(word % 5) - 2.0f;
    if (word / 5 % 31 == 0) x[i] = kNan;
    if (word / 5 % 31 == 1) x[i] = -kInf;
    if (word / 5 % 31 == 2) x[i] = kInf;
    if (word / 5 % 31 == 3) x[i] = -0.0f;
  }
  return x;
}

TEST(MaxPool, MatchesTheTwinOnEveryTarget) {
  for (const Pool& p : Pools()) {
    SCOPED_TRACE(Name(p));
    const uint32_t batch = 2;
    const size_t nx = XSize(p.s, batch), ny = YSize(p.s, batch);
    const Buffer dy = Buffer(ny).Randomize(2), dx0 = Buffer(nx).Randomize(3);
    for (const bool ties : {false, true}) {
      const Buffer x = ties ? Ties(nx, 1) : Buffer(nx).Randomize(1);
      // The twin in float: the comparisons must agree to the bit.
      Buffer expected(ny);
      reference::MaxPoolForward<float>(p.s, batch, x, expected);
      for (const bool accumulate : {false, true}) {
        Buffer expected_dx = dx0;
        reference::MaxPoolBackward<float>(p.s, batch, x, dy, accumulate,
                                          expected_dx);
        testing::ForEachTarget([&](simd::Target) {
          Buffer y(ny), dx = accumulate ? dx0 : Buffer(nx);
          simd::MaxPoolForward(p.s, batch, x, y, {});
          simd::MaxPoolBackward(p.s, batch, x, dy, accumulate, dx, {});
          EXPECT_TRUE(y.GuardsIntact() && dx.GuardsIntact());
          EXPECT_TRUE(y.SameBits(expected));
          EXPECT_TRUE(dx.SameBits(expected_dx));
        });
      }
    }
  }
}

float FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// A window of 1 x 4, values in order, and which one wins.
void ExpectWinner(const float (&values)[4], size_t winner) {
  for (uint32_t channels : {1u, 5u, 16u, 19u}) {
    const Pool p = Make(1, 4, channels, 1, 4, 1, 1, 0, 0);
    testing::ForEachTarget([&](simd::Target) {
      Buffer x(4 * channels), y(channels), dy(channels, 2.0f), dx(4 * channels);
      for (size_t i = 0; i < 4 * channels; ++i) x[i] = values[i / channels];
      simd::MaxPoolForward(p.s, 1, x, y, {});
      simd::MaxPoolBackward(p.s, 1, x, dy, false, dx, {});
      for (size_t c = 0; c < channels; ++c) {
        EXPECT_EQ(std::memcmp(&y[c], &values[winner], sizeof(float)), 0);
        for (size_t i = 0; i < 4; ++i) {
          EXPECT_EQ(dx[i * channels + c], i == winner ? 2.0f : 0.0f) << i;
        }
      }
    });
  }
}

TEST(MaxPool, FirstMaximumAndFirstNanWin) {
  const float nan1 = FromBits(0x7fc00001), nan2 = FromBits(0x7fc00002);
  ExpectWinner({1, 3, 3, 2}, 1);
  ExpectWinner({3, 1, 2, 3}, 0);
  ExpectWinner({-0.0f, 0.0f, -1, 0.0f}, 0);
  ExpectWinner({-1, 0.0f, -0.0f, -2}, 1);
  ExpectWinner({nan1, 5, kInf, 1}, 0);
  ExpectWinner({1, kInf, 5, nan1}, 3);
  ExpectWinner({1, nan1, nan2, kInf}, 1);
  ExpectWinner({nan2, -kInf, nan1, 0}, 0);
  ExpectWinner({-kInf, -kInf, -kInf, -kInf}, 0);
  ExpectWinner({-kInf, -kInf, -3, -3}, 2);
  ExpectWinner({-kInf, nan2, -kInf, nan1}, 1);
}

TEST(MaxPool, AWindowOfPaddingIsMinusInfinityAndGivesNothing) {
  // Padding 2 with kernel 2 and stride 2: the corner window has no taps.
  const Pool p = Make(2, 2, 3, 2, 2, 2, 2, 2, 2);
  ASSERT_EQ(p.s.out_h, 3u);
  testing::ForEachTarget([&](simd::Target) {
    Buffer x(12, 1.0f), y(27), dy(27, 1.0f), dx(12);
    simd::MaxPoolForward(p.s, 1, x, y, {});
    simd::MaxPoolBackward(p.s, 1, x, dy, false, dx, {});
    for (size_t i = 0; i < 27; ++i) EXPECT_EQ(y[i], i / 3 == 4 ? 1.0f : -kInf);
    for (size_t i = 0; i < 12; ++i) EXPECT_EQ(dx[i], i < 3 ? 1.0f : 0.0f);
  });
}

TEST(AvgPool, MatchesTheTwinOnEveryTarget) {
  for (const Pool& p : Pools()) {
    SCOPED_TRACE(Name(p));
    const uint32_t batch = 2;
    const size_t nx = XSize(p.s, batch), ny = YSize(p.s, batch);
    const Buffer x = Buffer(nx).Randomize(1), dy = Buffer(ny).Randomize(2),
                 dx0 = Buffer(nx).Randomize(3);
    std::vector<double> expected(ny);
    reference::AvgPoolForward<double>(p.s, p.options, batch, Doubles(x).data(),
                                      expected.data());
    for (const bool accumulate : {false, true}) {
      std::vector<double> expected_dx = Doubles(dx0);
      reference::AvgPoolBackward<double>(p.s, p.options, batch,
                                         Doubles(dy).data(), accumulate,
                                         expected_dx.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer y(ny), dx = accumulate ? dx0 : Buffer(nx);
        simd::AvgPoolForward(p.s, p.options, batch, x, y, {});
        simd::AvgPoolBackward(p.s, p.options, batch, dy, accumulate, dx, {});
        EXPECT_TRUE(y.GuardsIntact() && dx.GuardsIntact());
        EXPECT_EQ(Wrong(y, expected, 2e-6, 2e-7), 0u);
        EXPECT_EQ(Wrong(dx, expected_dx, 2e-6, 5e-7), 0u);
      });
    }
  }
}

// PyTorch's rule worked out by hand: 4 x 4 ones, kernel 3, stride 2, padding 1,
// ceil mode; the last window is clipped to the padding.
TEST(AvgPool, DividesLikePyTorch) {
  const Pool include = Make(4, 4, 1, 3, 3, 2, 2, 1, 1, true, true);
  const Pool exclude = Make(4, 4, 1, 3, 3, 2, 2, 1, 1, false, true);
  ASSERT_EQ(include.s.out_h, 3u);
  const float expected[9] = {4 / 9.0f, 6 / 9.0f, 2 / 6.0f, 6 / 9.0f, 1.0f,
                             3 / 6.0f, 2 / 6.0f, 3 / 6.0f, 1 / 4.0f};
  testing::ForEachTarget([&](simd::Target) {
    Buffer x(16, 1.0f), y(9);
    simd::AvgPoolForward(include.s, include.options, 1, x, y, {});
    for (size_t i = 0; i < 9; ++i) EXPECT_EQ(y[i], expected[i]) << i;
    simd::AvgPoolForward(exclude.s, exclude.options, 1, x, y, {});
    for (size_t i = 0; i < 9; ++i) EXPECT_EQ(y[i], 1.0f) << i;
  });
}

TEST(GlobalAvgPool, MatchesTheTwinOnEveryTarget) {
  for (size_t pixels : {1, 4, 49, 503, 505, 1600, 9000}) {
    for (size_t channels : {1, 3, 8, 15, 16, 17, 64, 65, 130, 1030}) {
      if (pixels * channels > 100000) continue;
      SCOPED_TRACE(::testing::Message() << pixels << " x " << channels);
      const uint32_t batch = 2;
      const size_t nx = batch * pixels * channels, ny = batch * channels;
      const Buffer x = Buffer(nx).Randomize(1), dy = Buffer(ny).Randomize(2),
                   dx0 = Buffer(nx).Randomize(3);
      std::vector<double> expected(ny);
      reference::GlobalAvgPoolForward<double>(
          batch, pixels, channels, Doubles(x).data(), expected.data());
      for (const bool accumulate : {false, true}) {
        std::vector<double> expected_dx = Doubles(dx0);
        reference::GlobalAvgPoolBackward<double>(batch, pixels, channels,
                                                 Doubles(dy).data(), accumulate,
                                                 expected_dx.data());
        testing::ForEachTarget([&](simd::Target) {
          Buffer y(ny), dx = accumulate ? dx0 : Buffer(nx);
          simd::GlobalAvgPoolForward(batch, pixels, channels, x, {}, y, {});
          simd::GlobalAvgPoolBackward(batch, pixels, channels, dy, accumulate,
                                      dx, {});
          EXPECT_TRUE(y.GuardsIntact() && dx.GuardsIntact());
          EXPECT_EQ(Wrong(y, expected, 2e-6, 1e-7), 0u);
          if (testing::kFlushed == 0.0f) {
            EXPECT_EQ(Wrong(dx, expected_dx, 2e-6, 1e-9), 0u);
          }
          // dx + dy / pixels: where both nearly cancel, what is left has the
          // error of the share, which 32-bit ARM rounds twice.
          for (size_t i = 0; i < nx; ++i) {
            const double share =
                std::fabs(
                    dy[i / (pixels * channels) * channels + i % channels]) /
                static_cast<double>(pixels);
            ASSERT_TRUE(Near(dx[i], expected_dx[i], 0x1p-23, 0x1p-23 * share))
                << i;
          }
        });
      }
    }
  }
}

// Formed on the way equals ApplyPrologue before, bit for bit.
TEST(GlobalAvgPool, PrologueEqualsMaterialised) {
  uint32_t parts = 0;
  for (const auto& [batch, pixels] : {std::pair<uint32_t, size_t>{1, 1},
                                      {2, 4},
                                      {5, 49},
                                      {16, 64},
                                      {2, 503},
                                      {2, 505},
                                      {1, 1600},
                                      {1, 9000}}) {
    for (size_t channels : {1, 3, 8, 15, 16, 17, 64, 65, 130, 513, 1030}) {
      if (batch * pixels * channels > 150000) continue;
      SCOPED_TRACE(::testing::Message()
                   << batch << " x " << pixels << " x " << channels);
      const size_t nx = batch * pixels * channels, ny = batch * channels;
      const Buffer x = Buffer(nx).Randomize(1),
                   shift = Buffer(channels).Randomize(2);
      Buffer scale = Buffer(channels).Randomize(3);
      for (size_t c = 0; c < channels; ++c) scale[c] *= 16.0f;
      for (const simd::Activation activation :
           {simd::Activation::kNone, simd::Activation::kRelu,
            simd::Activation::kRelu6}) {
        const simd::Prologue prologue = {scale, shift, activation};
        testing::ForEachTarget([&](simd::Target) {
          Buffer formed(nx), expected(ny);
          simd::ApplyPrologue(batch * pixels, channels, x, prologue, formed);
          simd::GlobalAvgPoolForward(batch, pixels, channels, formed, {},
                                     expected, {});
          for (const uint32_t threads : {1u, 2u, 3u}) {
            Buffer y(ny);
            simd::GlobalAvgPoolForward(batch, pixels, channels, x, prologue, y,
                                       testing::CountedRunner(threads, &parts));
            EXPECT_TRUE(y.SameBits(expected) && y.GuardsIntact()) << threads;
          }
        });
      }
    }
  }
  EXPECT_EQ(parts, 3u);
}

TEST(PoolTwin, MatchesCentralDifferences) {
  size_t checked = 0;
  for (const Pool& p : Pools()) {
    const size_t nx = XSize(p.s, 1), ny = YSize(p.s, 1);
    if (nx > 250) continue;
    SCOPED_TRACE(Name(p));
    ++checked;
    const std::vector<double> x = Doubles(Buffer(nx).Randomize(1)),
                              dy = Doubles(Buffer(ny).Randomize(2));
    const auto dot = [&](const std::vector<double>& y) {
      double sum = 0;
      for (size_t i = 0; i < ny; ++i) {
        // Windows of nothing but padding are constant.
        if (!std::isinf(y[i])) sum += dy[i] * y[i];
      }
      return sum;
    };
    std::vector<double> dx(nx), y(ny);
    reference::MaxPoolBackward(p.s, 1, x.data(), dy.data(), false, dx.data());
    testing::ExpectGradient(x, dx, [&](const double* v) {
      reference::MaxPoolForward(p.s, 1, v, y.data());
      return dot(y);
    });
    reference::AvgPoolBackward(p.s, p.options, 1, dy.data(), false, dx.data());
    testing::ExpectGradient(x, dx, [&](const double* v) {
      reference::AvgPoolForward(p.s, p.options, 1, v, y.data());
      return dot(y);
    });
  }
  EXPECT_GE(checked, 20u);
  for (size_t pixels : {1, 2, 3, 7, 12}) {
    for (size_t channels : {1, 2, 3, 5}) {
      const size_t nx = 2 * pixels * channels, ny = 2 * channels;
      const std::vector<double> x = Doubles(Buffer(nx).Randomize(1)),
                                dy = Doubles(Buffer(ny).Randomize(2));
      std::vector<double> dx(nx), y(ny);
      reference::GlobalAvgPoolBackward(2, pixels, channels, dy.data(), false,
                                       dx.data());
      testing::ExpectGradient(x, dx, [&](const double* v) {
        reference::GlobalAvgPoolForward(2, pixels, channels, v, y.data());
        double sum = 0;
        for (size_t i = 0; i < ny; ++i) sum += dy[i] * y[i];
        return sum;
      });
    }
  }
}

TEST(Pool, SameBitsOnExactTargetsAndAnyThreads) {
  for (const Pool& p :
       {Make(41, 40, 24, 3, 3, 2, 2, 1, 1), Make(60, 31, 19, 3, 2, 1, 1, 1, 0),
        Make(64, 64, 8, 2, 2, 2, 2, 0, 0),
        Make(25, 9, 131, 5, 5, 2, 3, 2, 2)}) {
    SCOPED_TRACE(Name(p));
    const uint32_t batch = 3;
    const size_t nx = XSize(p.s, batch), ny = YSize(p.s, batch);
    const size_t pixels = size_t{p.s.in_h} * p.s.in_w, channels = p.s.in_c;
    const Buffer x = Ties(nx, 1), smooth = Buffer(nx).Randomize(4),
                 dy = Buffer(ny).Randomize(2), dx0 = Buffer(nx).Randomize(3);
    std::vector<Buffer> first;
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (uint32_t threads : {1u, 2u, 3u}) {
        const ParallelRunner parallel = testing::ThreadRunner(threads);
        Buffer max(ny), max_dx(nx), max_dxa = dx0, avg(ny), avg_dx(nx),
                                    avg_dxa = dx0, mean(batch * channels),
                                    mean_dx(nx), mean_dxa = dx0;
        simd::MaxPoolForward(p.s, batch, x, max, parallel);
        simd::MaxPoolBackward(p.s, batch, x, dy, false, max_dx, parallel);
        simd::MaxPoolBackward(p.s, batch, x, dy, true, max_dxa, parallel);
        simd::AvgPoolForward(p.s, p.options, batch, smooth, avg, parallel);
        simd::AvgPoolBackward(p.s, p.options, batch, dy, false, avg_dx,
                              parallel);
        simd::AvgPoolBackward(p.s, p.options, batch, dy, true, avg_dxa,
                              parallel);
        simd::GlobalAvgPoolForward(batch, pixels, channels, smooth, {}, mean,
                                   parallel);
        simd::GlobalAvgPoolBackward(batch, pixels, channels, mean, false,
                                    mean_dx, parallel);
        simd::GlobalAvgPoolBackward(batch, pixels, channels, mean, true,
                                    mean_dxa, parallel);
        const std::vector<Buffer> now = {max,  max_dx,  max_dxa,
                                         avg,  avg_dx,  avg_dxa,
                                         mean, mean_dx, mean_dxa};
        if (first.empty()) first = now;
        for (size_t i = 0; i < now.size(); ++i) {
          EXPECT_TRUE(now[i].SameBits(first[i])) << i << " " << threads;
        }
      }
    });
  }
}

}  // namespace
}  // namespace temper
