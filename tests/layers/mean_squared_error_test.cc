// mean_squared_error: against its twin with targets of the batch and with a
// second input; no gradient flows into the target; a batch without targets.
#include "tests/reference/loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;
using Params = MeanSquaredErrorParams;

const double* Target(const Twin& t) {
  return t.c.node.input_count == 2 ? t.x[1].data() : t.targets.data();
}

const LayerTwin kTwin = {
    [](Twin* t) {
      t->y = t->x[0];
      reference::MeanSquaredError<double>(t->c.rows, t->c.out.Count(),
                                          t->x[0].data(), Target(*t),
                                          t->row_loss.data());
    },
    [](Twin* t) {
      const double n = static_cast<double>(t->c.out.Count());
      reference::MeanSquaredErrorBackward<double>(
          t->c.rows, t->c.out.Count(), t->y.data(), Target(*t),
          2.0 / (t->c.rows * n), t->accumulate, t->dx[0].data());
    },
    false,
    2e-6,
    1e-7,
    [](const Twin& t, testing::Bounds* b) { b->y.assign(t.y.size(), 0.0); }};

std::vector<LayerCase> Cases(bool two_inputs) {
  testing::Draw draw(12);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, uint32_t rows, uint32_t batch) {
    std::vector<Shape> inputs = {in};
    if (two_inputs) {
      // The target may have another shape with as many elements.
      inputs.push_back({1, 1, static_cast<uint32_t>(in.Count())});
    }
    cases.push_back(testing::MakeCase(Params{}, inputs, rows, batch));
  };
  add({1, 1, 1}, 1, 1);
  add({1, 1, 640}, 5, 8);
  add({12, 19, 55}, 2, 3);  // enough for three threads
  while (cases.size() < 30) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add({draw(1, 5), draw(1, 5), draw(1, 20)}, rows, batch);
  }
  return cases;
}

TEST(MeanSquaredError, MatchesTheTwin) {
  for (const bool two : {false, true}) {
    uint32_t parts = 0;
    for (const LayerCase& c : Cases(two)) {
      EXPECT_EQ(c.in[0], c.out);
      TestLayer(c, kTwin, &parts);
    }
    EXPECT_EQ(parts, 3u);
  }
}

TEST(MeanSquaredError, TwinMatchesCentralDifferences) {
  for (const bool two : {false, true}) {
    uint32_t checked = 0;
    for (const LayerCase& c : Cases(two)) {
      if (testing::TwinWork(c) > 1200000) continue;
      CheckTwin(c, kTwin);
      ++checked;
    }
    EXPECT_GE(checked, 20u);
  }
}

// The prediction 1 and 3 against 2 and 7: (1 + 16) / 2, gradient 2 d / (1 * 2).
TEST(MeanSquaredError, ByHand) {
  for (const bool two : {false, true}) {
    std::vector<Shape> in(two ? 2 : 1, Shape{1, 1, 2});
    const LayerCase c = testing::MakeCase(Params{}, in, 1);
    LayerData data = MakeData(c, kTwin);
    data.x[0][0] = 1, data.x[0][1] = 3;
    Buffer& target = two ? data.x[1] : data.targets;
    target[0] = 2, target[1] = 7;
    const auto run = RunLayer(c, data, {c.mode}, {});
    EXPECT_EQ(run.saved[0], 8.5f);
    EXPECT_EQ(run.dx[0][0], -1.0f);
    EXPECT_EQ(run.dx[0][1], -4.0f);
    if (two) {
      EXPECT_TRUE(run.dx[1].SameBits(Buffer(2)));
    }
  }
}

TEST(MeanSquaredError, PredictsWithoutTargets) {
  const LayerCase c = testing::MakeCase(Params{}, {{2, 2, 3}}, 2, 4);
  LayerData data = MakeData(c, kTwin);
  Buffer x = data.x[0], y(24), saved(4);
  StepContext step = StepOf(c, data);
  step.targets = nullptr;
  step.training = false;
  const NodeMode mode;
  const float* const px[] = {x};
  const ParallelRunner parallel;
  OpOf(LayerKind::kMeanSquaredError)
      .forward({c.node,       1,        mode,
                c.in.data(),  c.out,    StepKind::kForward,
                c.rows,       0,        c.rows,
                step,         parallel, px,
                nullptr,      y,        nullptr,
                saved.data(), nullptr,  nullptr,
                nullptr,      nullptr,  nullptr});
  EXPECT_TRUE(y.SameBits(data.x[0]));
  EXPECT_TRUE(saved.SameBits(Buffer(4)));
}

TEST(MeanSquaredError, RefusesAnotherNumberOfElements) {
  for (const uint32_t outputs : {11u, 12u, 13u}) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{2, 2, 3});
    const uint32_t n = g.Add("normalize", NormalizeParams{}, x);
    x = g.Add("fc", DenseParams{outputs}, n);
    g.Add("loss", Params{}, x, n);
    testing::ExpectStatus(
        g, outputs == 12 ? StatusCode::kOk : StatusCode::kShapeMismatch,
        outputs == 12 ? kNoNode : 3);
  }
}

// What plans rely on: the prediction is not copied.
TEST(MeanSquaredError, IsAView) {
  for (const bool two : {false, true}) {
    const LayerCase c = Cases(two)[0];
    EXPECT_TRUE(NeedsOf(c, c.mode, 1).view);
    EXPECT_EQ(NeedsOf(c, c.mode, 1).keep_input[1], two);
    EXPECT_FALSE(NeedsOf(c, NodeMode(), 1).keep_input[1]);
  }
}

}  // namespace
}  // namespace temper
