// temper against stored double-precision runs of PyTorch: gradients, weights
// and statistics after one step, and the losses of 20 steps. The bar is
// PyTorch's own float32: at most three times its distance from the same
// reference. Reads tests/golden/*.json; how and why:
// docs/design/002-pytorch-agreement.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "models/graphs/models.h"
#include "tests/golden/golden.h"

namespace temper {
namespace {

using testing::Golden;
using testing::GoldenTensor;
using testing::GoldenValue;

// A trainer with its memory.
struct Job {
  Trainer trainer;
  std::unique_ptr<uint8_t[]> memory;

  bool Create(const Golden& g, float weight_decay) {
    Graph graph;
    std::string error;
    Status status = models::BuildModel(
        g.model, g.input, {TargetKind::kClasses, g.classes}, &graph, &error);
    EXPECT_TRUE(status.ok()) << error;
    if (!status.ok()) return false;
    PlanOptions options;
    options.batch = g.rows;
    SgdParams sgd;
    sgd.momentum = g.momentum;
    sgd.weight_decay = weight_decay;
    options.optimizer = sgd;
    Plan plan;
    status = MakePlan(graph, options, &plan);
    EXPECT_TRUE(status.ok()) << status.message;
    if (!status.ok()) return false;
    const size_t bytes = plan.arena_bytes;
    memory = std::make_unique<uint8_t[]>(bytes + 64);
    uint8_t* aligned = memory.get() + 63;
    aligned -= reinterpret_cast<uintptr_t>(aligned) % 64;
    status = trainer.Create(std::move(plan), aligned, bytes);
    EXPECT_TRUE(status.ok()) << status.message;
    return status.ok();
  }
  const float* Find(const GoldenTensor& t) const {
    for (const TensorView& view : trainer.Tensors()) {
      if (view.node == t.node && view.slot == t.slot) return view.data;
    }
    return nullptr;
  }
  // The momentum buffer of a tensor.
  const float* FindState(const GoldenTensor& t) const {
    for (const StateView& state : trainer.States()) {
      const TensorView& view = trainer.Tensors()[state.tensor];
      if (view.node == t.node && view.slot == t.slot) return state.data;
    }
    return nullptr;
  }
};

// The tensor of a comparison that is nearest to the bar, for the log.
struct Worst {
  double share = -1, ours = 0, own = 0;  // share of what is allowed
  std::string name = "-";
};

void Compare(const Golden& g, const GoldenTensor& t, const GoldenValue& value,
             const float* x, Worst* worst) {
  const std::string name = t.node_name + "." + t.name;
  ASSERT_NE(x, nullptr) << name;
  const double ours = EstimateError(g, t, value, x);
  const double allowed =
      std::max(testing::kRatio * value.fp32_error, testing::kFloor);
  EXPECT_LE(ours, allowed) << name << ": PyTorch's own float32 error is "
                           << value.fp32_error;
  if (!(ours / allowed <= worst->share)) {
    *worst = {ours / allowed, ours, value.fp32_error, name};
  }
}

void Print(const char* file, const char* what, const Worst& worst) {
  std::printf(
      "%-16s %-9s nearest to the bar: %s, ours %.1e, PyTorch's own "
      "%.1e (%.0f %% of what is allowed)\n",
      file, what, worst.name.c_str(), worst.ours, worst.own, 100 * worst.share);
}

class PyTorchAgreement : public ::testing::TestWithParam<const char*> {};

TEST_P(PyTorchAgreement, GraphIsTheReferences) {
  const Golden g = testing::LoadGolden(GetParam());
  Job job;
  ASSERT_TRUE(job.Create(g, 0.0f));
  const std::vector<Node>& nodes = job.trainer.plan().graph.nodes;
  ASSERT_EQ(nodes.size(), g.nodes);
  uint64_t parameters = 0;
  size_t stored = 0;
  for (const TensorView& view : job.trainer.Tensors()) {
    if (nodes[view.node].kind == LayerKind::kNormalize) continue;
    ASSERT_LT(stored, g.tensors.size());
    const GoldenTensor& t = g.tensors[stored++];
    EXPECT_EQ(view.node, t.node);
    EXPECT_EQ(view.slot, t.slot);
    EXPECT_EQ(nodes[view.node].name, t.node_name);
    EXPECT_EQ(view.spec->name, t.name);
    EXPECT_EQ(view.count, t.count);
    EXPECT_EQ(view.trained, t.gradient.present);
    if (view.trained) parameters += view.count;
  }
  EXPECT_EQ(stored, g.tensors.size());
  EXPECT_EQ(parameters, g.parameters);
}

// Without weight decay and from zero momentum, the momentum buffers after a
// step are the gradients, bit for bit.
TEST_P(PyTorchAgreement, Gradients) {
  const Golden g = testing::LoadGolden(GetParam());
  Job job;
  ASSERT_TRUE(job.Create(g, 0.0f));
  MakeState(g, true, false, &job.trainer);
  const auto batch = testing::MakeBatch(g, g.state);
  const StepResult result = job.trainer.Step(batch.View(g.rows), 0.0f);
  ASSERT_TRUE(result.status.ok()) << result.status.message;
  const double gap = std::fabs(result.loss - g.loss) / g.loss;
  EXPECT_LE(gap,
            std::max(testing::kRatio * g.fp32_loss_gap, testing::kLossFloor));
  std::printf("%-16s loss      %.7f: ours %.1e, PyTorch's own gap %.1e\n",
              GetParam(), g.loss, gap, g.fp32_loss_gap);
  Worst worst;
  for (const GoldenTensor& t : g.tensors) {
    if (!t.gradient.present) continue;
    Compare(g, t, t.gradient, job.FindState(t), &worst);
  }
  Print(GetParam(), "gradients", worst);
}

TEST_P(PyTorchAgreement, WeightsAndStatisticsBehindAStep) {
  const Golden g = testing::LoadGolden(GetParam());
  Job job;
  ASSERT_TRUE(job.Create(g, g.weight_decay));
  MakeState(g, true, true, &job.trainer);
  const auto batch = testing::MakeBatch(g, g.state);
  ASSERT_TRUE(
      job.trainer.Step(batch.View(g.rows), g.learning_rate).status.ok());
  Worst worst;
  for (const GoldenTensor& t : g.tensors) {
    Compare(g, t, t.after, job.Find(t), &worst);
  }
  Print(GetParam(), "after", worst);
}

class PyTorchRun : public ::testing::TestWithParam<const char*> {};

TEST_P(PyTorchRun, Losses) {
  const Golden g = testing::LoadGolden(GetParam());
  ASSERT_EQ(g.losses.size(), 20u);
  Job job;
  ASSERT_TRUE(job.Create(g, g.weight_decay));
  MakeState(g, false, true, &job.trainer);
  double own = 0, ours = 0;  // largest gaps so far
  for (uint32_t step = 0; step < g.losses.size(); ++step) {
    const auto batch = testing::MakeBatch(g, step);
    const StepResult result =
        job.trainer.Step(batch.View(g.rows), g.learning_rate);
    ASSERT_TRUE(result.status.ok()) << result.status.message;
    const double gap = std::fabs(result.loss - g.losses[step]) / g.losses[step];
    own = std::max(own, g.fp32_loss_gaps[step]);
    ours = std::max(ours, gap);
    EXPECT_LE(gap, std::max(testing::kRatio * own, testing::kLossFloor))
        << "step " << step << ": loss " << result.loss << ", reference "
        << g.losses[step] << ", PyTorch's own gap so far " << own;
  }
  std::printf(
      "%-16s losses    largest gap in %zu steps: ours %.1e, PyTorch's "
      "own %.1e\n",
      GetParam(), g.losses.size(), ours, own);
}

std::string TestName(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, PyTorchAgreement,
                         ::testing::Values("mlp", "lenet5", "resnet8", "ds_cnn",
                                           "fc_autoencoder", "mobilenet_v1.0",
                                           "mobilenet_v1.5", "mobilenet_v1.20",
                                           "mobilenet_v2.20", "resnet18.15"),
                         TestName);
// The others have single steps from later states instead.
INSTANTIATE_TEST_SUITE_P(Models, PyTorchRun,
                         ::testing::Values("mlp", "lenet5", "resnet8", "ds_cnn",
                                           "fc_autoencoder"),
                         TestName);

}  // namespace
}  // namespace temper
