// conv2d: against its twin over strides, pads, dilation, groups and 1x1 images;
// weights by shape and fans; what is refused.
#include "tests/reference/conv.h"
#include "tests/reference/loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;
using testing::Window;

simd::ConvShape ShapeOf(const LayerCase& c) {
  return testing::WindowOf<Conv2dParams>(c, c.node.As<Conv2dParams>().groups);
}

const LayerTwin kTwin = {
    [](Twin* t) {
      reference::ConvForward<double>(
          ShapeOf(t->c), t->c.rows, t->x[0].data(), t->weights[0].data(),
          t->As<Conv2dParams>().bias ? t->weights[1].data() : nullptr,
          t->y.data());
    },
    [](Twin* t) {
      const simd::ConvShape s = ShapeOf(t->c);
      reference::ConvBackwardData<double>(s, t->c.rows, t->dy.data(),
                                          t->weights[0].data(), t->accumulate,
                                          t->dx[0].data());
      reference::ConvBackwardWeights<double>(s, t->c.rows, t->x[0].data(),
                                             t->dy.data(), t->dw[0].data());
      if (t->As<Conv2dParams>().bias) {
        reference::ColumnSums(t->c.rows * t->c.out.h * t->c.out.w, t->c.out.c,
                              t->dy.data(), t->dw[1].data());
      }
    },
    /*linear=*/true};

Conv2dParams With(Conv2dParams p, uint32_t out_channels, uint32_t groups = 1,
                  uint32_t bias = 1) {
  p.out_channels = out_channels;
  p.groups = groups;
  p.bias = bias;
  return p;
}

std::vector<LayerCase> Cases() {
  testing::Draw draw(3);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, const Conv2dParams& p, uint32_t rows,
                       uint32_t batch) {
    cases.push_back(testing::MakeCase(p, {in}, rows, batch));
  };
  const auto one = Window<Conv2dParams>(1, 1, 1, 1, 0, 0, 0, 0);
  const auto three = Window<Conv2dParams>(3, 3, 1, 1, 1, 1, 1, 1);
  const auto strided = Window<Conv2dParams>(3, 3, 2, 2, 0, 1, 0, 1);
  add({1, 1, 1}, With(one, 1), 1, 1);
  add({1, 1, 17}, With(three, 5), 3, 4);  // one pixel, mostly padding
  add({9, 9, 16}, With(Window<Conv2dParams>(1, 1, 2, 2, 0, 0, 0, 0), 33, 1, 0),
      2, 5);                                     // 1x1 with stride
  add({8, 9, 8}, With(three, 33), 3, 4);         // three threads
  add({8, 7, 3}, With(strided, 8, 1, 0), 3, 8);  // pads below and right only
  add({11, 9, 4},
      With(testing::Dilated(Window<Conv2dParams>(3, 3, 1, 1, 2, 2, 2, 2), 2, 2),
           6),
      2, 2);
  add({6, 6, 9}, With(three, 9, 9), 2, 3);     // depthwise
  add({6, 5, 6}, With(strided, 12, 6), 2, 2);  // channel multiplier
  add({4, 5, 34}, With(three, 40, 2), 1, 1);
  add({4, 4, 32}, With(one, 8, 4), 2, 2);
  add({1, 9, 4}, With(Window<Conv2dParams>(1, 5, 1, 1, 0, 0, 2, 2), 6), 3, 3);
  add({9, 1, 4}, With(Window<Conv2dParams>(5, 1, 1, 1, 2, 2, 0, 0), 6), 3, 3);
  add({6, 6, 2}, With(Window<Conv2dParams>(6, 6, 1, 1, 0, 0, 0, 0), 5), 2, 2);
  add({2, 3, 5}, With(Window<Conv2dParams>(1, 1, 4, 4, 0, 0, 0, 0), 3), 2, 2);
  // 16 samples of 504 pixels are 16 chunks, the 17 that were planned only 9.
  add({21, 24, 1}, With(one, 2), 16, 17);
  add({21, 24, 1}, With(three, 1), 16, 17);
  while (cases.size() < 46) {
    Shape in;
    const Conv2dParams p = testing::DrawWindow<Conv2dParams>(&draw, &in);
    const uint32_t groups = draw(0, 1) ? 1 : draw(2, 4);
    in.c = groups * draw(1, 5);
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    const uint32_t bias = draw(0, 1), filters = groups * draw(1, 9);
    add(in, With(p, filters, groups, bias), rows, batch);
  }
  return cases;
}

TEST(Conv2d, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) TestLayer(c, kTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(Conv2d, DerivedInputMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : testing::Derived(Cases())) {
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(Conv2d, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 350000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(Conv2d, WeightsAndFans) {
  for (const LayerCase& c : Cases()) {
    const Conv2dParams& p = c.node.As<Conv2dParams>();
    const Needs needs = NeedsOf(c, c.mode, 1);
    ASSERT_EQ(needs.weight_count, 1 + p.bias);
    const WeightSpec& w = needs.weights[0];
    EXPECT_EQ(w.role, WeightRole::kKernel);
    const uint32_t dims[] = {p.out_channels, p.kernel_h, p.kernel_w,
                             c.in[0].c / p.groups};
    ASSERT_EQ(w.rank, 4u);
    for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(w.dims[i], dims[i]);
    // PyTorch's fans: of one group.
    EXPECT_EQ(w.fan_in, p.kernel_h * p.kernel_w * c.in[0].c / p.groups);
    EXPECT_EQ(w.fan_out, p.kernel_h * p.kernel_w * p.out_channels / p.groups);
    if (p.bias) {
      EXPECT_EQ(needs.weights[1].role, WeightRole::kBias);
      EXPECT_EQ(needs.weights[1].Count(), p.out_channels);
    }
  }
}

TEST(Conv2d, RefusesBadShapes) {
  const Conv2dParams valid =
      With(Window<Conv2dParams>(3, 3, 1, 1, 1, 1, 1, 1), 6);
  testing::TestWindowErrors(valid, 4, 6);
  const auto invalid = StatusCode::kInvalidArgument;
  testing::ExpectRefused(With(valid, 6, 3), {5, 6, 4}, invalid);  // not 4 by 3
  testing::ExpectRefused(With(valid, 6, 4), {5, 6, 4}, invalid);  // not 6 by 4
  testing::ExpectRefused(With(valid, 6, 1u << 20), {5, 6, 4}, invalid);
  testing::ExpectAccepted(With(valid, 6, 2), {5, 6, 4}, {5, 6, 6});
  testing::ExpectAccepted(With(valid, 4, 4), {5, 6, 4}, {5, 6, 4});
}

}  // namespace
}  // namespace temper
