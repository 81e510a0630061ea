// Fusion: derived batch norms and absorbed activations change no bit. Every
// graph is run twice: as it is, and with a dropout of rate 0 after each batch
// norm and add, which forbids both. Losses, weights, optimizer state and
// outputs must be the same; which nodes are fused is said by each graph.
// Next: runtime/program_nodes.cc (ChooseFusion); simd/prologue_test.cc.
#include <set>

#include "simd/target.h"
#include "temper/trainer.h"
#include "tests/testing/graph_test.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::Builder;
using testing::Fill;
using testing::TestBatch;
using testing::Unfused;
using Names = std::set<std::string>;

struct Case {
  std::string name;
  Shape input;
  uint32_t classes;
  Graph graph;
  Names derived, absorbed;
  uint32_t batch = 6;
};

std::vector<Case> HandMade() {
  std::vector<Case> cases;
  const auto add = [&](const char* name, const Graph& graph, Names derived,
                       Names absorbed) {
    std::vector<Shape> shapes;
    const Status status = graph.Check(&shapes);
    ASSERT_TRUE(status.ok()) << name << ": " << status.message;
    cases.push_back({name, shapes[0], shapes.back().c, graph,
                     std::move(derived), std::move(absorbed)});
  };
  {
    Builder b({9, 8, 3});
    b.Conv("conv", 10), b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Then("max", MaxPoolParams{});  // does not form its input
    b.Conv("conv2", 7), b.Norm("bn2"), b.Then("relu2", ReluParams{});
    add("max_pool", b.Finish(), {"bn2"}, {"relu", "relu2"});
  }
  {
    Builder b({8, 7, 3});
    b.Conv("conv", 10), b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Then("avg", AvgPoolParams{});  // neither
    b.Conv("conv2", 7), b.Norm("bn2");
    b.Then("flatten", FlattenParams{});  // nor this
    add("avg_pool, flatten", b.Classify(), {}, {"relu"});
  }
  {
    Builder b({8, 8, 3});
    b.Conv("conv", 12), b.Norm("bn");
    const uint32_t x = b.Then("relu", ReluParams{});
    b.Conv("conv2", 12), b.Norm("bn2");
    b.Add("add", AddParams{}, b.at(), x), b.Then("relu2", ReluParams{});
    b.Conv("conv3", 6), b.Norm("bn3"), b.Then("relu3", ReluParams{});
    add("residual", b.Finish(), {"bn", "bn2", "bn3"},
        {"relu", "relu2", "relu3"});
  }
  {
    // Two readers of a batch norm without an activation; both sides of an add
    // from the same tensor.
    Builder b({7, 9, 2});
    b.Conv("conv", 9);
    const uint32_t x = b.Norm("bn");
    const uint32_t left = b.Conv("left", 9);
    b.Add(
        "depthwise",
        [] {
          DepthwiseConv2dParams p;
          p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
          return p;
        }(),
        x);
    b.Add("add", AddParams{}, b.at(), left);
    b.Add("twice", AddParams{}, x, x);
    b.Add("sum", AddParams{}, b.at(), b.graph.Find("add"));
    b.Then("relu6", Relu6Params{});
    add("readers", b.Finish(), {"bn"}, {"relu6"});
  }
  {
    // One reader that cannot: stored for all of them.
    Builder b({8, 8, 3});
    b.Conv("conv", 6), b.Norm("bn");
    const uint32_t x = b.Then("relu", ReluParams{});
    const uint32_t pooled = b.Then("max", MaxPoolParams{});
    Conv2dParams p;
    p.out_channels = 6, p.stride_h = p.stride_w = 2;
    b.Add("conv2", p, x);
    b.Norm("bn2"), b.Add("add", AddParams{}, b.at(), pooled);
    add("one cannot", b.Finish(), {"bn2"}, {"relu"});
  }
  {
    // The activation is not alone: bn is read in front of it too.
    Builder b({6, 6, 3});
    b.Conv("conv", 8);
    const uint32_t x = b.Norm("bn");
    const uint32_t y = b.Then("relu", ReluParams{});
    b.Add("add", AddParams{}, x, y);
    add("beside relu", b.Finish(), {}, {});
  }
  {
    Builder b({1, 1, 20});
    b.Then("fc", DenseParams{33}), b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Then("fc2", DenseParams{17}), b.Norm("bn2");
    b.Then("fc3", DenseParams{5}), b.Norm("bn3");
    b.Then("loss", SoftmaxCrossEntropyParams{});  // reads bn3
    add("dense", b.graph, {"bn", "bn2"}, {"relu"});
  }
  {
    // After normalize, which is computed again in backward: stored.
    Builder b({8, 8, 3});
    b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Conv("conv", 8, 1), b.Norm("bn2"), b.Then("relu2", Relu6Params{});
    add("recompute", b.Finish(), {"bn2"}, {"relu", "relu2"});
  }
  {
    Builder b({12, 11, 3});
    b.Conv("stem", 16), b.Norm("bn"), b.Then("relu", Relu6Params{});
    b.Depthwise("dw", 2), b.Norm("bn2"), b.Then("relu2", Relu6Params{});
    b.Conv("pw", 70, 1), b.Norm("bn3"), b.Then("relu3", Relu6Params{});
    b.Depthwise("dw2", 1), b.Norm("bn4"), b.Then("relu4", ReluParams{});
    b.Conv("pw2", 9, 1), b.Norm("bn5");
    add("separable", b.Finish(), {"bn", "bn2", "bn3", "bn4", "bn5"},
        {"relu", "relu2", "relu3", "relu4"});
  }
  {
    // Two adds read the same derived tensor, once on either side.
    Builder b({7, 7, 3});
    b.Conv("conv", 8), b.Norm("bn");
    const uint32_t x = b.Then("relu", ReluParams{});
    b.Conv("conv2", 8), b.Norm("bn2");
    b.Add("add", AddParams{}, b.at(), x);
    const uint32_t y = b.Then("relu2", Relu6Params{});
    b.Conv("conv3", 8), b.Norm("bn3");
    b.Add("add2", AddParams{}, x, b.at());
    b.Add("add3", AddParams{}, b.at(), y), b.Then("relu3", ReluParams{});
    add("two adds", b.Finish(), {"bn", "bn2", "bn3"},
        {"relu", "relu2", "relu3"});
  }
  {
    // The convolution is read directly as well as by its batch norm, before and
    // after it.
    Builder b({6, 7, 3});
    const uint32_t x = b.Conv("conv", 8);
    const uint32_t y = b.Norm("bn");
    b.Add("add", AddParams{}, x, y);
    b.Norm("bn2"), b.Then("relu", ReluParams{});
    b.Add("add2", AddParams{}, b.at(), x), b.Then("relu2", ReluParams{});
    add("raw and derived", b.Finish(), {"bn", "bn2"}, {"relu", "relu2"});
  }
  {
    // A batch norm after a batch norm, after an absorbed activation, after a
    // dropout in place; one activation after the other.
    Builder b({6, 6, 3});
    b.Conv("conv", 8), b.Norm("bn"), b.Norm("bn2");
    b.Then("relu", ReluParams{}), b.Then("relu6", Relu6Params{});
    const uint32_t x = b.Conv("conv2", 8);
    b.ConvOf("conv3", 8, 1, b.graph.Find("relu6"));
    b.Add("add", AddParams{}, b.at(), x), b.Then("relu2", ReluParams{});
    b.Norm("bn3"), b.Then("relu3", ReluParams{});
    b.Conv("conv4", 6), b.Then("drop", DropoutParams{0.0f, 0});
    b.Norm("bn4"), b.Then("relu4", Relu6Params{});
    add("chains", b.Finish(), {"bn3", "bn4"},
        {"relu", "relu2", "relu3", "relu4"});
  }
  {
    // Pre-activation, as ResNet v2: the add may not write over what the batch
    // norm is formed from while backward still reads it.
    Builder b({7, 6, 3});
    uint32_t x = b.Conv("conv", 8);
    b.Norm("bn"), b.Then("relu", ReluParams{}), b.Conv("conv2", 8);
    x = b.Add("add", AddParams{}, x, b.at());
    b.Norm("bn2"), b.Then("relu2", Relu6Params{}), b.Conv("conv3", 8);
    x = b.Add("add2", AddParams{}, x, b.at());
    b.Add("twice", AddParams{}, x, x), b.Then("relu3", ReluParams{});
    add("pre-activation", b.Finish(), {"bn", "bn2"},
        {"relu", "relu2", "relu3"});
  }
  {
    // Views and layers in place over normalize, which is computed again; dense
    // reads an image that is formed.
    Builder b({4, 3, 3});
    const uint32_t x = b.at();
    b.Then("flatten", FlattenParams{}), b.Norm("bn");
    b.Then("relu", ReluParams{}), b.Then("fc", DenseParams{7});
    const uint32_t left = b.at();
    b.Add("drop", DropoutParams{0.0f, 0}, x), b.Norm("bn2");
    b.Conv("conv", 6), b.Norm("bn3"), b.Then("relu3", ReluParams{});
    b.Then("fc2", DenseParams{7});
    b.Add("add", AddParams{}, b.at(), left), b.Norm("bn4");
    add("views", b.Classify(), {"bn", "bn2", "bn3", "bn4"}, {"relu", "relu3"});
  }
  {
    // Formed from activations and pools of their own.
    Builder b({8, 8, 3});
    b.Conv("conv", 8), b.Then("alone", ReluParams{}), b.Norm("bn");
    b.Conv("conv2", 8), b.Then("alone6", Relu6Params{}), b.Norm("bn2");
    b.Then("relu2", ReluParams{}), b.Depthwise("dw", 1);
    b.Then("max", MaxPoolParams{}), b.Norm("bn3");
    b.Then("relu3", Relu6Params{}), b.Conv("conv3", 5);
    b.Then("avg", AvgPoolParams{}), b.Norm("bn4");
    add("after activations", b.Finish(), {"bn", "bn2", "bn3", "bn4"},
        {"relu2", "relu3"});
  }
  return cases;
}

std::vector<Case> Zoo() {
  std::vector<Case> cases;
  for (const char* name :
       {"resnet8", "mobilenet_v1", "ds_cnn", "fc_autoencoder"}) {
    for (const testing::TestModel& m : testing::TestModels()) {
      if (std::string(m.name) != name) continue;
      Case c{name,      m.input,
             m.classes, testing::BuildOrDie(name, m.input, m.classes),
             {},        {},
             3};
      for (const Node& node : c.graph.nodes) {
        if (node.kind == LayerKind::kBatchNorm) c.derived.insert(node.name);
        if (node.kind == LayerKind::kRelu) c.absorbed.insert(node.name);
      }
      cases.push_back(c);
    }
  }
  EXPECT_EQ(cases.size(), 4u) << "a model was renamed";
  return cases;
}

// Everything a run leaves.
struct Outcome {
  std::vector<float> losses, state, outputs;
};

Outcome RunSteps(const Case& c, const Graph& graph, PlanOptions options,
                 const ParallelRunner& runner, bool check_memory) {
  Outcome out;
  Bench bench;
  const Status status = bench.Start(graph, options, runner);
  EXPECT_TRUE(status.ok()) << status.message;
  if (!status.ok()) return out;
  Trainer& t = bench.trainer;
  Fill(&t);
  t.CheckMemory(check_memory);
  for (uint32_t s = 0; s < 5 && options.training; ++s) {
    const TestBatch data(c.input, c.classes, options.batch, s + 1);
    const uint32_t rows = s == 3 ? options.batch - 1 : options.batch;
    const StepResult r = t.Step(data.View(rows), 0.01f);
    EXPECT_TRUE(r.status.ok()) << r.status.message << " at " << s;
    out.losses.push_back(r.loss);
  }
  for (const uint32_t rows : {options.batch, 1u}) {
    const TestBatch data(c.input, c.classes, rows, 9);
    const StepResult r = t.Evaluate(data.View(rows));
    EXPECT_TRUE(r.status.ok()) << r.status.message;
    out.losses.push_back(r.loss);
    out.losses.push_back(static_cast<float>(r.correct));
    const float* const y = t.Output();
    out.outputs.insert(out.outputs.end(), y,
                       y + rows * t.plan().shapes.back().Count());
  }
  EXPECT_EQ(t.MemoryFault(), kNoNode);
  out.state = bench.State();
  for (const float v : out.outputs) EXPECT_TRUE(std::isfinite(v));
  return out;
}

void ExpectSame(const Outcome& a, const Outcome& b, const char* what) {
  ASSERT_FALSE(a.outputs.empty());
  EXPECT_TRUE(testing::SameBits(a.losses, b.losses)) << what << ": losses";
  EXPECT_TRUE(testing::SameBits(a.state, b.state)) << what << ": weights";
  EXPECT_TRUE(testing::SameBits(a.outputs, b.outputs)) << what << ": outputs";
}

// How a job may use a graph.
struct Use {
  const char* name;
  PlanOptions options;
};
std::vector<Use> Uses(const Case& c, bool all) {
  std::vector<Use> uses;
  PlanOptions o;
  o.batch = c.batch;
  uses.push_back({"train", o});
  PlanOptions frozen_norm = o;
  frozen_norm.batch_norm = BatchNormMode::kFrozen;
  uses.push_back({"--bn frozen", frozen_norm});
  if (!all) return uses;
  PlanOptions evaluation = o;
  evaluation.training = false;
  uses.push_back({"evaluation", evaluation});
  const auto freeze = [&](const char* name, auto&& which) {
    PlanOptions f = o;
    for (uint32_t i = 0; i < c.graph.nodes.size(); ++i) {
      f.frozen.push_back(which(i, c.graph.nodes[i]) ? 1 : 0);
    }
    uses.push_back({name, f});
  };
  const uint32_t head = static_cast<uint32_t>(c.graph.nodes.size()) - 2;
  const auto norm = [](const Node& n) {
    return n.kind == LayerKind::kBatchNorm;
  };
  freeze("head", [&](uint32_t i, const Node&) { return i != head; });
  freeze("upper half", [&](uint32_t i, const Node&) { return i <= head / 2; });
  freeze("lower half", [&](uint32_t i, const Node&) { return i > head / 2; });
  freeze("norms frozen", [&](uint32_t, const Node& n) { return norm(n); });
  freeze("norms only", [&](uint32_t, const Node& n) { return !norm(n); });
  freeze("first norm only", [&, seen = false](uint32_t, const Node& n) mutable {
    const bool first = norm(n) && !seen;
    seen = seen || first;
    return !first;
  });
  return uses;
}

// What the plan says about its nodes, and what derived and absorbed nodes must
// not have.
void ExpectFusion(const Plan& plan, const Names& derived,
                  const Names& absorbed) {
  Names now_derived, now_absorbed;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    const NodePlan& n = plan.nodes[i];
    const Node& node = plan.graph.nodes[i];
    if (n.mode.derived) now_derived.insert(node.name);
    if (n.mode.absorbed) now_absorbed.insert(node.name);
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const NodePlan& from = plan.nodes[node.inputs[k]];
      if (n.mode.absorbed) continue;
      EXPECT_EQ(n.mode.derived_input[k], from.derived_by != kNoNode)
          << node.name;
    }
    if (n.mode.absorbed) {
      EXPECT_NE(plan.nodes[node.inputs[0]].mode.activation, 0u) << node.name;
      EXPECT_EQ(n.derived_by, plan.nodes[node.inputs[0]].derived_by);
      for (const ProgramStep& step : plan.steps) EXPECT_NE(step.node, i);
    } else {
      EXPECT_EQ(n.derived_by, n.mode.derived ? i : kNoNode) << node.name;
    }
    if (!n.mode.derived && !n.mode.absorbed) continue;
    EXPECT_EQ(n.output, plan.nodes[node.inputs[0]].output) << node.name;
    for (const PlannedTensor& t : plan.tensors) {
      EXPECT_FALSE(t.kind == TensorKind::kActivation && t.node == i)
          << node.name << " has a tensor";
    }
  }
  EXPECT_EQ(now_derived, derived);
  EXPECT_EQ(now_absorbed, absorbed);
  EXPECT_TRUE(CheckPlan(plan).ok());
}

void ExpectFusionChangesNothing(const Case& c, const Use& use,
                                const ParallelRunner& runner) {
  SCOPED_TRACE(c.name + ", " + use.name);
  std::vector<uint32_t> from;
  const Graph unfused = Unfused(c.graph, &from);
  PlanOptions options = use.options, other = use.options;
  options.threads = other.threads = runner.threads;
  if (!options.frozen.empty()) {
    other.frozen.clear();
    for (const uint32_t i : from) {
      other.frozen.push_back(i == kNoNode ? 0 : options.frozen[i]);
    }
  }
  Plan plan;
  Status status = MakePlan(c.graph, options, &plan);
  if (status.message == std::string("nothing is left to train: every layer is "
                                    "frozen")) {
    EXPECT_FALSE(options.frozen.empty());
    return;
  }
  ASSERT_TRUE(status.ok()) << status.message;
  ExpectFusion(plan, c.derived, c.absorbed);
  status = MakePlan(unfused, other, &plan);
  ASSERT_TRUE(status.ok()) << status.message;
  ExpectFusion(plan, {}, {});
  const Outcome expected = RunSteps(c, unfused, other, runner, false);
  ExpectSame(RunSteps(c, c.graph, options, runner, false), expected, "packed");
  ExpectSame(RunSteps(c, c.graph, options, runner, true), expected,
             "dead buffers poisoned");
}

TEST(Fusion, ChangesNoBitOfSmallGraphs) {
  for (const Case& c : HandMade()) {
    for (const Use& use : Uses(c, true)) {
      ExpectFusionChangesNothing(c, use, {});
    }
  }
}

TEST(Fusion, ChangesNoBitOnAnyTargetWithThreads) {
  testing::ForEachTarget([&](simd::Target) {
    for (const Case& c : HandMade()) {
      for (const Use& use : Uses(c, false)) {
        ExpectFusionChangesNothing(c, use, testing::ThreadRunner(3));
      }
    }
  });
}

TEST(Fusion, ChangesNoBitOfTheZoo) {
  for (const Case& c : Zoo()) {
    for (const Use& use : Uses(c, false)) {
      ExpectFusionChangesNothing(c, use, {});
    }
  }
}

// What the outcome is compared by must feel the weights: another beta of any
// batch norm is another output.
TEST(Fusion, OutcomesFeelEveryCoefficient) {
  for (const Case& c : HandMade()) {
    PlanOptions options;
    options.batch = c.batch;
    options.training = false;
    Bench bench;
    ASSERT_TRUE(bench.Start(c.graph, options).ok());
    Fill(&bench.trainer);
    const TestBatch data(c.input, c.classes, c.batch, 9);
    const auto output = [&] {
      EXPECT_TRUE(bench.trainer.Evaluate(data.View(c.batch)).status.ok());
      const float* const y = bench.trainer.Output();
      return std::vector<float>(y, y + c.batch * c.classes);
    };
    const std::vector<float> before = output();
    for (const TensorView& v : bench.trainer.Tensors()) {
      if (v.spec->role != WeightRole::kBeta) continue;
      std::vector<float> old(v.data, v.data + v.count);
      for (uint32_t i = 0; i < v.count; ++i) {
        v.data[i] += 0.25f * static_cast<float>(i % 3);
      }
      EXPECT_FALSE(testing::SameBits(before, output()))
          << c.name << ", " << c.graph.nodes[v.node].name;
      std::copy(old.begin(), old.end(), v.data);
    }
  }
}

// Coefficients that die too early, are too small or belong to no node.
TEST(Fusion, DamagedPlansAreRefused) {
  uint32_t damaged = 0;
  for (const Case& c : HandMade()) {
    for (const Use& use : Uses(c, true)) {
      SCOPED_TRACE(c.name + ", " + use.name);
      Plan good;
      if (!MakePlan(c.graph, use.options, &good).ok()) continue;
      ASSERT_TRUE(CheckPlan(good).ok());
      for (uint32_t i = 0; i < good.nodes.size(); ++i) {
        const uint32_t by = good.nodes[i].derived_by;
        if (by == kNoNode) continue;
        ++damaged;
        const uint32_t saved = good.nodes[by].saved;
        ASSERT_NE(saved, kNoTensor);
        Plan plan = good;
        plan.tensors[saved].last = plan.tensors[saved].first;
        EXPECT_FALSE(CheckPlan(plan).ok()) << "dead before it is read";
        plan = good;
        plan.tensors[saved].first = plan.tensors[saved].last;
        EXPECT_FALSE(CheckPlan(plan).ok()) << "born after it is written";
        plan = good;
        plan.tensors[saved].bytes = kTensorAlign;
        EXPECT_FALSE(CheckPlan(plan).ok()) << "one vector";
        plan = good;
        plan.nodes[by].saved = kNoTensor;
        EXPECT_FALSE(CheckPlan(plan).ok()) << "no buffer";
        if (i == by && plan.nodes[i].mode.activation != 0) continue;  // relu is
        for (const uint32_t other :
             {static_cast<uint32_t>(good.nodes.size()), 0xfffffffeu, 0u}) {
          plan = good;
          plan.nodes[i].derived_by = other;
          EXPECT_FALSE(CheckPlan(plan).ok()) << "derived by " << other;
          Trainer trainer;
          testing::Memory memory(plan.arena_bytes);
          EXPECT_FALSE(trainer.Create(plan, memory.data(), memory.size()).ok());
        }
        plan = good;
        plan.nodes[i].output = kNoTensor;
        EXPECT_FALSE(CheckPlan(plan).ok()) << "formed from nothing";
        plan = good;
        PlannedTensor& x = plan.tensors[plan.nodes[i].output];
        x.last = x.first;
        EXPECT_FALSE(CheckPlan(plan).ok()) << "formed from a dead tensor";
      }
    }
  }
  EXPECT_GT(damaged, 50u);
}

// What a trained reader forms its input from in backward dies just before.
// Where the batch norm is frozen, its own backward does not keep it alive.
TEST(Fusion, DamagedBackwardIsRefused) {
  uint32_t damaged = 0, without_backward = 0;
  for (const Case& c : HandMade()) {
    for (const Use& use : Uses(c, true)) {
      SCOPED_TRACE(c.name + ", " + use.name);
      Plan good;
      if (!MakePlan(c.graph, use.options, &good).ok()) continue;
      for (uint32_t s = 0; s < good.steps.size(); ++s) {
        const uint32_t i = good.steps[s].node;
        if (good.steps[s].kind != StepKind::kBackward ||
            !good.nodes[i].mode.train_weights ||
            !good.nodes[i].mode.derived_input[0]) {
          continue;
        }
        const NodePlan& from = good.nodes[good.graph.nodes[i].inputs[0]];
        for (const uint32_t tensor :
             {from.output, good.nodes[from.derived_by].saved}) {
          Plan plan = good;
          EXPECT_GE(plan.tensors[tensor].last, s);
          plan.tensors[tensor].last = s - 1;
          EXPECT_FALSE(CheckPlan(plan).ok()) << c.graph.nodes[i].name;
          ++damaged;
        }
        without_backward += !good.nodes[from.derived_by].mode.backward;
      }
    }
  }
  EXPECT_GT(damaged, 50u);
  EXPECT_GT(without_backward, 5u);
}

}  // namespace
}  // namespace temper
