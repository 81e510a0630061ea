// avg_pool: against its twin over strides and pads, both divisors; refusals.
#include "tests/reference/pool.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;
using testing::Window;
using Params = AvgPoolParams;

simd::ConvShape ShapeOf(const LayerCase& c) {
  EXPECT_EQ(c.out.c, c.in[0].c);
  return testing::WindowOf<Params>(c, c.in[0].c);
}

simd::AvgPoolOptions OptionsOf(const Twin& t) {
  const Params& p = t.As<Params>();
  return {p.pad_bottom, p.pad_right, p.count_include_pad == 1};
}

const LayerTwin kTwin = {
    [](Twin* t) {
      reference::AvgPoolForward<double>(ShapeOf(t->c), OptionsOf(*t), t->c.rows,
                                        t->x[0].data(), t->y.data());
    },
    [](Twin* t) {
      reference::AvgPoolBackward<double>(ShapeOf(t->c), OptionsOf(*t),
                                         t->c.rows, t->dy.data(), t->accumulate,
                                         t->dx[0].data());
    },
    // Averages, and sums of shares, of values below 1.
    false, 2e-6, 2e-6};

Params With(Params p, uint32_t count_include_pad) {
  p.count_include_pad = count_include_pad;
  return p;
}

std::vector<LayerCase> Cases() {
  testing::Draw draw(5);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, const Params& p, uint32_t rows,
                       uint32_t batch) {
    cases.push_back(testing::MakeCase(p, {in}, rows, batch));
  };
  add({1, 1, 1}, Window<Params>(1, 1, 1, 1, 0, 0, 0, 0), 1, 1);
  add({1, 1, 5}, With(Window<Params>(3, 3, 2, 2, 1, 1, 1, 1), 0), 2, 3);
  add({24, 24, 33}, Params{}, 3, 3);  // three threads
  add({24, 24, 6}, Params{}, 4, 8);
  add({7, 7, 16}, Window<Params>(3, 3, 2, 2, 1, 1, 1, 1), 2, 2);
  add({9, 8, 17}, Window<Params>(2, 3, 1, 2, 0, 1, 2, 0), 3, 3);
  add({5, 5, 3}, Window<Params>(5, 5, 1, 1, 0, 0, 0, 0), 2, 2);
  add({6, 5, 3}, Window<Params>(2, 2, 4, 3, 0, 0, 0, 0), 2, 2);  // gaps
  while (cases.size() < 40) {
    Shape in;
    const Params p = testing::DrawWindow<Params>(&draw, &in);
    in.c = draw(1, 18);
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add(in, With(p, draw(0, 1)), rows, batch);
  }
  return cases;
}

TEST(AvgPool, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) TestLayer(c, kTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(AvgPool, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 650000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

// torch.nn.functional.avg_pool2d of a 3x3 image of ones, kernel 3, padding 1.
TEST(AvgPool, PaddingCountsByDefault) {
  const auto window = Window<Params>(3, 3, 1, 1, 1, 1, 1, 1);
  for (const uint32_t count : {0u, 1u}) {
    const LayerCase c = testing::MakeCase(With(window, count), {{3, 3, 1}}, 1);
    testing::LayerData data = MakeData(c, kTwin);
    for (size_t i = 0; i < 9; ++i) data.x[0][i] = 1.0f;
    const auto run = RunLayer(c, data, {c.mode}, {});
    const float corner = count ? 4.0f / 9.0f : 1.0f;
    const float edge = count ? 6.0f / 9.0f : 1.0f;
    const float expected[] = {corner, edge,   corner, edge,  1.0f,
                              edge,   corner, edge,   corner};
    for (size_t i = 0; i < 9; ++i) EXPECT_FLOAT_EQ(run.y[i], expected[i]) << i;
  }
  EXPECT_EQ(Params{}.count_include_pad, 1u);
}

TEST(AvgPool, RefusesBadShapes) {
  testing::TestWindowErrors(Window<Params>(3, 3, 1, 1, 1, 1, 1, 1), 4, 4);
}

}  // namespace
}  // namespace temper
