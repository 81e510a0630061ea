// simd/conv.h: every direction against its twin (error bound), against the
// promised chain in float (bits), over threads; through prologues and by ranges
// of filters; the twins against central differences; scratch of the exact size
// between guards.
#include "simd/conv.h"

#include <algorithm>

#include "tests/reference/conv.h"
#include "tests/testing/kernel_test.h"

namespace temper {
namespace {

using simd::ConvShape;
using testing::Buffer;

struct Case {
  uint32_t batch;
  ConvShape s;
};

// in (h, w, c), out (h, w, c), kernel, stride, pad, dilation, groups
const Case kCases[] = {
    {1, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1}},    // a product
    {3, {1, 1, 17, 1, 1, 5, 1, 1, 1, 1, 0, 0, 1, 1, 1}},   // dense layer
    {2, {7, 5, 8, 7, 5, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1}},   // 1x1
    {5, {9, 9, 16, 5, 5, 32, 1, 1, 2, 2, 0, 0, 1, 1, 1}},  // 1x1 stride 2
    {2, {8, 8, 4, 4, 4, 6, 1, 1, 2, 2, 0, 0, 1, 1, 1}},    // unused last row
    {2, {6, 6, 3, 8, 8, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1}},    // 1x1 with pad
    {1, {8, 8, 16, 8, 8, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},  // resnet
    {4, {9, 7, 3, 9, 7, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},   // first layer
    {3, {8, 8, 16, 4, 4, 32, 3, 3, 2, 2, 1, 1, 1, 1, 1}},  // stride 2
    {2, {8, 8, 17, 4, 4, 33, 3, 3, 2, 2, 0, 0, 1, 1, 1}},  // pad below, right
    {2, {10, 11, 3, 3, 3, 5, 3, 3, 3, 3, 0, 0, 1, 1, 1}},  // stride 3, unused
    {5, {3, 3, 24, 3, 3, 18, 3, 3, 1, 1, 1, 1, 1, 1, 1}},  // small map
    {2, {12, 12, 8, 8, 8, 7, 5, 5, 1, 1, 0, 0, 1, 1, 1}},  // 5x5, no padding
    {3, {9, 9, 1, 9, 9, 3, 5, 5, 1, 1, 2, 2, 1, 1, 1}},    // 5x5, one channel
    {2,
     {49, 10, 1, 25, 5, 16, 10, 4, 2, 2, 4, 1, 1, 1, 1}},   // keyword spotting
    {2, {11, 9, 8, 11, 9, 10, 3, 3, 1, 1, 2, 2, 2, 2, 1}},  // dilation 2
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
    {2, {24, 24, 16, 24, 24, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1}},  // several bands
    {3,
     {26, 24, 20, 24, 22, 6, 3, 3, 1, 1, 0, 0, 1, 1, 1}},  // chunks, unpadded
};

// Weights that are packed by blocks: few pixels (the input gradient then reads
// them where they lie), one band, several, groups, phases that no tap reaches.
const Case kBlockCases[] = {
    {1, {3, 3, 128, 3, 3, 160, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {5, {5, 5, 100, 5, 5, 200, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {6, 6, 160, 3, 3, 256, 3, 3, 2, 2, 1, 1, 1, 1, 2}},
    {3, {8, 8, 256, 4, 4, 96, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {3, {16, 16, 230, 4, 4, 80, 3, 3, 4, 4, 0, 0, 1, 1, 1}},
};
std::vector<Case> WithBlockCases(const Case* begin, const Case* end) {
  std::vector<Case> cases(begin, end);
  cases.insert(cases.end(), std::begin(kBlockCases), std::end(kBlockCases));
  return cases;
}

struct Problem {
  uint32_t batch;
  ConvShape s;
  size_t in, out, filter, weights;
  Buffer x, w, bias, y, dy, dx, dw;
  explicit Problem(const Case& c)
      : batch(c.batch),
        s(c.s),
        in(size_t{batch} * s.in_h * s.in_w * s.in_c),
        out(size_t{batch} * s.out_h * s.out_w * s.out_c),
        filter(size_t{s.kernel_h} * s.kernel_w * (s.in_c / s.groups)),
        weights(s.out_c * filter),
        x(Buffer(in).Randomize(1)),
        w(Buffer(weights).Randomize(2)),
        bias(Buffer(s.out_c).Randomize(3)),
        y(out),
        dy(Buffer(out).Randomize(4)),
        dx(Buffer(in).Randomize(5)),
        dw(Buffer(weights).Randomize(6)) {}
  // Input element of a tap, zero outside.
  float X(size_t n, size_t oh, size_t ow, size_t kh, size_t kw,
          size_t c) const {
    const int64_t ih =
        static_cast<int64_t>(oh * s.stride_h + kh * s.dilation_h) - s.pad_top;
    const int64_t iw =
        static_cast<int64_t>(ow * s.stride_w + kw * s.dilation_w) - s.pad_left;
    if (ih < 0 || ih >= s.in_h || iw < 0 || iw >= s.in_w) return 0.0f;
    return x[((n * s.in_h + static_cast<size_t>(ih)) * s.in_w +
              static_cast<size_t>(iw)) *
                 s.in_c +
             c];
  }

  Buffer ChainForward(bool with_bias) const {
    Buffer result(out);
    const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
    size_t i = 0;
    for (size_t n = 0; n < batch; ++n)
      for (size_t oh = 0; oh < s.out_h; ++oh)
        for (size_t ow = 0; ow < s.out_w; ++ow)
          for (size_t co = 0; co < s.out_c; ++co, ++i) {
            float sum = with_bias ? bias[co] : 0.0f;
            size_t k = co * filter;
            for (size_t kh = 0; kh < s.kernel_h; ++kh)
              for (size_t kw = 0; kw < s.kernel_w; ++kw)
                for (size_t c = 0; c < in_per; ++c, ++k)
                  sum =
                      std::fma(X(n, oh, ow, kh, kw, co / out_per * in_per + c),
                               w[k], sum);
            result[i] = sum;
          }
    return result;
  }

  Buffer ChainBackwardData(bool accumulate) const {
    Buffer result = dx;
    const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
    size_t i = 0;
    for (size_t n = 0; n < batch; ++n)
      for (size_t ih = 0; ih < s.in_h; ++ih)
        for (size_t iw = 0; iw < s.in_w; ++iw)
          for (size_t ci = 0; ci < s.in_c; ++ci, ++i) {
            float sum = accumulate ? dx[i] : 0.0f;
            for (size_t kh = s.kernel_h; kh-- > 0;)
              for (size_t kw = s.kernel_w; kw-- > 0;) {
                const int64_t h = static_cast<int64_t>(ih + s.pad_top) -
                                  static_cast<int64_t>(kh * s.dilation_h);
                const int64_t v = static_cast<int64_t>(iw + s.pad_left) -
                                  static_cast<int64_t>(kw * s.dilation_w);
                if (h < 0 || v < 0 || h % s.stride_h != 0 ||
                    v % s.stride_w != 0)
                  continue;
                const int64_t oh = h / s.stride_h, ow = v / s.stride_w;
                if (oh >= s.out_h || ow >= s.out_w) continue;
                const size_t g = ci / in_per;
                for (size_t co = g * out_per; co < (g + 1) * out_per; ++co)
                  sum = std::fma(
                      dy[((n * s.out_h + static_cast<size_t>(oh)) * s.out_w +
                          static_cast<size_t>(ow)) *
                             s.out_c +
                         co],
                      w[co * filter + (kh * s.kernel_w + kw) * in_per +
                        ci % in_per],
                      sum);
              }
            result[i] = sum;
          }
    return result;
  }

  Buffer ChainBackwardWeights() const {
    Buffer result = dw;
    const size_t in_per = s.in_c / s.groups, out_per = s.out_c / s.groups;
    const size_t pixels = size_t{batch} * s.out_h * s.out_w;
    const size_t chunk = simd::ChunkRows(pixels);
    std::vector<float> partial(simd::ChunkCount(pixels));
    size_t i = 0;
    for (size_t co = 0; co < s.out_c; ++co)
      for (size_t kh = 0; kh < s.kernel_h; ++kh)
        for (size_t kw = 0; kw < s.kernel_w; ++kw)
          for (size_t c = 0; c < in_per; ++c, ++i) {
            std::fill(partial.begin(), partial.end(), 0.0f);
            for (size_t p = 0; p < pixels; ++p) {
              const size_t oh = p / s.out_w % s.out_h;
              float& sum = partial[p / chunk];
              sum = std::fma(dy[p * s.out_c + co],
                             X(p / s.out_w / s.out_h, oh, p % s.out_w, kh, kw,
                               co / out_per * in_per + c),
                             sum);
            }
            simd::CombineTree(partial.size(), [&](size_t into, size_t from) {
              partial[into] += partial[from];
            });
            result[i] += partial[0];
          }
    return result;
  }
};

std::vector<double> ToDouble(const Buffer& from, bool magnitudes) {
  std::vector<double> to(from.size());
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = magnitudes ? std::fabs(from[i]) : from[i];
  return to;
}

// |actual - expected| <= terms * eps * sum of magnitudes, both from the twin.
void CheckBound(const Buffer& actual, const std::vector<double> twin[2],
                size_t terms) {
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_LE(std::fabs(actual[i] - twin[0][i]),
              static_cast<double>(terms) * 0x1p-23 * twin[1][i] + 1e-40)
        << actual[i] << " instead of " << twin[0][i] << " at " << i;
  }
}

std::string Name(const Case& c) {
  const uint32_t* p = &c.s.in_h;
  std::string name("batch ");
  name.append(std::to_string(c.batch)).append(":");
  for (size_t i = 0; i < sizeof(ConvShape) / 4; ++i)
    name.append(" ").append(std::to_string(p[i]));
  return name;
}

TEST(ConvForward, MatchesTheTwinAndTheChain) {
  for (const Case& c : WithBlockCases(std::begin(kCases), std::end(kCases))) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const bool with_bias : {false, true}) {
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

TEST(ConvBackwardData, MatchesTheTwinAndTheChain) {
  for (const Case& c : WithBlockCases(std::begin(kCases), std::end(kCases))) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    for (const bool accumulate : {false, true}) {
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

// More pixels than one chunk holds, and than 16 chunks of 504 hold; both
// orientations of the lanes, staged and not.
const Case kLongCases[] = {
    {3, {24, 24, 16, 24, 24, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {5, {32, 32, 3, 32, 32, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {2, {64, 65, 2, 64, 65, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {1, {100, 91, 8, 100, 91, 9, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
    {2, {90, 91, 3, 45, 46, 20, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {1, {130, 131, 16, 128, 129, 4, 3, 3, 1, 1, 0, 0, 1, 1, 1}},
    // Slices of the in channels, blocks of rows, packed dy.
    {2, {17, 16, 96, 17, 16, 80, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {3, {17, 6, 72, 9, 3, 70, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
    {2, {5, 5, 130, 5, 5, 67, 3, 3, 1, 1, 2, 2, 2, 2, 1}},
    {16, {3, 3, 128, 3, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
};

TEST(ConvBackwardWeights, MatchesTheTwinAndTheChain) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.insert(cases.end(), std::begin(kLongCases), std::end(kLongCases));
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

TEST(Conv, SameBitsWithAnyThreads) {
  const Case cases[] = {
      {3, {16, 16, 16, 16, 16, 48, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {2, {33, 31, 16, 17, 16, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1}},
      {5, {5, 5, 64, 5, 5, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {3, {32, 32, 3, 32, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
      {4, {14, 14, 64, 14, 14, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2}},
      {2, {24, 24, 40, 24, 24, 56, 1, 1, 1, 1, 0, 0, 1, 1, 1}},
  };
  for (const Case& c : WithBlockCases(std::begin(cases), std::end(cases))) {
    SCOPED_TRACE(Name(c));
    const Problem p(c);
    const Buffer y0 = p.ChainForward(true);
    const Buffer dx0 = p.ChainBackwardData(false);
    const Buffer dw0 = p.ChainBackwardWeights();
    testing::ForEachTarget([&](simd::Target target) {
      if (!target.exact) return;
      for (const uint32_t threads : {1u, 2u, 3u, 7u}) {
        SCOPED_TRACE(threads);
        const ParallelRunner runner = testing::ThreadRunner(threads);
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
        EXPECT_TRUE(y.SameBits(y0));
        EXPECT_TRUE(dx.SameBits(dx0));
        EXPECT_TRUE(dw.SameBits(dw0));
      }
    });
  }
}

// What a prologue forms on the way equals what it stored before, bit for bit.
TEST(Conv, PrologueEqualsMaterialised) {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.push_back({2, {24, 24, 40, 24, 24, 56, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back({3, {40, 41, 8, 40, 41, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back({2, {33, 31, 16, 17, 16, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1}});
  cases.push_back({2, {17, 16, 144, 17, 16, 80, 1, 1, 1, 1, 0, 0, 1, 1, 1}});
  cases.push_back({16, {3, 3, 128, 3, 3, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}});
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

// The twins: d(sum of r * y) by central differences, at up to 24 elements.
TEST(ConvTwin, GradientsMatchCentralDifferences) {
  for (const Case& c : kCases) {
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
