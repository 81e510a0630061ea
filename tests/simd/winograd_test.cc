// simd/winograd.h: every direction against the definition in double (error
// bound) and against its own arithmetic in float (bits), prologues, ranges of
// filters, threads, scratch of the exact size between guards, and the error
// next to the direct kernel's.
#include "simd/winograd.h"

#include <algorithm>

#include "tests/reference/conv.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/winograd_problem.h"

namespace temper {
namespace {

using simd::ConvShape;
using simd::Prologue;
using testing::Buffer;
using testing::CheckBound;
using testing::Name;
using testing::ToDouble;
using Case = testing::WinogradCase;
using Problem = testing::WinogradProblem;
using Magnitudes = testing::WinogradMagnitudes;

const Case kCases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1},
    {2, 2, 3, 3, 8, 1, 1, 1, 1},
    {3, 3, 3, 8, 3, 1, 1, 1, 1},
    {3, 4, 4, 16, 16, 1, 1, 1, 1},
    {2, 5, 5, 17, 17, 1, 1, 1, 1},
    {2, 6, 7, 24, 1, 1, 1, 1, 1},
    {3, 7, 6, 1, 24, 1, 1, 1, 1},
    {1, 4, 6, 64, 17, 1, 1, 1, 1},
    {1, 5, 5, 17, 40, 1, 1, 1, 1},
    {1, 9, 8, 16, 17, 1, 1, 1, 1},
    {1, 24, 24, 3, 8, 1, 1, 1, 1},
    {1, 32, 32, 4, 3, 1, 1, 1, 1},
    {2, 5, 6, 3, 16, 0, 0, 0, 0},
    {2, 3, 3, 16, 3, 0, 0, 0, 0},
    {3, 4, 5, 8, 8, 2, 2, 2, 2},
    {1, 1, 2, 16, 17, 2, 2, 2, 2},
    {2, 6, 5, 17, 8, 0, 1, 2, 0},
    {1, 9, 7, 8, 24, 2, 0, 0, 1},
    {2, 3, 2, 48, 33, 1, 1, 1, 1},
    {1, 3, 90, 3, 8, 1, 1, 1, 1},
    {1, 90, 3, 4, 5, 1, 1, 1, 1},
    {2, 6, 6, 24, 33, 1, 1, 1, 1},
    // Weights by blocks, filters by groups.
    {1, 1, 2, 700, 17, 1, 1, 1, 1},
    {1, 1, 2, 33, 600, 1, 1, 1, 1},
};

TEST(WinogradForward, MatchesTheDefinitionAndTheTwin) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const bool with_bias : {false, true}) {
      const float* const b = with_bias ? p.bias.data() : nullptr;
      const auto bias = ToDouble(p.bias, false), abs = ToDouble(p.bias, true);
      std::vector<double> expected(p.out), magnitudes(p.out);
      reference::ConvForward<double>(p.s, p.batch, ToDouble(p.x, false).data(),
                                     ToDouble(p.w, false).data(),
                                     with_bias ? bias.data() : nullptr,
                                     expected.data());
      Magnitudes::Forward(p.s, p.batch, ToDouble(p.x, true).data(),
                          ToDouble(p.w, true).data(),
                          with_bias ? abs.data() : nullptr, magnitudes.data());
      const Buffer twin = p.TwinForward(b);
      testing::ForEachTarget([&](simd::Target target) {
        const Buffer y = p.Forward(p.x, {}, b, {});
        CheckBound(y, expected, magnitudes, p.s.in_c);
        if (target.exact) {
          EXPECT_TRUE(y.SameBits(twin));
        }
      });
    }
  }
}

TEST(WinogradBackwardData, MatchesTheDefinitionAndTheTwin) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const bool accumulate : {false, true}) {
      std::vector<double> expected = ToDouble(p.dx, false);
      std::vector<double> magnitudes = ToDouble(p.dx, true);
      reference::ConvBackwardData<double>(
          p.s, p.batch, ToDouble(p.dy, false).data(),
          ToDouble(p.w, false).data(), accumulate, expected.data());
      Magnitudes::BackwardData(p.s, p.batch, ToDouble(p.dy, true).data(),
                               ToDouble(p.w, true).data(), accumulate,
                               magnitudes.data());
      const Buffer twin = p.TwinBackwardData(accumulate);
      testing::ForEachTarget([&](simd::Target target) {
        const Buffer dx = p.BackwardData(accumulate, {});
        CheckBound(dx, expected, magnitudes, p.s.out_c);
        if (target.exact) {
          EXPECT_TRUE(dx.SameBits(twin));
        }
      });
    }
  }
}

// More tiles than a chunk, and than 16 chunks of 504 hold.
const Case kLongCases[] = {
    {2, 33, 35, 3, 4, 1, 1, 1, 1},
    {3, 31, 32, 4, 3, 1, 1, 1, 1},
    {1, 181, 190, 1, 2, 1, 1, 1, 1},
};

TEST(WinogradBackwardWeights, MatchesTheDefinitionAndTheTwin) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kLongCases), std::end(kLongCases));
  for (const Case& c : cases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    std::vector<double> expected = ToDouble(p.dw, false);
    std::vector<double> magnitudes = ToDouble(p.dw, true);
    reference::ConvBackwardWeights<double>(
        p.s, p.batch, ToDouble(p.x, false).data(), ToDouble(p.dy, false).data(),
        expected.data());
    Magnitudes::BackwardWeights(p.s, p.batch, ToDouble(p.x, true).data(),
                                ToDouble(p.dy, true).data(), magnitudes.data());
    const Buffer twin = p.TwinBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      const Buffer dw = p.BackwardWeights(p.x, {}, {});
      CheckBound(dw, expected, magnitudes, p.Tiles());
      if (target.exact) {
        EXPECT_TRUE(dw.SameBits(twin));
      }
    });
  }
}

// The last group of filters is the smallest and takes larger blocks of tiles.
TEST(WinogradBackwardWeights, ASmallLastGroupHasRoom) {
  const Problem p(Case{1, 9, 9, 64, 80, 1, 1, 1, 1});
  const Buffer twin = p.TwinBackwardWeights();
  testing::ForEachTarget([&](simd::Target target) {
    const Buffer dw = p.BackwardWeights(p.x, {}, {});  // looks at its guards
    if (target.exact) {
      EXPECT_TRUE(dw.SameBits(twin));
    }
  });
}

TEST(WinogradBackwardWeights, RangesOfFilters) {
  for (const Case& c : {Case{2, 9, 9, 17, 40, 1, 1, 1, 1},
                        Case{1, 1, 2, 33, 600, 1, 1, 1, 1}}) {
    const Problem p(c);
    testing::ForEachTarget([&](simd::Target) {
      const Buffer whole = p.BackwardWeights(p.x, {}, {});
      Buffer parts = p.dw;
      Buffer scratch(simd::WinogradBackwardWeightsScratch(p.s, p.batch, 1) / 4);
      for (uint32_t first = 0, filters = 1; first < p.s.out_c;
           first += filters, filters = 2 * filters + 4) {
        filters = std::min(filters, p.s.out_c - first);
        simd::WinogradBackwardWeights(
            p.s, p.batch, p.x, {}, p.dy, first, filters,
            parts + size_t{first} * 9 * p.s.in_c, scratch.data(), {});
      }
      EXPECT_TRUE(parts.GuardsIntact() && scratch.GuardsIntact());
      EXPECT_TRUE(parts.SameBits(whole));
    });
  }
}

TEST(Winograd, ProloguesAreThoseThatWereStored) {
  for (const Case& c :
       {Case{2, 9, 7, 17, 8, 1, 1, 1, 1}, Case{1, 32, 32, 4, 3, 1, 1, 1, 1},
        Case{3, 4, 4, 24, 17, 2, 1, 0, 2}, Case{2, 6, 6, 8, 16, 0, 0, 0, 0}}) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const auto activation :
         {simd::Activation::kNone, simd::Activation::kRelu,
          simd::Activation::kRelu6}) {
      const Prologue prologue{p.scale, p.shift, activation};
      testing::ForEachTarget([&](simd::Target) {
        Buffer x(p.in);
        simd::ApplyPrologue(p.in / p.s.in_c, p.s.in_c, p.x, prologue, x);
        EXPECT_TRUE(p.Forward(p.x, prologue, p.bias, {})
                        .SameBits(p.Forward(x, {}, p.bias, {})));
        EXPECT_TRUE(p.BackwardWeights(p.x, prologue, {})
                        .SameBits(p.BackwardWeights(x, {}, {})));
      });
    }
  }
}

TEST(Winograd, SameBitsWithAnyThreads) {
  uint32_t parts = 0;
  for (const Case& c :
       {Case{3, 16, 16, 8, 20, 1, 1, 1, 1}, Case{5, 5, 5, 24, 33, 1, 1, 1, 1},
        Case{2, 33, 31, 4, 10, 1, 1, 1, 1}, Case{1, 8, 8, 40, 48, 1, 1, 1, 1},
        Case{2, 4, 4, 130, 60, 1, 1, 1, 1},
        // Threads share chunks: three, and seven.
        Case{1, 64, 64, 3, 2, 1, 1, 1, 1},
        Case{1, 111, 112, 1, 2, 1, 1, 1, 1}}) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    const Buffer y = p.TwinForward(p.bias), dx = p.TwinBackwardData(false);
    const Buffer dw = p.TwinBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      // Where the twin's bits are not promised, one thread says what is.
      Buffer y1 = y, dx1 = dx, dw1 = dw;
      if (!target.exact) {
        y1 = p.Forward(p.x, {}, p.bias, {});
        dx1 = p.BackwardData(false, {});
        dw1 = p.BackwardWeights(p.x, {}, {});
      }
      for (const uint32_t threads : {1u, 2u, 3u, 4u, 9u}) {
        SCOPED_TRACE(threads);
        const ParallelRunner runner = testing::CountedRunner(threads, &parts);
        EXPECT_TRUE(p.Forward(p.x, {}, p.bias, runner).SameBits(y1));
        EXPECT_TRUE(p.BackwardData(false, runner).SameBits(dx1));
        EXPECT_TRUE(p.BackwardWeights(p.x, {}, runner).SameBits(dw1));
      }
    });
  }
  EXPECT_EQ(parts, 9u);
}

// A short last batch on fewer threads runs in the scratch that was planned for
// a full one on more.
TEST(Winograd, ScratchGrowsWithBatchAndThreads) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(Name(c));
    const ConvShape s = c.Shape();
    for (uint32_t threads = 1; threads <= 20; ++threads) {
      size_t before[3] = {};
      for (uint32_t batch = 1; batch <= 300; batch += 1 + batch / 8) {
        const auto bytes = [&](uint32_t n, size_t i) {
          return i == 0   ? simd::WinogradForwardScratch(s, batch, n)
                 : i == 1 ? simd::WinogradBackwardDataScratch(s, batch, n)
                          : simd::WinogradBackwardWeightsScratch(s, batch, n);
        };
        for (size_t i = 0; i < 3; ++i) {
          const size_t now = bytes(threads, i);
          EXPECT_GE(now, before[i]) << batch;
          EXPECT_EQ(now % 64, 0u);
          EXPECT_GE(bytes(threads + 1, i), now);
          before[i] = now;
        }
      }
    }
  }
}

// conv.h takes Winograd's kernels where they apply, bits and scratch.
TEST(Winograd, ConvChooses) {
  struct {
    Case c;
    bool forward, data, weights;
  } cases[] = {
      {{2, 32, 32, 16, 16, 1, 1, 1, 1}, true, true, true},
      {{2, 16, 16, 32, 32, 1, 1, 1, 1}, true, true, true},
      {{2, 8, 8, 64, 64, 1, 1, 1, 1}, true, true, true},
      {{1, 32, 32, 3, 16, 1, 1, 1, 1}, false, false, false},
      {{1, 14, 14, 24, 40, 1, 1, 1, 1}, true, true, true},
      {{1, 3, 3, 64, 64, 1, 1, 1, 1}, false, false, false},
      {{1, 12, 12, 8, 16, 1, 1, 1, 1}, true, false, false},
      {{3, 5, 5, 8, 8, 1, 1, 1, 1}, false, false, false},
      {{1, 1, 1, 64, 64, 1, 1, 1, 1}, false, false, false},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(Name(each.c));
    const Problem p(each.c);
    EXPECT_EQ(simd::WinogradForwardApplies(p.s), each.forward);
    EXPECT_EQ(simd::WinogradBackwardDataApplies(p.s), each.data);
    EXPECT_EQ(simd::WinogradBackwardWeightsApplies(p.s), each.weights);
    Buffer y(p.out), dx(p.in), dw = p.dw;
    Buffer y_direct(p.out), dx_direct(p.in), dw_direct = p.dw;
    Buffer forward(simd::ConvForwardScratch(p.s, p.batch, 1, false) / 4);
    simd::ConvForward(p.s, p.batch, p.x, {}, p.w, p.bias, y, forward.data(),
                      {});
    Buffer data(simd::ConvBackwardDataScratch(p.s, p.batch, 1) / 4);
    simd::ConvBackwardData(p.s, p.batch, p.dy, p.w, false, dx, data.data(), {});
    Buffer weights(simd::ConvBackwardWeightsScratch(p.s, p.batch, 1, false) /
                   4);
    simd::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, 0, p.s.out_c, dw,
                              weights.data(), {});
    EXPECT_TRUE(forward.GuardsIntact() && data.GuardsIntact() &&
                weights.GuardsIntact());
    p.Direct(y_direct, dx_direct, dw_direct, p.bias);
    EXPECT_TRUE(
        y.SameBits(each.forward ? p.Forward(p.x, {}, p.bias, {}) : y_direct));
    EXPECT_TRUE(dx.SameBits(each.data ? p.BackwardData(false, {}) : dx_direct));
    EXPECT_TRUE(
        dw.SameBits(each.weights ? p.BackwardWeights(p.x, {}, {}) : dw_direct));
  }
  ConvShape s = Case{1, 32, 32, 16, 16, 1, 1, 1, 1}.Shape();
  s.groups = 2;
  EXPECT_FALSE(simd::WinogradForwardApplies(s));
  s.groups = 1, s.stride_w = 2, s.out_w = 16;
  EXPECT_FALSE(simd::WinogradBackwardDataApplies(s));
  s.stride_w = 1, s.dilation_h = 2, s.out_w = 32, s.out_h = 30;
  EXPECT_FALSE(simd::WinogradBackwardWeightsApplies(s));
}

// Root mean square over the outputs of a direction, as a multiple of the direct
// kernel's error: printed, and held to what the header states. Once with x and
// dy around zero, once with x >= 0, as after ReLU.
TEST(Winograd, ErrorNextToTheDirectKernel) {
  const auto rms = [](const Buffer& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < b.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum / static_cast<double>(b.size()));
  };
  for (const Case& c :
       {Case{1, 16, 16, 8, 8, 1, 1, 1, 1}, Case{1, 8, 8, 32, 32, 1, 1, 1, 1},
        Case{1, 4, 4, 256, 16, 1, 1, 1, 1}}) {
    for (const bool positive : {false, true}) {
      Problem p(c);
      for (size_t i = 0; positive && i < p.in; ++i) p.x[i] = std::fabs(p.x[i]);
      const auto x = ToDouble(p.x, false), w = ToDouble(p.w, false),
                 dy = ToDouble(p.dy, false);
      std::vector<double> y(p.out), dx(p.in), dw = ToDouble(p.dw, false);
      reference::ConvForward<double>(p.s, p.batch, x.data(), w.data(), nullptr,
                                     y.data());
      reference::ConvBackwardData<double>(p.s, p.batch, dy.data(), w.data(),
                                          false, dx.data());
      reference::ConvBackwardWeights<double>(p.s, p.batch, x.data(), dy.data(),
                                             dw.data());
      Buffer direct_y(p.out), direct_dx(p.in), direct_dw = p.dw;
      p.Direct(direct_y, direct_dx, direct_dw, nullptr);
      const double forward =
          rms(p.Forward(p.x, {}, nullptr, {}), y) / rms(direct_y, y);
      const double data =
          rms(p.BackwardData(false, {}), dx) / rms(direct_dx, dx);
      const double weights =
          rms(p.BackwardWeights(p.x, {}, {}), dw) / rms(direct_dw, dw);
      std::printf("%s, x %s 0: error / direct error: %.2f, %.2f, %.2f\n",
                  Name(c).c_str(), positive ? ">=" : "around", forward, data,
                  weights);
      EXPECT_LT(std::max({forward, data, weights}), 2.0);
    }
  }
}

}  // namespace
}  // namespace temper
