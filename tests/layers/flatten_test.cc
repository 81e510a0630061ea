// flatten: bits move, nothing else; as a view and as a copy.
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;

const LayerTwin kTwin = {[](Twin* t) { t->y = t->x[0]; },
                         [](Twin* t) {
                           for (size_t i = 0; i < t->dy.size(); ++i) {
                             t->dx[0][i] =
                                 (t->accumulate ? t->dx[0][i] : 0.0) + t->dy[i];
                           }
                         },
                         false, 0x1p-24, 0.0};

std::vector<LayerCase> Cases() {
  testing::Draw draw(9);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, uint32_t rows, uint32_t batch) {
    cases.push_back(testing::MakeCase(FlattenParams{}, {in}, rows, batch));
  };
  add({1, 1, 1}, 1, 1);
  add({12, 19, 55}, 2, 3);  // enough for three threads
  while (cases.size() < 26) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add({draw(1, 7), draw(1, 7), draw(1, 35)}, rows, batch);
  }
  return cases;
}

TEST(Flatten, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) {
    EXPECT_EQ(c.out, (Shape{1, 1, static_cast<uint32_t>(c.in[0].Count())}));
    TestLayer(c, kTwin, &parts);
    const testing::LayerData data = MakeData(c, kTwin);
    const auto run = RunLayer(c, data, {c.mode}, {});
    EXPECT_TRUE(run.y.SameBits(data.x[0]));
    EXPECT_TRUE(run.dx[0].SameBits(data.dy));
  }
  EXPECT_EQ(parts, 3u);
}

TEST(Flatten, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 9000000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(Flatten, RefusesTooManyFeatures) {
  testing::ExpectAccepted(FlattenParams{}, {1024, 1024, 1}, {1, 1, 1u << 20});
  testing::ExpectRefused(FlattenParams{}, {1024, 1025, 1},
                         StatusCode::kInvalidArgument);
  testing::ExpectRefused(FlattenParams{}, {1024, 1024, 1024},
                         StatusCode::kInvalidArgument);
}

// What plans rely on: no memory of its own.
TEST(Flatten, IsAViewInBothDirections) {
  const LayerCase c = Cases()[0];
  const Needs needs = NeedsOf(c, c.mode, 1);
  EXPECT_TRUE(needs.view && needs.in_place_backward);
  EXPECT_FALSE(needs.keep_output || needs.keep_input[0]);
}

}  // namespace
}  // namespace temper
