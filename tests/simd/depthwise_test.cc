// simd/depthwise.h against its twin over many shapes, the twin's gradients
// against central differences, and the same bits on exact targets and threads.
#include "simd/depthwise.h"

#include "tests/reference/depthwise.h"
#include "tests/testing/gradient.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::ConvShape;
using testing::Buffer;
using testing::Doubles;
using testing::Near;

// pad_end: bottom and right. Empty outputs have out_h or out_w 0.
ConvShape Make(uint32_t h, uint32_t w, uint32_t c, uint32_t kernel_h,
               uint32_t kernel_w, uint32_t stride_h, uint32_t stride_w,
               uint32_t pad, uint32_t pad_end, uint32_t dilation_h = 1,
               uint32_t dilation_w = 1) {
  ConvShape s{};
  s.in_h = h, s.in_w = w, s.in_c = s.out_c = s.groups = c;
  s.kernel_h = kernel_h, s.kernel_w = kernel_w;
  s.stride_h = stride_h, s.stride_w = stride_w;
  s.pad_top = s.pad_left = pad;
  s.dilation_h = dilation_h, s.dilation_w = dilation_w;
  const uint32_t reach_h = dilation_h * (kernel_h - 1) + 1;
  const uint32_t reach_w = dilation_w * (kernel_w - 1) + 1;
  const uint32_t padded_h = h + pad + pad_end, padded_w = w + pad + pad_end;
  s.out_h = padded_h < reach_h ? 0 : (padded_h - reach_h) / stride_h + 1;
  s.out_w = padded_w < reach_w ? 0 : (padded_w - reach_w) / stride_w + 1;
  return s;
}

std::string Name(const ConvShape& s) {
  std::string name;
  for (uint32_t v :
       {s.in_h, s.in_w, s.in_c, s.out_h, s.out_w, s.kernel_h, s.kernel_w,
        s.stride_h, s.stride_w, s.pad_top, s.dilation_h, s.dilation_w}) {
    name += std::to_string(v) + " ";
  }
  return name;
}

// The kernels that networks use, then drawn shapes of every other kind.
std::vector<ConvShape> Shapes() {
  std::vector<ConvShape> shapes;
  for (uint32_t c : {1, 3, 8, 16, 24, 64, 67}) {
    for (uint32_t k : {3, 5}) {
      for (uint32_t stride : {1, 2}) {
        if (c != 64) {
          shapes.push_back(Make(7, 21, c, k, k, stride, stride, k / 2, k / 2));
          shapes.push_back(Make(8, 14, c, k, k, stride, stride, 0, k / 2));
        }
        shapes.push_back(Make(7, 7, c, k, k, stride, stride, k / 2, k / 2));
      }
    }
  }
  constexpr uint32_t kChannels[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 40};
  for (uint32_t i = 0; shapes.size() < 6 * 12 + 4 + 90; ++i) {
    const auto draw = [&](uint32_t slot, uint32_t low, uint32_t high) {
      return low + RandomWord(7, i * 16 + slot, 0, 0, 0) % (high - low + 1);
    };
    const uint32_t kh = draw(0, 1, 7), kw = draw(1, 1, 9);
    const ConvShape s =
        Make(draw(2, 1, 13), draw(3, 1, 23), kChannels[draw(4, 0, 12)], kh, kw,
             draw(5, 1, 4), draw(6, 1, 4), draw(7, 0, 4), draw(8, 0, 4),
             draw(9, 1, 3), draw(10, 1, 3));
    if (s.out_h != 0 && s.out_w != 0) shapes.push_back(s);
  }
  // Images and rows so small that nothing lies inside, more padding than usual.
  for (uint32_t side : {1, 2, 3, 4, 6}) {
    for (uint32_t pad = 0; pad < 4; ++pad) {
      for (uint32_t stride : {1, 2}) {
        const ConvShape s =
            Make(side, side + pad % 2, 9, 3, 3, stride, stride, pad, pad / 2);
        if (s.out_h != 0 && s.out_w != 0) shapes.push_back(s);
      }
    }
  }
  return shapes;
}

struct Sizes {
  size_t x, w, y;
};
Sizes SizesOf(const ConvShape& s, size_t batch) {
  return {batch * s.in_h * s.in_w * s.in_c,
          size_t{s.kernel_h} * s.kernel_w * s.in_c,
          batch * s.out_h * s.out_w * s.in_c};
}

// Elements of `actual` that are farther than terms * eps * sum |products| from
// `expected`; `bound` holds that sum.
size_t Wrong(const Buffer& actual, const std::vector<double>& expected,
             const std::vector<double>& bound, double terms) {
  size_t wrong = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    wrong += !Near(actual[i], expected[i], 6e-8, (terms + 1) * 6e-8 * bound[i]);
  }
  return wrong;
}

std::vector<double> Magnitudes(const Buffer& x) {
  std::vector<double> v = Doubles(x);
  for (double& e : v) e = std::fabs(e);
  return v;
}

TEST(Depthwise, ForwardMatchesTheTwinOnEveryTarget) {
  for (const ConvShape& s : Shapes()) {
    SCOPED_TRACE(Name(s));
    const uint32_t batch = s.in_c < 24 ? 2 : 1;
    const Sizes size = SizesOf(s, batch);
    const Buffer x = Buffer(size.x).Randomize(1),
                 w = Buffer(size.w).Randomize(2),
                 b = Buffer(s.in_c).Randomize(3);
    for (const bool with_bias : {false, true}) {
      std::vector<double> expected(size.y), bound(size.y);
      const std::vector<double> bias = Doubles(b), bias_size = Magnitudes(b);
      reference::DepthwiseForward<double>(
          s, batch, Doubles(x).data(), Doubles(w).data(),
          with_bias ? bias.data() : nullptr, expected.data());
      reference::DepthwiseForward<double>(
          s, batch, Magnitudes(x).data(), Magnitudes(w).data(),
          with_bias ? bias_size.data() : nullptr, bound.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer y(size.y);
        EXPECT_EQ(simd::DepthwiseForwardScratch(s, batch, 1, false), 0u);
        simd::DepthwiseForward(s, batch, x, {}, w,
                               with_bias ? b.data() : nullptr, y, nullptr, {});
        EXPECT_TRUE(y.GuardsIntact());
        EXPECT_EQ(Wrong(y, expected, bound, s.kernel_h * s.kernel_w), 0u);
      });
    }
  }
}

TEST(Depthwise, BackwardDataMatchesTheTwinOnEveryTarget) {
  for (const ConvShape& s : Shapes()) {
    SCOPED_TRACE(Name(s));
    const uint32_t batch = s.in_c < 24 ? 2 : 1;
    const Sizes size = SizesOf(s, batch);
    const Buffer dy = Buffer(size.y).Randomize(1),
                 w = Buffer(size.w).Randomize(2),
                 dx0 = Buffer(size.x).Randomize(3);
    for (const bool accumulate : {false, true}) {
      std::vector<double> expected = Doubles(dx0), bound = Magnitudes(dx0);
      reference::DepthwiseBackwardData<double>(s, batch, Doubles(dy).data(),
                                               Doubles(w).data(), accumulate,
                                               expected.data());
      reference::DepthwiseBackwardData<double>(s, batch, Magnitudes(dy).data(),
                                               Magnitudes(w).data(), accumulate,
                                               bound.data());
      testing::ForEachTarget([&](simd::Target) {
        Buffer dx = accumulate ? dx0 : Buffer(size.x);
        simd::DepthwiseBackwardData(s, batch, dy, w, accumulate, dx, {});
        EXPECT_TRUE(dx.GuardsIntact());
        EXPECT_EQ(Wrong(dx, expected, bound, s.kernel_h * s.kernel_w), 0u);
      });
    }
  }
}

void CheckWeights(const ConvShape& s, uint32_t batch) {
  SCOPED_TRACE(Name(s));
  const Sizes size = SizesOf(s, batch);
  const Buffer x = Buffer(size.x).Randomize(1),
               dy = Buffer(size.y).Randomize(2),
               dw0 = Buffer(size.w).Randomize(3);
  std::vector<double> expected = Doubles(dw0), bound = Magnitudes(dw0);
  reference::DepthwiseBackwardWeights<double>(
      s, batch, Doubles(x).data(), Doubles(dy).data(), expected.data());
  reference::DepthwiseBackwardWeights<double>(
      s, batch, Magnitudes(x).data(), Magnitudes(dy).data(), bound.data());
  // rows * eps is the worst case; rounding errors of a long chain add up like
  // a random walk, and a wrong or missing term is far larger than both.
  const double terms = 4 * std::sqrt(double(batch) * s.out_h * s.out_w);
  testing::ForEachTarget([&](simd::Target) {
    Buffer dw = dw0;
    Buffer scratch(simd::DepthwiseBackwardWeightsScratch(s, batch, 1, false) /
                   4);
    simd::DepthwiseBackwardWeights(s, batch, {0, batch}, x, {}, dy, dw, scratch, {});
    EXPECT_TRUE(dw.GuardsIntact() && scratch.GuardsIntact());
    EXPECT_EQ(Wrong(dw, expected, bound, terms), 0u);
  });
}

TEST(Depthwise, BackwardWeightsMatchesTheTwinOnEveryTarget) {
  for (const ConvShape& s : Shapes()) CheckWeights(s, s.in_c < 24 ? 2 : 1);
  // Several chunks, cut in the middle of rows and images.
  CheckWeights(Make(23, 29, 5, 3, 3, 1, 1, 1, 1), 3);
  CheckWeights(Make(51, 31, 17, 3, 3, 2, 2, 1, 1), 5);
  CheckWeights(Make(37, 41, 3, 5, 5, 1, 1, 2, 2), 6);
  CheckWeights(Make(30, 31, 9, 2, 6, 1, 3, 1, 1, 2, 1), 4);
}

TEST(Depthwise, ScratchOfABatchServesSmallerOnes) {
  const ConvShape s = Make(20, 21, 8, 3, 3, 1, 1, 1, 1);
  for (uint32_t batch = 1; batch < 60; ++batch) {
    const size_t bytes =
        simd::DepthwiseBackwardWeightsScratch(s, batch, 1, false);
    for (uint32_t fewer = 1; fewer <= batch; ++fewer) {
      EXPECT_GE(bytes, simd::ChunkCount(fewer * 420) * 9 * 16 * 4);
    }
  }
}

// A tap outside the image is skipped, not multiplied by zero: an infinite
// weight must not make a NaN at the border.
TEST(Depthwise, SkipsTapsOutsideTheImage) {
  for (uint32_t stride : {1u, 2u}) {
    const ConvShape s = Make(5, 9, 5, 3, 3, stride, stride, 1, 1);
    const Sizes size = SizesOf(s, 1);
    testing::ForEachTarget([&](simd::Target) {
      Buffer x(size.x, 1.0f), w(size.w, 1.0f), y(size.y), dx(size.x);
      w[0] = std::numeric_limits<float>::infinity();
      simd::DepthwiseForward(s, 1, x, {}, w, nullptr, y, nullptr, {});
      EXPECT_EQ(y[0], 4.0f);
      EXPECT_EQ(y[size.y - 5], std::numeric_limits<float>::infinity());
      Buffer dy(size.y, 1.0f);
      simd::DepthwiseBackwardData(s, 1, dy, w, false, dx, {});
      for (size_t i = 0; i < size.x; ++i) EXPECT_FALSE(std::isnan(dx[i])) << i;
      EXPECT_EQ(dx[size.x - 5], stride == 1 ? 4.0f : 1.0f);
    });
  }
}

// What a prologue forms on the way equals what ApplyPrologue stored before, bit
// for bit: forward and weight gradient, over threads, in exactly the scratch
// that is asked for.
void CheckPrologue(const ConvShape& s, uint32_t batch, uint32_t* most_parts) {
  SCOPED_TRACE(Name(s));
  const Sizes size = SizesOf(s, batch);
  const Buffer x = Buffer(size.x).Randomize(1), w = Buffer(size.w).Randomize(2),
               b = Buffer(s.in_c).Randomize(3),
               dy = Buffer(size.y).Randomize(4),
               shift = Buffer(s.in_c).Randomize(5),
               dw0 = Buffer(size.w).Randomize(6);
  Buffer scale = Buffer(s.in_c).Randomize(7);
  // Values beyond 6 need more than Randomize gives.
  for (size_t c = 0; c < s.in_c; ++c) scale[c] *= 16.0f;
  for (const simd::Activation activation :
       {simd::Activation::kNone, simd::Activation::kRelu,
        simd::Activation::kRelu6}) {
    const simd::Prologue prologue = {scale, shift, activation};
    testing::ForEachTarget([&](simd::Target) {
      Buffer formed(size.x), y0(size.y), dw1 = dw0;
      simd::ApplyPrologue(size.x / s.in_c, s.in_c, x, prologue, formed);
      Buffer plain(simd::DepthwiseBackwardWeightsScratch(s, batch, 1, false) /
                   4);
      simd::DepthwiseForward(s, batch, formed, {}, w, b, y0, nullptr, {});
      simd::DepthwiseBackwardWeights(s, batch, {0, batch}, formed, {}, dy, dw1, plain, {});
      for (const uint32_t threads : {1u, 2u, 3u}) {
        const ParallelRunner runner =
            testing::CountedRunner(threads, most_parts);
        Buffer y(size.y), dw = dw0;
        Buffer forward(simd::DepthwiseForwardScratch(s, batch, threads, true) /
                       4);
        simd::DepthwiseForward(s, batch, x, prologue, w, b, y, forward, runner);
        Buffer weights(
            simd::DepthwiseBackwardWeightsScratch(s, batch, threads, true) / 4);
        simd::DepthwiseBackwardWeights(s, batch, {0, batch}, x, prologue, dy, dw, weights,
                                       runner);
        EXPECT_TRUE(y.SameBits(y0)) << "y, threads " << threads;
        EXPECT_TRUE(dw.SameBits(dw1)) << "dw, threads " << threads;
        EXPECT_TRUE(y.GuardsIntact() && dw.GuardsIntact());
        EXPECT_TRUE(forward.GuardsIntact() && weights.GuardsIntact());
      }
    });
  }
}

// Bands (of several images, and within one), blocks of channels (more than 64),
// several small images in one stage, cut by chunks.
const struct {
  uint32_t batch;
  ConvShape s;
} kStaged[] = {
    {3, Make(40, 41, 8, 3, 3, 1, 1, 1, 1)},
    {2, Make(40, 41, 64, 3, 3, 2, 2, 1, 1)},   // a row a band
    {1, Make(100, 90, 3, 5, 5, 1, 1, 2, 2)},   // several bands of an image
    {3, Make(14, 14, 131, 3, 3, 1, 1, 1, 1)},  // three blocks
    {2, Make(7, 7, 200, 3, 3, 1, 1, 1, 1)},    // four, images side by side
    {23, Make(5, 5, 16, 3, 3, 1, 1, 1, 1)},    // 20 images of a stage
    {45, Make(7, 5, 70, 3, 3, 1, 1, 1, 1)},    // chunks cut images
    {40, Make(9, 9, 24, 3, 3, 2, 2, 0, 1)},    // unused first rows
    {70, Make(3, 4, 65, 2, 2, 1, 1, 0, 0)},    //
    {2, Make(64, 40, 13, 7, 4, 2, 3, 3, 2, 1, 2)},
    {2, Make(40, 41, 17, 3, 3, 1, 1, 2, 2, 2, 2)},
    {2, Make(60, 60, 20, 2, 2, 4, 4, 0, 0)},  // rows that are not read
    {2, Make(3, 50, 60, 3, 3, 1, 1, 6, 6)},   // bands of padding alone
    {600, Make(1, 1, 90, 3, 3, 1, 1, 1, 1)},  // one pixel an image
};

TEST(Depthwise, PrologueEqualsMaterialised) {
  uint32_t parts = 0;
  for (const ConvShape& s : Shapes()) CheckPrologue(s, 2, &parts);
  for (const auto& [batch, s] : kStaged) CheckPrologue(s, batch, &parts);
  EXPECT_EQ(parts, 3u);
}

// A batch in the scratch of a larger one, between its guards.
void CheckInScratch(const ConvShape& s, uint32_t batch, uint32_t threads,
                    Buffer* forward, Buffer* weights) {
  const Sizes size = SizesOf(s, batch);
  const Buffer x = Buffer(size.x).Randomize(1), w = Buffer(size.w).Randomize(2),
               scale = Buffer(s.in_c).Randomize(3),
               shift = Buffer(s.in_c).Randomize(4),
               dy = Buffer(size.y).Randomize(5);
  const simd::Prologue prologue = {scale, shift, simd::Activation::kRelu};
  Buffer formed(size.x), y0(size.y), y(size.y), dw0(size.w, 0.5f),
      dw(size.w, 0.5f);
  simd::ApplyPrologue(size.x / s.in_c, s.in_c, x, prologue, formed);
  const ParallelRunner runner = testing::ThreadRunner(threads);
  simd::DepthwiseForward(s, batch, x, prologue, w, nullptr, y, *forward,
                         runner);
  simd::DepthwiseBackwardWeights(s, batch, {0, batch}, x, prologue, dy, dw, *weights,
                                 runner);
  EXPECT_TRUE(forward->GuardsIntact() && weights->GuardsIntact());
  simd::DepthwiseForward(s, batch, formed, {}, w, nullptr, y0, nullptr, {});
  simd::DepthwiseBackwardWeights(s, batch, {0, batch}, formed, {}, dy, dw0, *weights, {});
  EXPECT_TRUE(y.SameBits(y0) && dw.SameBits(dw0));
}

// A plan is made for the most rows and threads; steps may have fewer.
TEST(Depthwise, PrologueScratchOfABatchServesSmallerOnes) {
  for (const auto& [planned, s] : kStaged) {
    SCOPED_TRACE(Name(s));
    for (const uint32_t threads : {1u, 3u}) {
      const size_t forward =
          simd::DepthwiseForwardScratch(s, planned, threads, true);
      const size_t weights =
          simd::DepthwiseBackwardWeightsScratch(s, planned, threads, true);
      EXPECT_GE(weights, simd::DepthwiseBackwardWeightsScratch(s, planned,
                                                               threads, false));
      for (uint32_t batch = 1; batch <= planned; ++batch) {
        for (uint32_t fewer = 1; fewer <= threads; ++fewer) {
          EXPECT_LE(simd::DepthwiseForwardScratch(s, batch, fewer, true),
                    forward);
          EXPECT_LE(
              simd::DepthwiseBackwardWeightsScratch(s, batch, fewer, true),
              weights);
        }
      }
      Buffer a(forward / 4), b(weights / 4);
      for (const uint32_t batch : {1u, (planned + 1) / 2, planned}) {
        CheckInScratch(s, batch, threads, &a, &b);
      }
    }
  }
}

TEST(DepthwiseTwin, MatchesCentralDifferences) {
  std::vector<ConvShape> shapes = Shapes();
  size_t checked = 0;
  for (const ConvShape& s : shapes) {
    const Sizes size = SizesOf(s, 1);
    if (size.x > 200 || size.w > 200) continue;
    SCOPED_TRACE(Name(s));
    ++checked;
    const std::vector<double> x = Doubles(Buffer(size.x).Randomize(1)),
                              w = Doubles(Buffer(size.w).Randomize(2)),
                              dy = Doubles(Buffer(size.y).Randomize(3));
    const auto loss = [&](const double* input, const double* weights) {
      std::vector<double> y(size.y);
      reference::DepthwiseForward<double>(s, 1, input, weights, nullptr,
                                          y.data());
      double sum = 0;
      for (size_t i = 0; i < size.y; ++i) sum += dy[i] * y[i];
      return sum;
    };
    std::vector<double> dx(size.x), dw(size.w, 0.0);
    reference::DepthwiseBackwardData(s, 1, dy.data(), w.data(), false,
                                     dx.data());
    reference::DepthwiseBackwardWeights(s, 1, x.data(), dy.data(), dw.data());
    testing::ExpectGradient(x, dx,
                            [&](const double* v) { return loss(v, w.data()); });
    testing::ExpectGradient(w, dw,
                            [&](const double* v) { return loss(x.data(), v); });
  }
  EXPECT_GE(checked, 20u);
}

TEST(Depthwise, SameBitsOnExactTargetsAndAnyThreads) {
  const ConvShape shapes[] = {Make(40, 41, 8, 3, 3, 1, 1, 1, 1),
                              Make(40, 41, 24, 3, 3, 2, 2, 1, 1),
                              Make(14, 14, 131, 3, 3, 1, 1, 1, 1),
                              Make(33, 19, 40, 5, 5, 1, 1, 2, 2),
                              Make(33, 19, 40, 5, 5, 2, 2, 2, 2),
                              Make(40, 41, 17, 3, 3, 1, 1, 2, 2, 2, 2),
                              Make(64, 40, 13, 7, 4, 2, 3, 3, 2, 1, 2)};
  for (const ConvShape& s : shapes) {
    SCOPED_TRACE(Name(s));
    const uint32_t batch = 3;
    const Sizes size = SizesOf(s, batch);
    const Buffer x = Buffer(size.x).Randomize(1),
                 w = Buffer(size.w).Randomize(2),
                 dy = Buffer(size.y).Randomize(3),
                 b = Buffer(s.in_c).Randomize(4),
                 dx0 = Buffer(size.x).Randomize(5);
    std::vector<Buffer> first;
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (uint32_t threads : {1u, 2u, 3u}) {
        const ParallelRunner parallel = testing::ThreadRunner(threads);
        Buffer y(size.y), dx(size.x), dxa = dx0, dw(size.w, 0.5f);
        Buffer scratch(
            simd::DepthwiseBackwardWeightsScratch(s, batch, threads, false) /
            4);
        simd::DepthwiseForward(s, batch, x, {}, w, b, y, nullptr, parallel);
        simd::DepthwiseBackwardData(s, batch, dy, w, false, dx, parallel);
        simd::DepthwiseBackwardData(s, batch, dy, w, true, dxa, parallel);
        simd::DepthwiseBackwardWeights(s, batch, {0, batch}, x, {}, dy, dw, scratch,
                                       parallel);
        EXPECT_TRUE(scratch.GuardsIntact());
        const std::vector<Buffer> now = {y, dx, dxa, dw};
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
