// What a probe measures against values known by hand, and that it changes
// nothing; the check of gradients, right and wrong.
#include "runtime/recipe/layer_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/recipe/gradient_check.h"
#include "temper/temper.h"

namespace temper::recipe {
namespace {

struct alignas(64) Line {
  uint8_t bytes[64];
};

struct Probed {
  explicit Probed(const Graph& graph, uint32_t rows = 8) {
    PlanOptions job;
    job.hooks = {EmaParams{}};
    const Status planned = MakePlan(graph, ProbeOptions(job, rows), &plan);
    EXPECT_TRUE(planned.ok()) << planned.message << planned.node;
    arena.resize(plan.arena_bytes / 64 + 1);
    EXPECT_TRUE(trainer.Create(plan, arena.data(), plan.arena_bytes).ok());
    trainer.Initialize(5);
    layers.resize(plan.nodes.size());
    scratch.resize(ProbeScratch(plan));
    const uint64_t count = rows * plan.shapes[0].Count();
    for (uint64_t i = 0; i < count; ++i) {
      input.push_back(static_cast<float>((i * 37 % 41)) / 20.0f - 1.0f);
    }
    for (uint32_t r = 0; r < rows; ++r)
      labels.push_back(static_cast<int>(r % 3));
    batch = {.input = input.data(), .labels = labels.data(), .rows = rows};
  }
  StepResult Measure() {
    return LayerProbe::Measure(trainer, batch, layers, scratch);
  }
  std::vector<uint8_t> State() const {
    std::vector<uint8_t> state(trainer.SnapshotBytes());
    trainer.TakeSnapshot(state.data());
    return state;
  }
  const LayerStatistics& Of(const char* name) const {
    return layers[plan.graph.Find(name)];
  }
  Plan plan;
  std::vector<Line> arena;
  Trainer trainer;
  std::vector<LayerStatistics> layers;
  std::vector<double> scratch;
  std::vector<float> input;
  std::vector<int32_t> labels;
  Batch batch;
};

Graph Mlp(bool norm = false) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{1, 1, 5});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{8}, x);
  if (norm) x = g.Add("bn", BatchNormParams{}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("fc2", DenseParams{3}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

TEST(LayerStatistics, AreThoseOfTheBatch) {
  Probed p(Mlp());
  const std::vector<uint8_t> before = p.State();
  const StepResult r = p.Measure();
  ASSERT_TRUE(r.status.ok()) << r.status.message;
  EXPECT_EQ(before, p.State());
  EXPECT_EQ(r.loss, p.trainer.Forward(p.batch).loss);
  // By hand: fc1 = W x + b.
  const float* w = nullptr;
  for (const TensorView& view : p.trainer.Tensors()) {
    if (view.node == 2 && view.slot == 0) w = view.data;
  }
  double squares = 0, positive = 0;
  for (uint32_t row = 0; row < 8; ++row) {
    for (uint32_t unit = 0; unit < 8; ++unit) {
      double sum = 0;
      for (uint32_t k = 0; k < 5; ++k) {
        sum += double{w[unit * 5 + k]} * p.input[row * 5 + k];
      }
      squares += sum * sum;
      positive += sum > 0 ? sum * sum : 0;
    }
  }
  EXPECT_NEAR(p.Of("fc1").rms, std::sqrt(squares / 64), 1e-5);
  EXPECT_NEAR(p.Of("relu").rms, std::sqrt(positive / 64), 1e-5);
  EXPECT_EQ(p.Of("relu").units, 8u);
  EXPECT_TRUE(p.Of("relu").has_gradient);
  EXPECT_GT(p.Of("relu").gradient_rms, p.Of("fc1").gradient_rms);
}

TEST(LayerStatistics, DeadUnitsAreCounted) {
  Probed p(Mlp());
  for (const TensorView& view : p.trainer.Tensors()) {
    if (view.node != 2 || view.spec->role != WeightRole::kBias) continue;
    for (uint32_t unit = 0; unit < 5; ++unit) view.data[unit] = -1000.0f;
  }
  ASSERT_TRUE(p.Measure().status.ok());
  EXPECT_GE(p.Of("relu").dead, 5u);
  EXPECT_LT(p.Of("relu").dead, 8u);
  EXPECT_EQ(p.Of("fc1").dead, 0u);
  EXPECT_EQ(p.Of("relu").saturated, p.Of("relu").dead);
}

TEST(LayerStatistics, OfFusedLayersToo) {
  // Batch norm: rms 1, half of it passes the ReLU; neither may be stored.
  Probed p(Mlp(true), 64);
  ASSERT_TRUE(p.Measure().status.ok());
  EXPECT_TRUE(p.Of("relu").measured);
  EXPECT_NEAR(p.Of("relu").rms, std::sqrt(0.5), 0.1);
  EXPECT_EQ(p.Of("relu").dead, 0u);
}

TEST(LayerStatistics, ALossThatIsNotFiniteLeavesTheSignal) {
  Probed p(Mlp());
  for (const TensorView& view : p.trainer.Tensors()) {
    if (view.node != 2 || view.slot != 0) continue;
    for (uint64_t i = 0; i < view.count; ++i) view.data[i] = 3e38f;
  }
  EXPECT_EQ(p.Measure().status.code, StatusCode::kNotFinite);
  EXPECT_TRUE(p.Of("fc1").measured);
}

TEST(GradientCheck, IsOneAndLeavesNothing) {
  for (const bool norm : {false, true}) {
    Probed p(Mlp(norm), 32);
    const std::vector<uint8_t> before = p.State();
    std::vector<Line> memory(GradientCheckBytes(p.plan) / 64);
    const GradientCheck check =
        CheckGradient(p.trainer, p.batch, memory.data(), memory.size() * 64);
    ASSERT_TRUE(check.status.ok()) << check.status.message;
    EXPECT_NEAR(check.ratio, 1.0, 0.02) << norm;
    EXPECT_EQ(before, p.State());
    EXPECT_EQ(CheckGradient(p.trainer, p.batch, memory.data(),
                            memory.size() * 64 - 64)
                  .status.code,
              StatusCode::kArenaTooSmall);
  }
}

TEST(LayerStatistics, TheNormOfGradientsChangesNoBit) {
  for (const GradientMode mode : {GradientMode::kFused, GradientMode::kWhole}) {
    PlanOptions options;
    options.batch = 8;
    options.gradients = mode;
    Plan plan;
    ASSERT_TRUE(MakePlan(Mlp(), options, &plan).ok());
    Probed source(Mlp());  // its samples
    double norm[2] = {};
    float loss[2] = {};
    for (const bool measured : {false, true}) {
      std::vector<Line> arena(plan.arena_bytes / 64 + 1);
      Trainer trainer;
      ASSERT_TRUE(trainer.Create(plan, arena.data(), plan.arena_bytes).ok());
      trainer.Initialize(5);
      for (int step = 0; step < 4; ++step) {
        LayerProbe::MeasureGradients(trainer, measured);
        loss[measured] = trainer.Step(source.batch, 0.1f).loss;
        norm[measured] = LayerProbe::GradientNorm(trainer);
      }
    }
    EXPECT_EQ(loss[0], loss[1]);
    EXPECT_EQ(norm[0], 0);
    EXPECT_GT(norm[1], 1e-3);
    // Against the gradients themselves.
    Probed p(Mlp());
    LayerProbe::MeasureGradients(p.trainer, true);
    ASSERT_TRUE(p.trainer.Gradients(p.batch).status.ok());
    double squares = 0;
    for (const TensorView& view : p.trainer.Tensors()) {
      for (uint64_t i = 0; view.gradient != nullptr && i < view.count; ++i) {
        squares += double{view.gradient[i]} * view.gradient[i];
      }
    }
    ASSERT_TRUE(p.trainer.Step(p.batch, 0.0f).status.ok());
    EXPECT_NEAR(LayerProbe::GradientNorm(p.trainer), std::sqrt(squares), 1e-5);
  }
}

// Clipping says little if its own bound is all that one sees.
TEST(LayerStatistics, TheNormOfGradientsIsThatBeforeClipping) {
  double norm[2] = {};
  for (const bool clips : {false, true}) {
    PlanOptions options;
    options.batch = 8;
    options.gradients = GradientMode::kWhole;
    if (clips) options.hooks = {ClipNormParams{1e-3f}};
    Plan plan;
    ASSERT_TRUE(MakePlan(Mlp(), options, &plan).ok());
    Probed source(Mlp());
    std::vector<Line> arena(plan.arena_bytes / 64 + 1);
    Trainer trainer;
    ASSERT_TRUE(trainer.Create(plan, arena.data(), plan.arena_bytes).ok());
    trainer.Initialize(5);
    LayerProbe::MeasureGradients(trainer, true);
    ASSERT_TRUE(trainer.Step(source.batch, 0.1f).status.ok());
    EXPECT_EQ(trainer.clipped(), clips);
    norm[clips] = LayerProbe::GradientNorm(trainer);
  }
  EXPECT_GT(norm[0], 0.01);
  EXPECT_NEAR(norm[1], norm[0], 1e-4 * norm[0]);
}

}  // namespace
}  // namespace temper::recipe
