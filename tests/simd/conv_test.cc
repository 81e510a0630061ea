// simd/conv.h: every direction against its twin (error bound), against the
// promised chain in float (bits), over threads; through prologues and by ranges
// of filters; the twins against central differences; scratch of the exact size
// between guards.
#include "simd/conv.h"

#include <algorithm>

#include "tests/reference/conv.h"
#include "tests/testing/conv_problem.h"

namespace temper {
namespace {

using Case = testing::ConvCase;
using Problem = testing::ConvProblem;
using testing::Buffer;
using testing::CheckBound;
using testing::Name;
using testing::ToDouble;

const Case kCases[] = {
    {1, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},    // a product
    {3, {1, 1, 17, 1, 1, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1}},   // dense layer
    {2, {7, 5, 8, 7, 5, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1}},   // 1x1
    {5, {9, 9, 16, 5, 5, 32, 1, 1, 2, 2, 0, 0, 1, 1, 1}},  // 1x1 stride 2
    {2, {8, 8, 4, 4, 4, 6, 1, 1, 2, 2, 0, 0, 1, 1, 1}},    // unused last row
    {2, {6, 6, 3, 8, 8, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1}},    // 1x1 with pad
    {1, {8, 8, 16, 8, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},  // resnet
    {4, {9, 7, 3, 9, 7, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},   // first layer
    {2, {8, 8, 16, 4, 4, 32, 3, 3, 2, 2, 1, 1, 1, 1, 1}},  // stride 2
    {2, {8, 8, 17, 4, 4, 33, 3, 3, 2, 2, 0, 0, 1, 1, 1}},  // pad below, right
    {2, {10, 11, 3, 3, 3, 5, 3, 3, 3, 3, 0, 0, 1, 1, 1}},  // stride 3, unused
    {5, {3, 3, 24, 3, 3, 18, 3, 3, 1, 1, 1, 1, 1, 1, 1}},  // small map
    {1, {12, 12, 8, 8, 8, 7, 5, 5, 1, 1, 0, 0, 1, 1, 1}},  // 5x5, no padding
    {3, {9, 9, 1, 9, 9, 3, 5, 5, 1, 1, 2, 2, 1, 1, 1}},    // 5x5, one channel
    {1,
     {49, 10, 1, 25, 5, 16, 10, 4, 2, 2, 4, 1, 1, 1, 1}},   // keyword spotting
    {1, {11, 9, 8, 11, 9, 10, 3, 3, 1, 1, 2, 2, 2, 2, 1}},  // dilation 2
    {1, {13, 12, 3, 5, 4, 4, 3, 3, 2, 2, 0, 1, 2, 2, 1}},   // and stride 2
    {2, {13, 14, 5, 4, 5, 3, 3, 2, 3, 3, 1, 0, 2, 4, 1}},   // 3 and 4
    {2, {8, 8, 8, 8, 8, 12, 3, 3, 1, 1, 1, 1, 1, 1, 2}},    // groups 2
    {1, {7, 7, 34, 4, 4, 40, 3, 3, 2, 2, 1, 1, 1, 1, 2}},   // groups, stride
    {2, {6, 6, 9, 6, 6, 9, 3, 3, 1, 1, 1, 1, 1, 1, 9}},     // depthwise
    {2, {6, 6, 6, 3, 3, 12, 3, 3, 2, 2, 1, 1, 1, 1, 6}},    // multiplier 2
    {1, {9, 9, 6, 7, 7, 4, 3, 3, 1, 1, 1, 1, 2, 2, 2}},     // groups, dilation
    {2, {4, 4, 32, 4, 4, 8, 1, 1, 1, 1, 0, 0, 1, 1, 4}},    // 1x1 groups
    {2, {4, 5, 2, 9, 10, 3, 3, 3, 1, 1, 4, 4, 1, 1, 1}},    // pads too large
    {2, {2, 2, 4, 5, 5, 3, 2, 2, 2, 2, 4, 4, 1, 1, 1}},     // bands of zeros
    {1, {1, 1, 8, 1, 1, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},    // one pixel
    {3, {1, 9, 4, 1, 9, 6, 1, 5, 1, 1, 0, 2, 1, 1, 1}},     // one row
    {3, {9, 1, 4, 9, 1, 6, 5, 1, 1, 1, 2, 0, 1, 1, 1}},     // one column
    {2, {6, 6, 2, 1, 1, 5, 6, 6, 1, 1, 0, 0, 1, 1, 1}},     // whole image
    {1, {5, 7, 3, 2, 2, 4, 2, 2, 3, 4, 0, 0, 1, 1, 1}},     // gaps in dx
    {2, {7, 5, 3, 4, 2, 40, 2, 3, 2, 3, 1, 1, 1, 1, 1}},    // uneven strides
    {2, {2, 3, 5, 1, 1, 3, 1, 1, 4, 4, 0, 0, 1, 1, 1}},     // stride > image
    {2, {24, 24, 16, 24, 24, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}},  // several bands
    {2,
     {26, 24, 20, 24, 22, 2, 3, 3, 1, 1, 0, 0, 1, 1, 1}},  // chunks, unpadded
};

// Weights just above what is packed once: by blocks, or (the input gradient of
// few pixels) read where they lie; one band, bands of rows and of images,
// groups, phases that no tap reaches. Dilation keeps the output, and so the
// work, small.
const Case kBlockCases[] = {
    {1, {2, 2, 128, 2, 2, 143, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {1, {6, 6, 128, 2, 2, 143, 3, 3, 1, 1, 0, 0, 2, 2, 1}},
    {3, {4, 3, 100, 4, 3, 183, 3, 3, 1, 1, 3, 3, 3, 3, 1}},
    {1, {13, 13, 160, 2, 2, 228, 3, 3, 2, 2, 0, 0, 5, 5, 2}},
    {1, {8, 20, 256, 2, 2, 72, 3, 3, 4, 16, 0, 0, 1, 1, 1}},
    {1, {21, 21, 128, 2, 2, 143, 3, 3, 4, 4, 0, 0, 7, 7, 1}},
    {1, {6, 6, 32, 2, 2, 570, 3, 3, 1, 1, 0, 0, 2, 2, 1}},
};
std::vector<Case> WithBlockCases(const Case* begin, const Case* end) {
  std::vector<Case> cases(begin, end);
  cases.insert(cases.end(), std::begin(kBlockCases), std::end(kBlockCases));
  return cases;
}

// starts: without and with what a sum begins from.
void TestForward(const std::vector<Case>& cases,
                 const std::vector<bool>& starts) {
  for (const Case& c : cases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const bool with_bias : starts) {
      std::vector<double> twin[2];
      for (int m = 0; m < 2; ++m) {
        twin[m].resize(p.out);
        const auto bias = ToDouble(p.bias, m);
        reference::ConvForward<double>(
            p.s, p.batch, ToDouble(p.x, m).data(), ToDouble(p.w, m).data(),
            with_bias ? bias.data() : nullptr, twin[m].data());
      }
      const Buffer chain = p.ChainForward(with_bias);
      testing::ForEachTarget([&](simd::Target target) {
        Buffer y(p.out);
        Buffer scratch(
            simd::direct::ConvForwardScratch(p.s, p.batch, 1, false) / 4);
        simd::direct::ConvForward(p.s, p.batch, p.x, {}, p.w,
                                  with_bias ? p.bias.data() : nullptr, y,
                                  scratch.data(), {});
        EXPECT_TRUE(y.GuardsIntact() && scratch.GuardsIntact());
        CheckBound(y, twin, p.filter + 1);
        if (target.exact) {
          EXPECT_TRUE(y.SameBits(chain));
        }
      });
    }
  }
}

TEST(ConvForward, MatchesTheTwinAndTheChain) {
  TestForward({std::begin(kCases), std::end(kCases)}, {false, true});
}
TEST(ConvForward, BlocksMatchTheTwinAndTheChain) {
  TestForward({std::begin(kBlockCases), std::end(kBlockCases)}, {true});
}

// With weights that were packed before, all at once or by blocks: the same bits,
// on any number of threads, through a prologue too.
TEST(ConvForward, PackedWeightsGiveTheSameBits) {
  uint32_t packed = 0, refused = 0, parts = 0;
  for (const Case& c : WithBlockCases(std::begin(kCases), std::end(kCases))) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    const size_t bytes = simd::ConvPackedBytes(p.s);
    if (bytes == 0) {
      ++refused;
      continue;
    }
    ++packed;
    const Buffer scale = Buffer(p.s.in_c).Randomize(7);
    const Buffer shift = Buffer(p.s.in_c).Randomize(8);
    for (const bool derived : {false, true}) {
      const simd::Prologue prologue =
          derived ? simd::Prologue{scale, shift, simd::Activation::kRelu}
                  : simd::Prologue{};
      testing::ForEachTarget([&](simd::Target) {
        Buffer w(bytes / sizeof(float));
        std::copy_n(p.w.data(), p.weights, w.data());
        Buffer pack(simd::ConvPackScratch(p.s) / sizeof(float));
        simd::ConvPackWeights(p.s, w, pack.data());
        EXPECT_TRUE(w.GuardsIntact() && pack.GuardsIntact());
        Buffer expected(p.out);
        Buffer scratch(
            simd::direct::ConvForwardScratch(p.s, p.batch, 1, derived) / 4);
        simd::direct::ConvForward(p.s, p.batch, p.x, prologue, p.w, p.bias,
                                  expected, scratch.data(), {});
        for (const uint32_t threads : {1u, 2u, 5u}) {
          Buffer y(p.out);
          Buffer own(
              simd::ConvForwardPackedScratch(p.s, p.batch, threads, derived) /
              4);
          EXPECT_LE(own.size(), simd::direct::ConvForwardScratch(
                                    p.s, p.batch, threads, derived) /
                                    4);
          simd::ConvForwardPacked(p.s, p.batch, p.x, prologue, w, p.bias, y,
                                  own.data(),
                                  testing::CountedRunner(threads, &parts));
          EXPECT_TRUE(y.SameBits(expected)) << threads;
          EXPECT_TRUE(y.GuardsIntact() && own.GuardsIntact());
        }
      });
    }
  }
  EXPECT_GE(packed, 30u);
  EXPECT_GE(refused, 5u);  // groups that end within a panel
  EXPECT_EQ(parts, 5u);
}

void TestBackwardData(const std::vector<Case>& cases,
                      const std::vector<bool>& starts) {
  for (const Case& c : cases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const bool accumulate : starts) {
      std::vector<double> twin[2];
      for (int m = 0; m < 2; ++m) {
        twin[m] = ToDouble(p.dx, m);
        reference::ConvBackwardData<double>(
            p.s, p.batch, ToDouble(p.dy, m).data(), ToDouble(p.w, m).data(),
            accumulate, twin[m].data());
      }
      const Buffer chain = p.ChainBackwardData(accumulate);
      testing::ForEachTarget([&](simd::Target target) {
        Buffer dx(p.in);  // NaN: every element must be written
        if (accumulate) dx = p.dx;
        Buffer scratch(simd::direct::ConvBackwardDataScratch(p.s, p.batch, 1) /
                       4);
        simd::direct::ConvBackwardData(p.s, p.batch, p.dy, p.w, accumulate, dx,
                                       scratch.data(), {});
        EXPECT_TRUE(dx.GuardsIntact() && scratch.GuardsIntact());
        CheckBound(
            dx, twin,
            size_t{p.s.kernel_h} * p.s.kernel_w * p.s.out_c / p.s.groups + 1);
        if (target.exact) {
          EXPECT_TRUE(dx.SameBits(chain));
        }
      });
    }
  }
}

TEST(ConvBackwardData, MatchesTheTwinAndTheChain) {
  TestBackwardData({std::begin(kCases), std::end(kCases)}, {false, true});
}
TEST(ConvBackwardData, BlocksMatchTheTwinAndTheChain) {
  TestBackwardData({std::begin(kBlockCases), std::end(kBlockCases)}, {true});
}

// More pixels than one chunk holds, and than 16 chunks of 504 hold; both
// orientations of the lanes, staged and not.
const Case kLongCases[] = {
    {2, {24, 24, 8, 24, 24, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {16, 17, 3, 16, 17, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {64, 65, 1, 64, 65, 8, 1, 3, 1, 1, 0, 1, 1, 1, 1}},
    {1, {100, 91, 8, 100, 91, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {3, {30, 31, 3, 15, 16, 20, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {1, {92, 93, 3, 90, 91, 3, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
};
// Slices of the in channels, blocks of rows, packed dy.
const Case kSliceCases[] = {
    {3, {17, 6, 66, 9, 3, 70, 1, 3, 2, 2, 0, 1, 1, 1, 1}},
    {2, {12, 12, 128, 2, 2, 120, 3, 3, 8, 8, 1, 1, 1, 1, 1}},
    {2, {5, 5, 130, 5, 5, 67, 1, 3, 1, 1, 0, 2, 1, 2, 1}},
    {8, {3, 3, 128, 3, 3, 64, 1, 3, 1, 1, 0, 1, 1, 1, 1}},
};
// The same over more than one chunk.
const Case kLongSliceCase = {
    1, {23, 22, 66, 23, 22, 64, 1, 2, 1, 1, 0, 1, 1, 1, 1}};

void TestBackwardWeights(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    std::vector<double> twin[2];
    for (int m = 0; m < 2; ++m) {
      twin[m] = ToDouble(p.dw, m);
      reference::ConvBackwardWeights<double>(
          p.s, p.batch, ToDouble(p.x, m).data(), ToDouble(p.dy, m).data(),
          twin[m].data());
    }
    const Buffer chain = p.ChainBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      Buffer dw = p.dw;
      Buffer scratch(
          simd::direct::ConvBackwardWeightsScratch(p.s, p.batch, 1, false) / 4);
      simd::direct::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, 0,
                                        p.s.out_c, dw, scratch.data(), {});
      EXPECT_TRUE(dw.GuardsIntact() && scratch.GuardsIntact());
      CheckBound(dw, twin, size_t{p.batch} * p.s.out_h * p.s.out_w + 1);
      if (target.exact) {
        EXPECT_TRUE(dw.SameBits(chain));
      }
    });
  }
}

TEST(ConvBackwardWeights, MatchesTheTwinAndTheChain) {
  TestBackwardWeights({std::begin(kCases), std::end(kCases)});
}
TEST(ConvBackwardWeights, ChunksMatchTheTwinAndTheChain) {
  TestBackwardWeights({std::begin(kLongCases), std::end(kLongCases)});
}
TEST(ConvBackwardWeights, SlicesMatchTheTwinAndTheChain) {
  TestBackwardWeights({std::begin(kSliceCases), std::end(kSliceCases)});
}
TEST(ConvBackwardWeights, SlicesOfChunksMatchTheTwinAndTheChain) {
  TestBackwardWeights({kLongSliceCase});
}

TEST(Conv, SameBitsWithAnyThreads) {
  const Case cases[] = {
      {3, {16, 16, 16, 16, 16, 33, 1, 3, 1, 1, 0, 1, 1, 1, 1}},
      {2, {33, 31, 8, 17, 16, 20, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
      {5, {5, 5, 32, 5, 5, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {2, {17, 16, 3, 17, 16, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {3, {14, 14, 20, 14, 14, 24, 3, 3, 1, 1, 1, 1, 1, 1, 2}},
      {1, {24, 24, 40, 24, 24, 56, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
      {2, {12, 12, 128, 2, 2, 120, 3, 3, 8, 8, 1, 1, 1, 1, 1}},
  };
  uint32_t parts = 0;
  for (const Case& c : WithBlockCases(std::begin(cases), std::end(cases))) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    const Buffer y0 = p.ChainForward(true);
    const Buffer dx0 = p.ChainBackwardData(false);
    const Buffer dw0 = p.ChainBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      // Where the chain is not promised, one thread says what is.
      Buffer y1 = y0, dx1 = dx0, dw1 = dw0;
      for (const uint32_t threads : {1u, 2u, 3u, 7u}) {
        SCOPED_TRACE(threads);
        const ParallelRunner runner = testing::CountedRunner(threads, &parts);
        Buffer y(p.out), dx(p.in), dw = p.dw;
        Buffer forward(
            simd::direct::ConvForwardScratch(p.s, p.batch, threads, false) / 4);
        simd::direct::ConvForward(p.s, p.batch, p.x, {}, p.w, p.bias, y,
                                  forward.data(), runner);
        Buffer data(
            simd::direct::ConvBackwardDataScratch(p.s, p.batch, threads) / 4);
        simd::direct::ConvBackwardData(p.s, p.batch, p.dy, p.w, false, dx,
                                       data.data(), runner);
        Buffer weights(simd::direct::ConvBackwardWeightsScratch(
                           p.s, p.batch, threads, false) /
                       4);
        simd::direct::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, 0,
                                          p.s.out_c, dw, weights.data(),
                                          runner);
        EXPECT_TRUE(forward.GuardsIntact() && data.GuardsIntact() &&
                    weights.GuardsIntact());
        if (!target.exact && threads == 1) y1 = y, dx1 = dx, dw1 = dw;
        EXPECT_TRUE(y.SameBits(y1));
        EXPECT_TRUE(dx.SameBits(dx1));
        EXPECT_TRUE(dw.SameBits(dw1));
      }
    });
  }
  EXPECT_EQ(parts, 7u);
}

// Weight gradients of four or five chunks: staged or not, either orientation of
// the lanes, slices, groups. More threads than units take part.
TEST(ConvBackwardWeights, ThreadsSharePixels) {
  const struct {
    Case c;
    bool one_unit;
  } cases[] = {
      {{1, {42, 48, 1, 42, 48, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1}}, true},
      {{2, {42, 48, 3, 21, 48, 7, 3, 1, 2, 1, 1, 0, 1, 1, 1}}, true},
      {{9, {15, 15, 16, 15, 15, 16, 1, 1, 1, 1, 0, 0, 1, 1, 1}}, true},
      {{1, {44, 46, 40, 44, 46, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1}}, false},
      {{2, {33, 33, 66, 35, 35, 6, 1, 1, 1, 1, 1, 1, 1, 1, 1}}, false},
      {{1, {46, 44, 8, 46, 44, 8, 1, 3, 1, 1, 0, 1, 1, 1, 4}}, false},
  };
  for (const auto& [c, one_unit] : cases) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    const Buffer dw0 = p.ChainBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      Buffer dw1 = dw0;
      for (const uint32_t threads : {1u, 2u, 3u, 4u, 8u}) {
        SCOPED_TRACE(threads);
        uint32_t parts = 0;
        const ParallelRunner runner = testing::CountedRunner(threads, &parts);
        Buffer dw = p.dw;
        Buffer scratch(simd::direct::ConvBackwardWeightsScratch(
                           p.s, p.batch, threads, false) /
                       4);
        simd::direct::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, 0,
                                          p.s.out_c, dw, scratch.data(),
                                          runner);
        EXPECT_TRUE(dw.GuardsIntact() && scratch.GuardsIntact());
        if (!target.exact && threads == 1) dw1 = dw;
        EXPECT_TRUE(dw.SameBits(dw1));
        // Nothing but pixels can be shared.
        if (one_unit && threads == 4) {
          EXPECT_EQ(parts, 4u);
        }
      }
    });
  }
}

// The scratch suffices for a call without the planned prologue, and for fewer
// filters, which may be cut into units of more rows.
TEST(ConvBackwardWeights, ThePlannedScratchDoesForOtherCalls) {
  const struct {
    Case c;
    bool prologue;
    uint32_t filters;
  } cases[] = {
      {{16, {14, 14, 112, 14, 14, 512, 1, 1, 1, 1, 0, 0, 1, 1, 1}}, true, 512},
      {{1, {50, 50, 3, 50, 50, 65, 5, 5, 1, 1, 2, 2, 1, 1, 1}}, false, 64},
  };
  for (const auto& [c, prologue, filters] : cases) {
    for (const uint32_t threads : {2u, 4u, 8u}) {
      // Only sizes: the products are too large for a unit test.
      const auto bytes = [&](bool with, uint32_t n) {
        simd::ConvShape s = c.s;
        s.out_c = n;
        return simd::direct::ConvBackwardWeightsScratch(s, c.batch, threads,
                                                        with);
      };
      EXPECT_GE(bytes(prologue, c.s.out_c), bytes(false, filters));
    }
  }
}

// What a prologue forms on the way equals what it stored before, bit for bit.
TEST(Conv, PrologueEqualsMaterialised) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.push_back({1, {24, 24, 40, 24, 24, 24, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back({2, {40, 41, 8, 40, 41, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back({2, {33, 31, 8, 17, 16, 20, 3, 3, 2, 2, 1, 1, 1, 1, 1}});
  cases.push_back({1, {23, 22, 72, 23, 22, 64, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back(kSliceCases[3]);
  for (const Case& c : cases) {
    SCOPED_TRACE(Name(c));
    Problem p(c);
    const Buffer raw = p.x;
    const Buffer scale = Buffer(p.s.in_c).Randomize(7);
    const Buffer shift = Buffer(p.s.in_c).Randomize(8);
    for (const simd::Activation activation :
         {simd::Activation::kNone, simd::Activation::kRelu,
          simd::Activation::kRelu6}) {
      // Values beyond 6 need more than Randomize gives.
      Buffer steep = scale;
      for (size_t i = 0; i < p.s.in_c; ++i) steep[i] *= 16.0f;
      const simd::Prologue prologue = {steep, shift, activation};
      testing::ForEachTarget([&](simd::Target) {
        simd::ApplyPrologue(p.in / p.s.in_c, p.s.in_c, raw, prologue, p.x);
        Buffer y0(p.out), dw0 = p.dw;
        {
          Buffer forward(
              simd::direct::ConvForwardScratch(p.s, p.batch, 1, false) / 4);
          simd::direct::ConvForward(p.s, p.batch, p.x, {}, p.w, p.bias, y0,
                                    forward.data(), {});
          Buffer weights(
              simd::direct::ConvBackwardWeightsScratch(p.s, p.batch, 1, false) /
              4);
          simd::direct::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, 0,
                                            p.s.out_c, dw0, weights.data(), {});
        }
        for (const uint32_t threads : {1u, 2u, 4u}) {
          SCOPED_TRACE(threads);
          const ParallelRunner runner = testing::ThreadRunner(threads);
          Buffer y(p.out), dw = p.dw;
          Buffer forward(
              simd::direct::ConvForwardScratch(p.s, p.batch, threads, true) /
              4);
          simd::direct::ConvForward(p.s, p.batch, raw, prologue, p.w, p.bias, y,
                                    forward.data(), runner);
          Buffer weights(simd::direct::ConvBackwardWeightsScratch(
                             p.s, p.batch, threads, true) /
                         4);
          simd::direct::ConvBackwardWeights(p.s, p.batch, raw, prologue, p.dy,
                                            0, p.s.out_c, dw, weights.data(),
                                            runner);
          EXPECT_TRUE(forward.GuardsIntact() && weights.GuardsIntact());
          EXPECT_TRUE(y.GuardsIntact() && dw.GuardsIntact());
          EXPECT_TRUE(y.SameBits(y0));
          EXPECT_TRUE(dw.SameBits(dw0));
        }
      });
    }
  }
}

// Rows of dw on their own are the rows of the whole, and nothing else is
// written.
TEST(ConvBackwardWeights, FilterRangesEqualTheWhole) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kLongCases), std::end(kLongCases));
  cases.insert(cases.end(), std::begin(kSliceCases), std::end(kSliceCases));
  for (const Case& c : cases) {
    if (c.s.groups != 1) continue;
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    const Buffer whole = p.ChainBackwardWeights();
    const uint32_t n = p.s.out_c;
    const uint32_t ranges[][2] = {{0, n},     {0, n / 2},         {n / 2, n},
                                  {n - 1, n}, {n / 3, n - n / 3}, {0, 0}};
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (const auto& range : ranges) {
        for (const uint32_t threads : {1u, 3u}) {
          const uint32_t first = range[0], filters = range[1] - range[0];
          Buffer dw(filters * p.filter);
          std::copy_n(p.dw + first * p.filter, dw.size(), dw.data());
          Buffer scratch(simd::direct::ConvBackwardWeightsScratch(
                             p.s, p.batch, threads, false) /
                         4);
          simd::direct::ConvBackwardWeights(p.s, p.batch, p.x, {}, p.dy, first,
                                            filters, dw, scratch.data(),
                                            testing::ThreadRunner(threads));
          EXPECT_TRUE(dw.GuardsIntact() && scratch.GuardsIntact());
          Buffer expected(dw.size());
          std::copy_n(whole + first * p.filter, dw.size(), expected.data());
          EXPECT_TRUE(dw.SameBits(expected)) << first << " " << filters;
        }
      }
    });
  }
}

// A short last batch on fewer threads runs in the scratch that was planned for
// a full one on more.
TEST(Conv, ScratchGrowsWithBatchAndThreads) {
  std::vector<Case> cases =
      WithBlockCases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kLongCases), std::end(kLongCases));
  cases.insert(cases.end(), std::begin(kSliceCases), std::end(kSliceCases));
  cases.push_back(kLongSliceCase);
  cases.push_back({1, {3, 3, 512, 3, 3, 512, 3, 3, 1, 1, 1, 1, 1, 1, 1}});
  cases.push_back({1, {6, 6, 256, 3, 3, 512, 3, 3, 2, 2, 1, 1, 1, 1, 1}});
  cases.push_back({1, {6, 6, 96, 6, 6, 576, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back({1, {3, 3, 960, 3, 3, 160, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  for (const Case& c : cases) {
    SCOPED_TRACE(Name(c));
    for (const bool prologue : {false, true}) {
      const auto forward = [&](uint32_t batch, uint32_t threads) {
        return simd::direct::ConvForwardScratch(c.s, batch, threads, prologue);
      };
      const auto weights = [&](uint32_t batch, uint32_t threads) {
        return simd::direct::ConvBackwardWeightsScratch(c.s, batch, threads,
                                                        prologue);
      };
      for (uint32_t threads = 1; threads <= 20; ++threads) {
        size_t f0 = 0, d0 = 0, w0 = 0;
        for (uint32_t batch = 1; batch <= 300; batch += 1 + batch / 8) {
          const size_t f = forward(batch, threads);
          const size_t d =
              simd::direct::ConvBackwardDataScratch(c.s, batch, threads);
          const size_t w = weights(batch, threads);
          EXPECT_TRUE(f >= f0 && d >= d0 && w >= w0) << batch;
          EXPECT_EQ((f | d | w) % 64, 0u);
          EXPECT_GE(forward(batch, threads + 1), f);
          EXPECT_GE(
              simd::direct::ConvBackwardDataScratch(c.s, batch, threads + 1),
              d);
          EXPECT_GE(weights(batch, threads + 1), w);
          EXPECT_GE(simd::direct::ConvForwardScratch(c.s, batch, threads, true),
                    f);
          EXPECT_GE(simd::direct::ConvBackwardWeightsScratch(c.s, batch,
                                                             threads, true),
                    w);
          f0 = f, d0 = d, w0 = w;
        }
      }
    }
  }
}

// The twins: d(sum of r * y) by central differences, at up to 24 elements; with
// few channels, as the formulas do not depend on how many there are.
TEST(ConvTwin, GradientsMatchCentralDifferences) {
  for (Case c : kCases) {
    if (c.s.out_h * c.s.out_w > 200)
      continue;  // long only for bands and chunks
    c.batch = std::min(c.batch, 2u);
    c.s.in_c = c.s.groups * std::min(c.s.in_c / c.s.groups, 2u);
    c.s.out_c = c.s.groups * std::min(c.s.out_c / c.s.groups, 2u);
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    std::vector<double> x = ToDouble(p.x, false), w = ToDouble(p.w, false);
    const std::vector<double> r = ToDouble(p.dy, false);
    std::vector<double> y(p.out), dx(p.in), dw(p.weights);
    reference::ConvBackwardData<double>(p.s, p.batch, r.data(), w.data(), false,
                                        dx.data());
    reference::ConvBackwardWeights<double>(p.s, p.batch, x.data(), r.data(),
                                           dw.data());
    const auto loss = [&] {
      reference::ConvForward<double>(p.s, p.batch, x.data(), w.data(), nullptr,
                                     y.data());
      double sum = 0;
      for (size_t i = 0; i < p.out; ++i) sum += r[i] * y[i];
      return sum;
    };
    const auto check = [&](std::vector<double>& at,
                           const std::vector<double>& gradient) {
      const size_t step = (at.size() + 23) / 24;
      for (size_t i = 0; i < at.size(); i += step) {
        const double old = at[i], h = 6e-6 * std::max(1.0, std::fabs(old));
        at[i] = old + h;
        const double above = loss();
        at[i] = old - h;
        const double below = loss();
        at[i] = old;
        EXPECT_TRUE(
            testing::Near(gradient[i], (above - below) / (2 * h), 1e-6, 1e-8));
      }
    };
    check(x, dx);
    check(w, dw);
  }
}

}  // namespace
}  // namespace temper
