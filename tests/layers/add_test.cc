// add: against its twin; two times the same input; shapes that differ.
#include "tests/reference/elementwise.h"
#include "tests/testing/layer_cases.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;

simd::Activation ActivationOf(const Twin& t) {
  return static_cast<simd::Activation>(t.c.mode.activation);
}

const LayerTwin kTwin = {
    [](Twin* t) {
      reference::Add(t->y.size(), t->x[0].data(), t->x[1].data(), t->y.data());
      reference::Activate(t->y.size(), ActivationOf(*t), t->y.data());
    },
    [](Twin* t) {
      std::vector<double> g(t->dy.size());
      reference::ActivationGradient(g.size(), ActivationOf(*t), t->y.data(),
                                    t->dy.data(), g.data());
      for (std::vector<double>& dx : t->dx) {
        for (size_t i = 0; i < dx.size(); ++i) {
          dx[i] = (t->accumulate ? dx[i] : 0.0) + g[i];
        }
      }
    },
    false, 0x1p-24, 0.0};

std::vector<LayerCase> Cases() {
  testing::Draw draw(8);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, uint32_t rows, uint32_t batch) {
    cases.push_back(testing::MakeCase(AddParams{}, {in, in}, rows, batch));
  };
  add({1, 1, 1}, 1, 1);
  add({12, 19, 55}, 2, 3);  // enough for three threads
  while (cases.size() < 26) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add({draw(1, 7), draw(1, 7), draw(1, 35)}, rows, batch);
  }
  return cases;
}

TEST(Add, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) {
    EXPECT_EQ(c.out, c.in[0]);
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

// Neither, either and both inputs derived, with and without an activation.
std::vector<LayerCase> FusedCases() {
  std::vector<LayerCase> cases;
  for (uint32_t kind = 0; kind < 4; ++kind) {
    for (const uint32_t activation : {0u, 1u, 2u}) {
      uint32_t i = 0;
      for (LayerCase c : testing::Derived(Cases())) {
        // Every second case, but always the one that is large.
        if (i++ != 1 && (i + kind + activation) % 4 != 0) continue;
        c.mode.derived_input[0] = kind & 1;
        c.mode.derived_input[1] = kind & 2;
        c.mode.activation = activation;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

TEST(Add, FusedMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : FusedCases()) TestLayer(c, kTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(Add, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 9000000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

// One of the two gradients alone, as when a branch is frozen.
TEST(Add, OneGradientOnly) {
  for (const LayerCase& both : Cases()) {
    const testing::LayerData data = MakeData(both, kTwin);
    const auto expected = RunLayer(both, data, {both.mode}, {});
    for (const uint32_t k : {0u, 1u}) {
      NodeMode mode = both.mode;
      mode.need_dx[1 - k] = false;
      const auto run = RunLayer(both, data, {mode}, {});
      EXPECT_TRUE(run.dx[k].SameBits(expected.dx[k]));
    }
  }
}

// y = x + x: the program lets the first dx take over dy's buffer and the second
// one accumulate into it, so both are dy itself. dx = 2 dy.
TEST(Add, TheSameInputTwice) {
  const LayerCase c = testing::MakeCase(AddParams{}, {{3, 3, 7}, {3, 3, 7}}, 2);
  const testing::LayerData data = MakeData(c, kTwin);
  testing::Buffer dy = data.dy;
  float* const dx[] = {dy, dy};
  const bool accumulate[] = {false, true};
  StepContext step = StepOf(c, data);
  const ParallelRunner parallel;
  OpOf(LayerKind::kAdd).backward({c.node,   testing::kTestNode,
                                  c.mode,   c.in.data(),
                                  c.out,    StepKind::kBackward,
                                  c.rows,   0,
                                  c.rows,   step,
                                  parallel, nullptr,
                                  nullptr,  nullptr,
                                  nullptr,  nullptr,
                                  nullptr,  dy,
                                  dx,       accumulate,
                                  nullptr});
  for (size_t i = 0; i < dy.size(); ++i) EXPECT_EQ(dy[i], 2 * data.dy[i]) << i;
}

// The same through the trainer: x + x learns what x + identity(x) learns.
TEST(Add, TheSameInputTwiceTrains) {
  std::vector<float> weights[2];
  for (const bool twice : {false, true}) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{2, 2, 3});
    x = g.Add("normalize", NormalizeParams{}, x);
    x = g.Add("fc", DenseParams{6}, x);
    const uint32_t other =
        twice ? x : g.Add("identity", DropoutParams{0.0f, 0}, x);
    x = g.Add("add", AddParams{}, x, other);
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    testing::Bench bench;
    ASSERT_TRUE(bench.Start(g, PlanOptions()).ok());
    bench.trainer.Initialize(3);
    bench.trainer.CheckMemory(true);
    for (uint32_t s = 0; s < 4; ++s) {
      const testing::TestBatch data({2, 2, 3}, 6, 8, s);
      ASSERT_TRUE(bench.trainer.Step(data.View(8), 0.5f).status.ok());
    }
    EXPECT_EQ(bench.trainer.MemoryFault(), kNoNode);
    weights[twice] = bench.State();
  }
  EXPECT_TRUE(testing::SameBits(weights[0], weights[1]));
}

TEST(Add, RefusesOtherShapes) {
  const auto graph = [](uint32_t channels, uint32_t stride) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{6, 6, 4});
    x = g.Add("normalize", NormalizeParams{}, x);
    Conv2dParams p;
    p.out_channels = channels;
    p.stride_h = p.stride_w = stride;
    const uint32_t y = g.Add("conv", p, x);
    x = g.Add("add", AddParams{}, x, y);
    x = g.Add("head", DenseParams{2}, x);
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    return g;
  };
  testing::ExpectStatus(graph(4, 1), StatusCode::kOk, kNoNode);
  testing::ExpectStatus(graph(5, 1), StatusCode::kShapeMismatch, 3);
  testing::ExpectStatus(graph(1, 1), StatusCode::kShapeMismatch, 3);
  testing::ExpectStatus(graph(4, 2), StatusCode::kShapeMismatch, 3);
  // The same number of elements in another shape.
  testing::ExpectStatus(graph(16, 2), StatusCode::kShapeMismatch, 3);
}

// What plans rely on: one buffer in each direction, nothing kept.
TEST(Add, WorksInPlaceAndKeepsNothing) {
  const LayerCase c = Cases()[0];
  const Needs needs = NeedsOf(c, c.mode, 1);
  EXPECT_TRUE(needs.in_place && needs.in_place_backward);
  EXPECT_FALSE(needs.keep_output || needs.keep_input[0] || needs.keep_input[1]);
  // An absorbed activation keeps y, where anything flows back.
  LayerCase absorbed = c;
  absorbed.mode.activation = 1;
  EXPECT_TRUE(NeedsOf(absorbed, absorbed.mode, 1).keep_output);
  absorbed.mode.backward = false;
  EXPECT_FALSE(NeedsOf(absorbed, absorbed.mode, 1).keep_output);
}

}  // namespace
}  // namespace temper
