// global_avg_pool: against its twin, from one pixel to several chunks of
// pixels.
#include "tests/reference/pool.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;

const LayerTwin kTwin = {
    [](Twin* t) {
      const Shape& s = t->c.in[0];
      reference::GlobalAvgPoolForward<double>(t->c.rows, size_t{s.h} * s.w, s.c,
                                              t->x[0].data(), t->y.data());
    },
    [](Twin* t) {
      const Shape& s = t->c.in[0];
      reference::GlobalAvgPoolBackward<double>(t->c.rows, size_t{s.h} * s.w,
                                               s.c, t->dy.data(), t->accumulate,
                                               t->dx[0].data());
    },
    // Averages of values below 1.
    false, 2e-6, 2e-6};

std::vector<LayerCase> Cases() {
  testing::Draw draw(6);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, uint32_t rows, uint32_t batch) {
    cases.push_back(
        testing::MakeCase(GlobalAvgPoolParams{}, {in}, rows, batch));
  };
  add({1, 1, 1}, 1, 1);
  add({1, 1, 37}, 5, 5);
  add({7, 7, 129}, 16, 17);  // three threads
  add({23, 22, 5}, 2, 3);    // two chunks: 506 pixels
  add({90, 91, 3}, 1, 2);    // chunks of 1008 pixels
  add({25, 5, 64}, 3, 4);
  while (cases.size() < 30) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add({draw(1, 9), draw(1, 9), draw(1, 20)}, rows, batch);
  }
  return cases;
}

TEST(GlobalAvgPool, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) {
    EXPECT_EQ(c.out, (Shape{1, 1, c.in[0].c}));
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

// Averages of values up to 10: ten times the error of y.
const LayerTwin kFormedTwin = {kTwin.forward,
                               kTwin.backward,
                               false,
                               2e-6,
                               2e-6,
                               [](const Twin& t, testing::Bounds* b) {
                                 for (size_t i = 0; i < t.y.size(); ++i) {
                                   b->y[i] = 2e-6 * std::fabs(t.y[i]) + 2e-5;
                                 }
                               }};

TEST(GlobalAvgPool, DerivedInputMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : testing::Derived(Cases())) {
    TestLayer(c, kFormedTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(GlobalAvgPool, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1500000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(GlobalAvgPool, AnyShape) {
  testing::ExpectAccepted(GlobalAvgPoolParams{}, {1, 1, 3}, {1, 1, 3});
  testing::ExpectAccepted(GlobalAvgPoolParams{}, {5, 9, 3}, {1, 1, 3});
}

}  // namespace
}  // namespace temper
