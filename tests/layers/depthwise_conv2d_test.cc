// depthwise_conv2d: against its twin over strides, pads and dilation; weights
// by shape and fans; what is refused.
#include "tests/reference/depthwise.h"
#include "tests/reference/loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;
using testing::Window;
using Params = DepthwiseConv2dParams;

simd::ConvShape ShapeOf(const LayerCase& c) {
  EXPECT_EQ(c.out.c, c.in[0].c);
  return testing::WindowOf<Params>(c, c.in[0].c);
}

const LayerTwin kTwin = {
    [](Twin* t) {
      reference::DepthwiseForward<double>(
          ShapeOf(t->c), t->c.rows, t->x[0].data(), t->weights[0].data(),
          t->As<Params>().bias ? t->weights[1].data() : nullptr, t->y.data());
    },
    [](Twin* t) {
      const simd::ConvShape s = ShapeOf(t->c);
      reference::DepthwiseBackwardData<double>(s, t->c.rows, t->dy.data(),
                                               t->weights[0].data(),
                                               t->accumulate, t->dx[0].data());
      reference::DepthwiseBackwardWeights<double>(
          s, t->c.rows, t->x[0].data(), t->dy.data(), t->dw[0].data());
      if (t->As<Params>().bias) {
        reference::ColumnSums(t->c.rows * t->c.out.h * t->c.out.w, t->c.out.c,
                              t->dy.data(), t->dw[1].data());
      }
    },
    /*linear=*/true};

Params With(Params p, uint32_t bias) {
  p.bias = bias;
  return p;
}

std::vector<LayerCase> Cases() {
  testing::Draw draw(4);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, const Params& p, uint32_t rows,
                       uint32_t batch) {
    cases.push_back(testing::MakeCase(p, {in}, rows, batch));
  };
  const auto one = Window<Params>(1, 1, 1, 1, 0, 0, 0, 0);
  const auto three = Window<Params>(3, 3, 1, 1, 1, 1, 1, 1);
  add({1, 1, 1}, one, 1, 1);
  add({1, 1, 19}, three, 3, 4);
  add({12, 13, 33}, three, 5, 6);  // three threads
  add({8, 7, 16}, Window<Params>(3, 3, 2, 2, 0, 1, 0, 1), 2, 2);
  add({9, 11, 5}, Window<Params>(5, 5, 2, 1, 2, 2, 4, 0), 3, 3);
  add({13, 12, 3},
      testing::Dilated(Window<Params>(3, 3, 1, 1, 2, 2, 3, 3), 2, 3), 2, 5);
  add({25, 5, 64}, With(three, 0), 1, 2);
  // 16 samples of 504 pixels are 16 chunks, the 17 that were planned only 9.
  add({21, 24, 2}, one, 16, 17);
  while (cases.size() < 40) {
    Shape in;
    const Params p = testing::DrawWindow<Params>(&draw, &in);
    in.c = draw(1, 19);
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add(in, With(p, draw(0, 1)), rows, batch);
  }
  return cases;
}

TEST(DepthwiseConv2d, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) TestLayer(c, kTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(DepthwiseConv2d, DerivedInputMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : testing::Derived(Cases())) {
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(DepthwiseConv2d, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1200000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(DepthwiseConv2d, WeightsAndFans) {
  for (const LayerCase& c : Cases()) {
    const Params& p = c.node.As<Params>();
    const Needs needs = NeedsOf(c, c.mode, 1);
    ASSERT_EQ(needs.weight_count, 1 + p.bias);
    const WeightSpec& w = needs.weights[0];
    EXPECT_EQ(w.role, WeightRole::kKernel);
    ASSERT_EQ(w.rank, 3u);
    EXPECT_EQ(w.dims[0], p.kernel_h);
    EXPECT_EQ(w.dims[1], p.kernel_w);
    EXPECT_EQ(w.dims[2], c.in[0].c);
    EXPECT_EQ(w.fan_in, p.kernel_h * p.kernel_w);
    EXPECT_EQ(w.fan_out, p.kernel_h * p.kernel_w);
    if (p.bias) {
      EXPECT_EQ(needs.weights[1].role, WeightRole::kBias);
      EXPECT_EQ(needs.weights[1].Count(), c.in[0].c);
    }
  }
}

TEST(DepthwiseConv2d, RefusesBadShapes) {
  testing::TestWindowErrors(Window<Params>(3, 3, 1, 1, 1, 1, 1, 1), 4, 4);
}

}  // namespace
}  // namespace temper
