// Slabs and blocks change no bit. Every graph is run as it is planned, with
// other slabs, and with its groups dissolved, on one to three threads, over
// short batches and evaluations in between; and once with nothing fused, which
// has no groups and other lifetimes. Gradients in blocks are compared with
// whole ones.
// Next: runtime/program_steps.cc (SlabOf, ListGroup), program_tensors.cc
// (BlockRows); fusion_test.cc.
#include <functional>
#include <limits>

#include "runtime/planner.h"
#include "simd/target.h"
#include "temper/trainer.h"
#include "tests/testing/graph_test.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Builder;
using testing::Memory;
using testing::TestBatch;

// Small enough that nets of few operations run in slabs.
constexpr uint64_t kCacheBytes = 4 << 20;

struct Case {
  std::string name;
  Shape input;
  Graph graph;
  uint32_t batch;
  uint32_t groups;  // when everything is trained
};

Conv2dParams Window(uint32_t channels, uint32_t kernel, uint32_t stride) {
  Conv2dParams p;
  p.out_channels = channels;
  p.kernel_h = p.kernel_w = kernel;
  p.stride_h = p.stride_w = stride;
  p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = kernel / 2;
  return p;
}

DepthwiseConv2dParams Depthwise(uint32_t stride, uint32_t bias) {
  DepthwiseConv2dParams p;
  p.stride_h = p.stride_w = stride;
  p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
  p.bias = bias;
  return p;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const auto add = [&](const char* name, uint32_t batch, uint32_t groups,
                       const Graph& graph) {
    std::vector<Shape> shapes;
    const Status status = graph.Check(&shapes);
    ASSERT_TRUE(status.ok()) << name << ": " << status.message;
    cases.push_back({name, shapes[0], graph, batch, groups});
  };
  {
    Builder b({32, 31, 3});
    b.Conv("stem", 20), b.Norm("bn"), b.Then("relu", Relu6Params{});
    b.Then("dw", Depthwise(1, 0)), b.Norm("bn2");
    b.Then("relu2", Relu6Params{});
    b.Conv("pw", 24, 1), b.Norm("bn3"), b.Then("relu3", ReluParams{});
    b.Then("dw2", Depthwise(2, 0)), b.Norm("bn4"),
        b.Then("relu4", ReluParams{});
    b.Conv("pw2", 36, 1), b.Norm("bn5");
    add("separable", 37, 9, b.Finish());
  }
  {
    // Residual: a derived tensor with several readers, whose gradient the last
    // convolution in backward adds to, or the add.
    Builder b({32, 32, 3});
    b.Conv("conv", 16), b.Norm("bn");
    uint32_t x = b.Then("relu", ReluParams{});
    b.Conv("conv2", 16), b.Norm("bn2");
    x = b.Add("add", AddParams{}, b.at(), x), b.Then("relu2", ReluParams{});
    x = b.at();
    b.Conv("conv3", 16), b.Norm("bn3");
    const uint32_t y = b.Then("relu3", Relu6Params{});
    const uint32_t left = b.ConvOf("left", 16, 1, y);
    b.ConvOf("right", 16, 3, y), b.Norm("bn4");
    b.Add("add2", AddParams{}, b.at(), left);
    b.Add("add3", AddParams{}, x, b.at()), b.Then("relu4", ReluParams{});
    b.Conv("conv4", 16, 1), b.Norm("bn5");
    add("residual", 19, 9, b.Finish());
  }
  {
    // The normalised samples, which are computed again in backward, are the
    // input of a batch norm and are written over by the add.
    Builder b({32, 32, 16});
    const uint32_t x = b.at();
    b.Norm("bn"), b.Then("relu", ReluParams{}), b.Conv("conv", 16, 1);
    b.Add("add", AddParams{}, x, b.at());
    add("pre-activation", 17, 1, b.Finish());
  }
  {
    // The same, where another layer has them computed again.
    Builder b({32, 32, 16});
    const uint32_t x = b.at();
    const uint32_t y = b.Norm("bn");
    const uint32_t left = b.ConvOf("shortcut", 16, 1, x);
    b.ConvOf("conv", 16, 1, y), b.Add("add", AddParams{}, b.at(), left);
    add("normalised twice", 17, 1, b.Finish());
  }
  {
    // A depthwise convolution reads the normalised samples; biases.
    Builder b({31, 32, 20});
    b.Then("dw", Depthwise(1, 0)), b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Then("dw2", Depthwise(1, 1)), b.Norm("bn2");
    b.Then("relu2", Relu6Params{});
    Conv2dParams p = Window(16, 1, 1);
    p.bias = 1;
    b.Then("pw", p), b.Norm("bn3");
    add("depthwise first", 17, 6, b.Finish());
  }
  {
    // Batch norms that do not stand after their convolutions, one that is
    // stored, one whose convolution has another reader.
    Builder b({32, 32, 3});
    b.Conv("conv", 16);
    const uint32_t x = b.at();
    b.Conv("conv2", 16);
    const uint32_t y = b.at();
    b.Add("bn", BatchNormParams{}, x), b.Then("relu", ReluParams{});
    const uint32_t left = b.at();
    b.Add("bn2", BatchNormParams{}, y);
    b.Add("add", AddParams{}, b.at(), left);
    b.Conv("conv3", 16, 1), b.Norm("bn3"), b.Then("relu3", ReluParams{});
    b.Then("max", MaxPoolParams{});
    b.Add("stride", Window(24, 3, 1), b.graph.Find("relu3"));
    b.Norm("bn4"), b.Then("relu4", ReluParams{});
    b.Conv("conv4", 16, 1);
    const uint32_t z = b.at();
    b.Norm("bn5"), b.Add("add2", AddParams{}, b.at(), z);
    b.Then("pool", GlobalAvgPoolParams{});
    const uint32_t pooled = b.at();
    b.Add("pool2", GlobalAvgPoolParams{}, b.graph.Find("max"));
    b.Add("add3", AddParams{}, b.at(), pooled);
    add("order", 19, 3, b.Classify());
  }
  {
    // Few pixels: the first slab is a whole unit of rows.
    Builder b({5, 5, 3});
    b.Conv("conv", 64, 1), b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Conv("conv2", 64, 1), b.Norm("bn2"), b.Then("relu2", ReluParams{});
    b.Then("dw", Depthwise(1, 0)), b.Norm("bn3");
    add("few pixels", 173, 4, b.Finish());
  }
  {
    Builder b({1, 1, 64});
    b.Conv("conv", 64, 1), b.Norm("bn"), b.Then("relu", ReluParams{});
    b.Conv("conv2", 64, 1), b.Norm("bn2");
    add("one pixel", 4111, 3, b.Finish());
  }
  return cases;
}

uint32_t Groups(const Plan& plan) {
  uint32_t count = 0;
  for (uint32_t s = 0; s < plan.steps.size(); ++s) {
    count += plan.steps[s].slab != 0 && plan.steps[s].group_last == s;
  }
  return count;
}

// Samples that a slab must have for the statistics of `step`.
uint32_t LeastSlab(const Plan& plan, const ProgramStep& step) {
  if (step.kind != StepKind::kForward) return 1;
  const Shape& s = plan.shapes[step.node];
  return (504 + s.h * s.w - 1) / (s.h * s.w);
}

using Change = std::function<void(Plan*)>;

void Dissolve(Plan* plan) {
  for (uint32_t s = 0; s < plan->steps.size(); ++s) {
    plan->steps[s].group_last = s;
    plan->steps[s].slab = 0;
  }
}

// Slabs as small as they can be, and `more` samples.
Change SmallSlabs(uint32_t more) {
  return [more](Plan* plan) {
    for (uint32_t s = 0; s < plan->steps.size();) {
      const uint32_t last = plan->steps[s].group_last;
      uint32_t slab = 0;
      for (uint32_t q = s; q <= last; ++q) {
        slab = std::max(slab, LeastSlab(*plan, plan->steps[q]));
      }
      for (; s <= last; ++s) {
        if (plan->steps[s].slab != 0) plan->steps[s].slab = slab + more;
      }
    }
  };
}

// Every gradient as a whole, in memory of its own.
void MakeWholeGradients(Plan* plan) {
  PlannedTensor* state = nullptr;
  for (PlannedTensor& t : plan->tensors) {
    if (t.kind == TensorKind::kStepState) state = &t;
  }
  const auto at = static_cast<uint32_t>(state - plan->tensors.data());
  for (NodePlan& n : plan->nodes) {
    if (n.FirstWholeGradient() == 0) continue;
    n.gradient_rows = 0;
    if (n.gradient_pieces) {  // alive as long as the weight: forever
      n.gradient_pieces = false;
      n.weight_gradients[0] = static_cast<uint32_t>(plan->tensors.size());
      plan->tensors.push_back(plan->tensors[n.weights[0]]);
      plan->tensors.back().kind = TensorKind::kWeightGradient;
    }
    state = &plan->tensors[at];
    PlannedTensor& t = plan->tensors[n.weight_gradients[0]];
    t.bytes = n.specs[0].Count() * sizeof(float);
    t.offset = state->offset;
    state->offset += Extent(t);
  }
  plan->arena_bytes = state->offset + kTensorAlign;
}

std::vector<float> RunSteps(const Graph& graph, const TestBatch& data,
                            const PlanOptions& options,
                            const ParallelRunner& runner, const Change& change,
                            bool check_memory) {
  Plan plan;
  PlanOptions with_threads = options;
  with_threads.threads = runner.threads;
  Status status = MakePlan(graph, with_threads, &plan);
  EXPECT_TRUE(status.ok()) << status.message << " at node " << status.node;
  if (!status.ok()) return {};
  if (change) change(&plan);
  status = CheckPlan(plan);
  EXPECT_TRUE(status.ok()) << status.message << " at node " << status.node;
  Memory memory(plan.arena_bytes);
  Trainer t;
  if (!status.ok() ||
      !t.Create(plan, memory.data(), memory.size(), runner).ok()) {
    return {};
  }
  testing::Fill(&t);
  t.CheckMemory(check_memory);
  std::vector<float> all;
  const uint32_t batch = options.batch;
  const auto take = [&](const StepResult& r) {
    EXPECT_TRUE(r.status.ok()) << r.status.message << ": " << r.status.node;
    all.push_back(r.loss);
    all.push_back(static_cast<float>(r.correct));
  };
  const auto evaluate = [&](uint32_t rows) {
    take(t.Evaluate(data.View(rows)));
    all.insert(all.end(), t.Output(),
               t.Output() + rows * plan.shapes.back().Count());
  };
  for (const uint32_t rows : {batch, 2u, batch / 2 + 1}) {
    take(t.Step(data.View(rows), 0.01f));
    evaluate(rows == 2 ? batch : 1);
  }
  EXPECT_EQ(t.MemoryFault(), kNoNode);
  for (const TensorView& v : t.Tensors())
    all.insert(all.end(), v.data, v.data + v.count);
  for (const StateView& v : t.States())
    all.insert(all.end(), v.data, v.data + v.count);
  for (const float v : all) {
    EXPECT_TRUE(std::isfinite(v));
    if (!std::isfinite(v)) break;
  }
  return all;
}

struct Use {
  const char* name;
  PlanOptions options;
};
std::vector<Use> Uses(const Case& c) {
  PlanOptions o;
  o.cache_bytes = kCacheBytes;
  o.batch = c.batch;
  std::vector<Use> uses = {{"train", o}};
  uses.push_back({"--bn frozen", o});
  uses.back().options.batch_norm = BatchNormMode::kFrozen;
  const auto freeze = [&](const char* name, auto&& which) {
    uses.push_back({name, o});
    for (uint32_t i = 0; i < c.graph.nodes.size(); ++i) {
      uses.back().options.frozen.push_back(which(i, c.graph.nodes[i]) ? 1 : 0);
    }
  };
  const uint32_t half = static_cast<uint32_t>(c.graph.nodes.size()) / 2;
  freeze("upper half", [&](uint32_t i, const Node&) { return i < half; });
  freeze("norms only", [&](uint32_t, const Node& n) {
    return n.kind != LayerKind::kBatchNorm;
  });
  freeze("every other norm", [&, odd = false](uint32_t, const Node& n) mutable {
    if (n.kind == LayerKind::kBatchNorm) odd = !odd;
    return odd && n.kind == LayerKind::kBatchNorm;
  });
  return uses;
}

TEST(Slabs, ChangeNoBit) {
  for (const Case& c : Cases()) {
    const TestBatch data(c.input, 5, c.batch, 1);
    for (const Use& use : Uses(c)) {
      SCOPED_TRACE(c.name + ", " + use.name);
      const bool full = std::string(use.name) == "train";
      std::vector<uint32_t> from;
      const Graph unfused = testing::Unfused(c.graph, &from);
      PlanOptions other = use.options;
      other.frozen.clear();
      for (const uint32_t i : from) {
        if (use.options.frozen.empty()) break;
        other.frozen.push_back(i == kNoNode ? 0 : use.options.frozen[i]);
      }
      Plan plan;
      Status status = MakePlan(c.graph, use.options, &plan);
      EXPECT_TRUE(status.ok()) << status.message << " at node " << status.node;
      if (full) {
        EXPECT_EQ(Groups(plan), c.groups);
      }
      ASSERT_TRUE(MakePlan(unfused, other, &plan).ok());
      EXPECT_EQ(Groups(plan), 0u);
      const auto run = [&](uint32_t threads, const Change& change, bool check) {
        return RunSteps(c.graph, data, use.options,
                        testing::ThreadRunner(threads), change, check);
      };
      const std::vector<float> expected =
          RunSteps(unfused, data, other, {}, nullptr, false);
      ASSERT_FALSE(expected.empty());
      EXPECT_TRUE(testing::SameBits(run(1, nullptr, true), expected));
      if (!full) continue;
      EXPECT_TRUE(testing::SameBits(run(2, nullptr, false), expected))
          << "two threads";
      EXPECT_TRUE(testing::SameBits(run(3, SmallSlabs(0), false), expected))
          << "three threads, smallest slabs";
      EXPECT_TRUE(testing::SameBits(run(3, Dissolve, false), expected))
          << "three threads, dissolved";
    }
  }
}

TEST(Slabs, ChangeNoBitOnAnyTarget) {
  testing::ForEachTarget([&](simd::Target target) {
    const Case c = Cases()[0];
    const TestBatch data(c.input, 5, c.batch, 1);
    PlanOptions options;
    options.cache_bytes = kCacheBytes;
    options.batch = c.batch;
    const auto run = [&](uint32_t threads, const Change& change) {
      return RunSteps(c.graph, data, options, testing::ThreadRunner(threads),
                      change, false);
    };
    EXPECT_TRUE(testing::SameBits(run(1, Dissolve), run(3, SmallSlabs(2))))
        << target.name;
  });
}

// Plans that would have a layer do what it cannot, or write where it must not.
TEST(Slabs, DamagedPlansAreRefused) {
  const Case c = Cases()[0];
  PlanOptions options;
  options.cache_bytes = kCacheBytes;
  options.batch = c.batch;
  Plan good;
  ASSERT_TRUE(MakePlan(c.graph, options, &good).ok());
  ASSERT_TRUE(CheckPlan(good).ok());
  const auto at = [&](const char* name) { return c.graph.Find(name); };
  const auto step = [&](StepKind kind, const char* name) {
    for (uint32_t s = 0; s < good.steps.size(); ++s) {
      if (good.steps[s].kind == kind && good.steps[s].node == at(name)) {
        return s;
      }
    }
    ADD_FAILURE() << "no such step of " << name;
    return 0u;
  };
  const auto refused = [&](const char* what, const Change& damage) {
    Plan plan = good;
    damage(&plan);
    EXPECT_FALSE(CheckPlan(plan).ok()) << what;
  };
  // Steps.
  refused("statistics of less than a unit of rows", [&](Plan* p) {
    const uint32_t s = step(StepKind::kForward, "bn5");
    p->steps[s - 1].slab = p->steps[s].slab = 1;
  });
  refused("statistics in slabs for a frozen batch norm",
          [&](Plan* p) { p->nodes[at("bn5")].mode.live_statistics = false; });
  refused("all of backward in slabs", [&](Plan* p) {
    p->steps[step(StepKind::kBackwardData, "pw2")].kind = StepKind::kBackward;
  });
  refused("weights of a convolution in slabs", [&](Plan* p) {
    p->steps[step(StepKind::kBackwardWeights, "dw2")].node = at("pw2");
  });
  for (const StepKind kind :
       {StepKind::kBackwardReduce, StepKind::kBackwardData,
        StepKind::kBackwardWeights}) {
    refused("a part of backward of what has no parts", [&](Plan* p) {
      p->steps[step(StepKind::kBackward, "head")].kind = kind;
    });
  }
  refused("backward of what has none", [&](Plan* p) {
    p->steps[step(StepKind::kBackward, "head")].node = at("normalize");
  });
  refused("backward before the loss", [&](Plan* p) {
    const uint32_t s = step(StepKind::kLoss, "loss");
    std::swap(p->steps[s].kind, p->steps[s + 1].kind);
    std::swap(p->steps[s].node, p->steps[s + 1].node);
  });
  refused("two losses", [&](Plan* p) {
    p->steps[step(StepKind::kBackward, "loss")].kind = StepKind::kLoss;
  });
  refused("an absorbed layer", [&](Plan* p) {
    p->steps[step(StepKind::kForward, "head")].node = at("relu2");
  });
  // Derived inputs.
  for (const char* const name : {"dw", "pw", "pool"}) {
    refused("an input that is derived and does not say so",
            [&](Plan* p) { p->nodes[at(name)].mode.derived_input[0] = false; });
  }
  refused("an input that says so and is not derived",
          [&](Plan* p) { p->nodes[at("head")].mode.derived_input[0] = true; });
  refused("a layer that cannot form its input", [&](Plan* p) {
    p->nodes[at("head")].derived_by = at("bn5");
    p->nodes[at("loss")].mode.derived_input[0] = true;
  });
  for (const uint32_t activation : {3u, 0xffffffffu}) {
    refused("an activation that is none",
            [&](Plan* p) { p->nodes[at("bn")].mode.activation = activation; });
  }
  refused("an activation with other parameters than its layer's", [&](Plan* p) {
    p->nodes[at("bn")].mode.activation_parameters[1] = 0.5f;
  });
  // Sizes.
  for (const char* const name : {"dw", "pw2", "bn5", "head"}) {
    const NodePlan& n = good.nodes[at(name)];
    for (const uint32_t tensor :
         {n.forward_scratch, n.backward_scratch, n.saved}) {
      if (tensor == kNoTensor) continue;
      refused("a buffer that is a line too small", [&](Plan* p) {
        p->tensors[tensor].bytes -= p->tensors[tensor].bytes % 64;
        p->tensors[tensor].bytes -= 4;
      });
    }
    refused("a weight of another shape",
            [&](Plan* p) { p->nodes[at(name)].specs[0].dims[0] -= 1; });
    refused("a weight that does not exist",
            [&](Plan* p) { p->nodes[at(name)].weights[0] = 100000; });
    refused("a momentum that does not exist",
            [&](Plan* p) { p->nodes[at(name)].optimizer[0][0] = kNoTensor; });
    if (std::string(name) == "dw" || std::string(name) == "bn5") {
      refused("blocks of what is made as a whole",
              [&](Plan* p) { p->nodes[at(name)].gradient_rows = 1; });
    }
  }
  refused("pieces of what is made as a whole",
          [&](Plan* p) { p->nodes[at("pw2")].gradient_pieces = true; });
  refused("a whole that is made in pieces",
          [&](Plan* p) { p->nodes[at("head")].gradient_pieces = false; });
  refused("pieces that also have a memory", [&](Plan* p) {
    NodePlan& n = p->nodes[at("head")];
    n.weight_gradients[0] = n.weights[0];
  });
  refused("blocks of what is made in pieces",
          [&](Plan* p) { p->nodes[at("head")].gradient_rows = 2; });
  refused("blocks that are larger than the whole",
          [&](Plan* p) { p->nodes[at("pw2")].gradient_rows = 10000; });
  refused("a gradient of what is not trained",
          [&](Plan* p) { p->nodes[at("pw")].mode.train_weights = false; });
  refused("an output that does not exist",
          [&](Plan* p) { p->nodes[at("pool")].output = 100000; });
  refused("an output that dies before backward reads it", [&](Plan* p) {
    p->tensors[p->nodes[at("loss")].output].last =
        step(StepKind::kLoss, "loss");
  });
  refused("no threads", [&](Plan* p) { p->options.threads = 0; });
}

Graph LargeLayers() {
  Builder b({2, 2, 5});
  Conv2dParams p = Window(150, 3, 1);
  p.bias = 1;
  b.Then("conv", p), b.Norm("bn"), b.Then("relu", ReluParams{});
  b.Conv("conv2", 131, 3), b.Then("relu2", ReluParams{});
  b.Conv("conv3", 517, 1), b.Norm("bn3"), b.Then("relu3", ReluParams{});
  b.Then("dense", DenseParams{301}), b.Then("relu4", ReluParams{});
  b.Then("dense2", DenseParams{263, 0});
  return b.Classify();
}

TEST(Blocks, ChangeNoBit) {
  const Graph graph = LargeLayers();
  for (const uint32_t nesterov : {0u, 1u}) {
    for (const uint32_t batch : {3u, 40u}) {
      PlanOptions options;
      options.cache_bytes = kCacheBytes;
      options.batch = batch;
      const TestBatch data({2, 2, 5}, 5, batch, 1);
      options.optimizer = Optimizer(SgdParams{0.9f, 1e-3f, nesterov, 1});
      Plan plan;
      ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
      uint32_t blocks = 0, pieces = 0;
      for (const NodePlan& n : plan.nodes) {
        blocks += n.gradient_rows != 0;
        pieces += n.gradient_pieces;
      }
      EXPECT_EQ(blocks, batch == 3 ? 2u : 1u);  // convolutions
      EXPECT_EQ(pieces, 3u);                    // dense layers
      const auto run = [&](uint32_t threads, const Change& change, bool check) {
        return RunSteps(graph, data, options, testing::ThreadRunner(threads),
                        change, check);
      };
      const std::vector<float> expected = run(1, MakeWholeGradients, false);
      ASSERT_FALSE(expected.empty());
      EXPECT_TRUE(testing::SameBits(run(1, nullptr, true), expected));
      EXPECT_TRUE(testing::SameBits(run(2, nullptr, false), expected));
      EXPECT_TRUE(testing::SameBits(run(3, nullptr, false), expected));
    }
  }
}

// A block that goes bad names its layer, once.
TEST(Blocks, ABadUpdateNamesItsLayer) {
  const Graph graph = LargeLayers();
  PlanOptions options;
  options.cache_bytes = kCacheBytes;
  options.batch = 3;
  testing::Bench bench;
  ASSERT_TRUE(bench.Start(graph, options).ok());
  Trainer& t = bench.trainer;
  const TestBatch data({2, 2, 5}, 5, 3, 1);
  for (const char* const name : {"dense2", "dense", "conv3", "conv2"}) {
    testing::Fill(&t);
    const uint32_t node = graph.Find(name);
    ASSERT_NE(t.plan().nodes[node].FirstWholeGradient(), 0u);
    // Finite in forward; infinite when the momentum is added.
    for (const StateView& v : t.States()) {
      const TensorView& of = t.Tensors()[v.tensor];
      if (of.node == node && of.slot == 0) {
        v.data[v.count / 3] = std::numeric_limits<float>::infinity();
      }
    }
    StepResult r = t.Step(data.View(3), 0.01f);
    EXPECT_EQ(r.status.code, StatusCode::kNotFinite) << name;
    EXPECT_EQ(r.status.node, node) << name;
    testing::Fill(&t);
    r = t.Step(data.View(3), 0.01f);
    EXPECT_TRUE(r.status.ok()) << r.status.message << " after " << name;
  }
}

}  // namespace
}  // namespace temper
