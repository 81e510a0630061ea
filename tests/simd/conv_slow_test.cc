// Convolutions of the size that models have, against the twin and the chain,
// over threads. The ways through the code are those of conv_test.cc; here
// blocks, bands, slices and chunks are many at once.
#include "tests/reference/conv.h"
#include "tests/testing/conv_problem.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::ToDouble;

const testing::ConvCase kCases[] = {
    {1, {3, 3, 128, 3, 3, 160, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {5, {5, 5, 100, 5, 5, 200, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {6, 6, 160, 3, 3, 256, 3, 3, 2, 2, 1, 1, 1, 1, 2}},
    {3, {8, 8, 256, 4, 4, 96, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {3, {16, 16, 230, 4, 4, 80, 3, 3, 4, 4, 0, 0, 1, 1, 1}},
    {3, {24, 24, 16, 24, 24, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {5, {32, 32, 3, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {64, 65, 2, 64, 65, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {90, 91, 3, 45, 46, 20, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {1, {130, 131, 16, 128, 129, 4, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    {2, {17, 16, 96, 17, 16, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {3, {17, 6, 72, 9, 3, 70, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {2, {5, 5, 130, 5, 5, 67, 3, 3, 1, 1, 2, 2, 2, 2, 1}},
    {16, {3, 3, 128, 3, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {3, {26, 24, 20, 24, 22, 6, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    {3, {16, 16, 16, 16, 16, 48, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {33, 31, 16, 17, 16, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {5, {5, 5, 64, 5, 5, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {4, {14, 14, 64, 14, 14, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2}},
    {2, {24, 24, 40, 24, 24, 56, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
};

TEST(ConvSlow, MatchesTheTwinAndTheChain) {
  for (const testing::ConvCase& c : kCases) {
    SCOPED_TRACE(testing::Name(c));
    const testing::ConvProblem p(c);
    std::vector<double> y[2], dx[2], dw[2];
    for (int m = 0; m < 2; ++m) {
      const auto x = ToDouble(p.x, m), w = ToDouble(p.w, m),
                 bias = ToDouble(p.bias, m), dy = ToDouble(p.dy, m);
      y[m].resize(p.out);
      dx[m].resize(p.in);
      dw[m] = ToDouble(p.dw, m);
      reference::ConvForward<double>(p.s, p.batch, x.data(), w.data(),
                                     bias.data(), y[m].data());
      reference::ConvBackwardData<double>(p.s, p.batch, dy.data(), w.data(),
                                          false, dx[m].data());
      reference::ConvBackwardWeights<double>(p.s, p.batch, x.data(), dy.data(),
                                             dw[m].data());
    }
    const Buffer y0 = p.ChainForward(true), dx0 = p.ChainBackwardData(false),
                 dw0 = p.ChainBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      for (const uint32_t threads : {1u, 2u, 3u, 7u}) {
        SCOPED_TRACE(threads);
        const ParallelRunner runner = testing::ThreadRunner(threads);
        Buffer ya(p.out), dxa(p.in), dwa = p.dw;
        Buffer forward(
            simd::direct::ConvForwardScratch(p.s, p.batch, threads, false) / 4);
        Buffer data(
            simd::direct::ConvBackwardDataScratch(p.s, p.batch, threads) / 4);
        Buffer weights(simd::direct::ConvBackwardWeightsScratch(
                           p.s, p.batch, threads, false) /
                       4);
        simd::direct::ConvForward(p.s, p.batch, p.x, {}, p.w, p.bias, ya,
                                  forward.data(), runner);
        simd::direct::ConvBackwardData(p.s, p.batch, p.dy, p.w, false, dxa,
                                       data.data(), runner);
        simd::direct::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, 0,
                                          p.s.out_c, dwa, weights.data(),
                                          runner);
        EXPECT_TRUE(forward.GuardsIntact() && data.GuardsIntact() &&
                    weights.GuardsIntact());
        testing::CheckBound(ya, y, p.filter + 1);
        testing::CheckBound(
            dxa, dx,
            size_t{p.s.kernel_h} * p.s.kernel_w * p.s.out_c / p.s.groups + 1);
        testing::CheckBound(dwa, dw,
                            size_t{p.batch} * p.s.out_h * p.s.out_w + 1);
        if (target.exact) {
          EXPECT_TRUE(ya.SameBits(y0));
          EXPECT_TRUE(dxa.SameBits(dx0));
          EXPECT_TRUE(dwa.SameBits(dw0));
        }
      }
    });
  }
}

}  // namespace
}  // namespace temper
