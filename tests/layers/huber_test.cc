// huber: against its twin with targets of the batch and with a second input; by
// hand on both sides of delta; a large delta is half the squared error.
#include "tests/reference/class_loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;
using Params = HuberParams;

const double* Target(const Twin& t) {
  return t.c.node.input_count == 2 ? t.x[1].data() : t.targets.data();
}

const LayerTwin kTwin = {
    [](Twin* t) {
      t->y = t->x[0];
      reference::Huber<double>(t->c.rows, t->c.out.Count(), t->x[0].data(),
                               Target(*t), t->As<Params>().delta,
                               t->row_loss.data());
    },
    [](Twin* t) {
      reference::HuberBackward<double>(
          t->c.rows, t->c.out.Count(), t->y.data(), Target(*t),
          t->As<Params>().delta,
          1.0 / (t->c.rows * static_cast<double>(t->c.out.Count())),
          t->accumulate, t->dx[0].data());
    },
    false,
    2e-6,
    1e-7,
    [](const Twin& t, testing::Bounds* b) { b->y.assign(t.y.size(), 0.0); },
    nullptr};

std::vector<LayerCase> Cases() {
  testing::Draw draw(14);
  std::vector<LayerCase> cases;
  while (cases.size() < 16) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    const Shape in = {draw(1, 5), draw(1, 5), draw(1, 20)};
    std::vector<Shape> inputs = {in};
    if (cases.size() % 2 == 1) inputs.push_back(in);
    const float deltas[] = {0.1f, 0.5f, 1.0f};
    cases.push_back(testing::MakeCase(Params{deltas[cases.size() % 3]}, inputs,
                                      rows, batch));
  }
  return cases;
}

TEST(Huber, MatchesTheTwin) {
  for (const LayerCase& c : Cases()) TestLayer(c, kTwin);
}

TEST(Huber, TwinMatchesCentralDifferences) {
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    CheckTwin(c, kTwin);
  }
}

// 0.5 away: 0.125; 3 away: 1 * (3 - 0.5).
TEST(Huber, ByHand) {
  const LayerCase c = testing::MakeCase(Params{}, {{1, 1, 2}}, 1);
  LayerData data = MakeData(c, kTwin);
  data.x[0][0] = 1, data.x[0][1] = 3;
  data.targets[0] = 0.5f, data.targets[1] = 6;
  const auto run = RunLayer(c, data, {c.mode}, {});
  EXPECT_EQ(run.saved[0], (0.125f + 2.5f) / 2);
  EXPECT_EQ(run.dx[0][0], 0.25f);
  EXPECT_EQ(run.dx[0][1], -0.5f);
}

TEST(Huber, FarBelowDeltaIsHalfTheSquare) {
  const LayerCase huber = testing::MakeCase(Params{1e6f}, {{1, 1, 9}}, 4),
                  squares = testing::MakeCase(MeanSquaredErrorParams{},
                                              {{1, 1, 9}}, 4);
  const LayerData data = MakeData(huber, kTwin);
  const auto a = RunLayer(huber, data, {huber.mode}, {}),
             b = RunLayer(squares, data, {squares.mode}, {});
  for (uint32_t r = 0; r < 4; ++r) {
    EXPECT_NEAR(2 * a.saved[r], b.saved[r], 1e-6);
  }
}

}  // namespace
}  // namespace temper
