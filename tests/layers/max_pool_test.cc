// max_pool: against its twin over strides and pads, ties and NaN; refusals.
#include "tests/reference/pool.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;
using testing::Window;
using Params = MaxPoolParams;

simd::ConvShape ShapeOf(const LayerCase& c) {
  EXPECT_EQ(c.out.c, c.in[0].c);
  return testing::WindowOf<Params>(c, c.in[0].c);
}

const LayerTwin kTwin = {
    [](Twin* t) {
      reference::MaxPoolForward<double>(ShapeOf(t->c), t->c.rows,
                                        t->x[0].data(), t->y.data());
    },
    [](Twin* t) {
      reference::MaxPoolBackward<double>(ShapeOf(t->c), t->c.rows,
                                         t->x[0].data(), t->dy.data(),
                                         t->accumulate, t->dx[0].data());
    },
    // y is exact; dx sums a few values below 1.
    false, 1e-6, 1e-6,
    [](const Twin& t, testing::Bounds* b) { b->y.assign(t.y.size(), 0.0); }};

std::vector<LayerCase> Cases() {
  testing::Draw draw(5);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, const Params& p, uint32_t rows,
                       uint32_t batch) {
    cases.push_back(testing::MakeCase(p, {in}, rows, batch));
  };
  add({1, 1, 1}, Window<Params>(1, 1, 1, 1, 0, 0, 0, 0), 1, 1);
  add({1, 1, 5}, Window<Params>(3, 3, 2, 2, 1, 1, 1, 1), 2, 3);
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
    add(in, p, rows, batch);
  }
  return cases;
}

TEST(MaxPool, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) TestLayer(c, kTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

// Four values only: nearly every window has a tie, which the first one wins.
TEST(MaxPool, TiesMatchTheTwin) {
  LayerTwin twin = kTwin;
  twin.prepare = [](const LayerCase&, LayerData* d) {
    for (size_t i = 0; i < d->x[0].size(); ++i) {
      d->x[0][i] = std::floor(d->x[0][i] * 2);
    }
  };
  for (const LayerCase& c : Cases()) TestLayer(c, twin);
}

TEST(MaxPool, NanMatchesTheTwin) {
  LayerTwin twin = kTwin;
  twin.prepare = [](const LayerCase&, LayerData* d) {
    for (size_t i = 0; i < d->x[0].size(); i += 7) {
      d->x[0][i] = std::numeric_limits<float>::quiet_NaN();
    }
  };
  for (const LayerCase& c : Cases()) TestLayer(c, twin);
}

TEST(MaxPool, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 500000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(MaxPool, RefusesBadShapes) {
  testing::TestWindowErrors(Window<Params>(3, 3, 1, 1, 1, 1, 1, 1), 4, 4);
}

}  // namespace
}  // namespace temper
