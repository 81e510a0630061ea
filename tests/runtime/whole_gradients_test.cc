// Gradients as wholes, to the end of a step and across batches: whole models
// end in the bits of fused updates, and plans hold what they promise. Next:
// training_calls_test.cc (what a trainer does with them).
#include <cmath>

#include "temper/trainer.h"
#include "tests/testing/kernel_test.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

using testing::Bench;
using testing::SameBits;
using testing::TestBatch;
using testing::TestModel;

constexpr GradientMode kModes[] = {GradientMode::kFused, GradientMode::kWhole,
                                   GradientMode::kAccumulated};

// State after a few steps, the last one short.
std::vector<float> Train(const Graph& graph, const PlanOptions& options,
                         uint32_t steps) {
  Bench bench;
  const Status status =
      bench.Start(graph, options, testing::ThreadRunner(options.threads));
  EXPECT_TRUE(status.ok()) << status.message;
  if (!status.ok()) return {};
  Trainer& t = bench.trainer;
  t.Initialize(7);
  t.CheckMemory(options.threads == 1);
  const Plan& plan = t.plan();
  for (uint32_t s = 0; s < steps; ++s) {
    const TestBatch data(plan.shapes[0], plan.shapes.back().c, options.batch,
                         s + 1);
    const StepResult r = t.Step(
        data.View(s + 1 == steps ? options.batch - 1 : options.batch), 0.01f);
    EXPECT_TRUE(r.status.ok()) << r.status.message;
  }
  EXPECT_EQ(t.steps(), steps);
  return bench.State();
}

struct Parts {
  uint32_t blocks = 0, pieces = 0, groups = 0;
};
Parts PartsOf(const Plan& plan) {
  Parts parts;
  for (const NodePlan& n : plan.nodes) {
    parts.blocks += n.gradient_rows != 0;
    parts.pieces += n.gradient_pieces;
  }
  for (const ProgramStep& s : plan.steps) parts.groups += s.slab != 0;
  return parts;
}

TEST(WholeGradients, HaveTheBitsOfFusedOnes) {
  struct Case {
    std::string name;
    Shape input;
    uint32_t classes, batch, steps;
    uint64_t cache_bytes;
  };
  std::vector<Case> cases;
  for (const TestModel& model : testing::TestModels()) {
    cases.push_back({model.name, model.input, model.classes, 3, 3, 32u << 20});
  }
  // In slabs; batches too large for pieces.
  cases.push_back(
      {"mobilenet_v2?width=0.35", {33, 33, 3}, 10, 33, 2, 1u << 18});
  cases.push_back({"fc_autoencoder", {1, 1, 640}, 2, 520, 2, 32u << 20});
  Parts seen;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name + " at batch " + std::to_string(c.batch));
    const Graph graph = testing::BuildOrDie(c.name, c.input, c.classes);
    PlanOptions options;
    options.batch = c.batch;
    options.cache_bytes = c.cache_bytes;
    Plan plan;
    ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
    const Parts parts = PartsOf(plan);
    seen.blocks += parts.blocks;
    seen.pieces += parts.pieces;
    seen.groups += parts.groups;
    std::vector<float> first;
    for (const GradientMode mode : kModes) {
      for (const uint32_t threads : {1u, 3u}) {
        options.gradients = mode;
        options.threads = threads;
        const std::vector<float> state = Train(graph, options, c.steps);
        if (first.empty()) first = state;
        EXPECT_TRUE(!state.empty() && SameBits(state, first))
            << static_cast<int>(mode) << " on " << threads;
      }
    }
  }
  EXPECT_TRUE(seen.blocks > 0 && seen.pieces > 0 && seen.groups > 0);
}

TEST(WholeGradients, PlansHoldWhatTheyPromise) {
  for (const TestModel& model : testing::TestModels()) {
    const Graph graph =
        testing::BuildOrDie(model.name, model.input, model.classes);
    for (const uint32_t batch : {2u, 32u}) {
      for (const bool head : {false, true}) {
        SCOPED_TRACE(std::string(model.name) + " batch " +
                     std::to_string(batch) + (head ? " head" : " full"));
        PlanOptions options;
        options.batch = batch;
        if (head) options.frozen = testing::HeadOnly(graph);
        uint64_t hash = 0, bytes = 0;
        for (const GradientMode mode : kModes) {
          options.gradients = mode;
          Plan plan;
          ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
          if (mode == GradientMode::kFused) {
            hash = plan.program_hash;
            bytes = plan.arena_bytes;
            continue;
          }
          EXPECT_EQ(plan.program_hash, hash);  // no bit depends on it
          EXPECT_GE(plan.arena_bytes, bytes);
          EXPECT_LE(static_cast<double>(plan.arena_bytes),
                    1.03 * static_cast<double>(plan.lower_bound));
          const Parts parts = PartsOf(plan);
          EXPECT_EQ(parts.blocks + parts.pieces, 0u);
          const auto end = static_cast<uint32_t>(plan.steps.size()) - 1;
          bool updates = false;
          for (const ProgramStep& s : plan.steps) {
            EXPECT_FALSE(updates && s.kind != StepKind::kUpdate);
            updates = updates || s.kind == StepKind::kUpdate;
          }
          for (const NodePlan& n : plan.nodes) {
            for (uint32_t w = 0; w < n.weight_count; ++w) {
              const uint32_t g = n.weight_gradients[w];
              const bool trained =
                  n.mode.train_weights && IsTrained(n.specs[w].role);
              ASSERT_EQ(g != kNoTensor, trained);
              if (!trained) continue;
              EXPECT_EQ(plan.tensors[g].bytes, 4 * n.specs[w].Count());
              EXPECT_EQ(plan.tensors[g].last, end);
              if (mode == GradientMode::kAccumulated) {
                EXPECT_EQ(plan.tensors[g].first, 0u);
              }
            }
          }
        }
      }
    }
  }
}

TEST(WholeGradients, DamagedPlansAreRefused) {
  const Graph graph = testing::BuildOrDie("mlp", {28, 28, 1}, 10);
  PlanOptions options;
  options.gradients = GradientMode::kAccumulated;
  Plan good;
  ASSERT_TRUE(MakePlan(graph, options, &good).ok());
  uint32_t dense = 0;
  while (!good.nodes[dense].mode.train_weights) ++dense;
  const auto refused = [&](const char* what, auto&& damage) {
    Plan plan = good;
    damage(plan, plan.tensors[plan.nodes[dense].weight_gradients[0]]);
    EXPECT_FALSE(CheckPlan(plan).ok()) << what;
  };
  ASSERT_TRUE(CheckPlan(good).ok());
  refused("ends early",
          [](Plan&, PlannedTensor& gradient) { --gradient.last; });
  refused("begins late",
          [](Plan&, PlannedTensor& gradient) { ++gradient.first; });
  refused("in blocks",
          [&](Plan& p, PlannedTensor&) { p.nodes[dense].gradient_rows = 16; });
  refused("in pieces", [&](Plan& p, PlannedTensor&) {
    p.nodes[dense].gradient_pieces = true;
    p.nodes[dense].weight_gradients[0] = kNoTensor;
  });
  refused("an update before the end of backward", [](Plan& p, PlannedTensor&) {
    uint32_t update = 0;
    while (p.steps[update].kind != StepKind::kUpdate) ++update;
    std::swap(p.steps[update - 1].kind, p.steps[update].kind);
    std::swap(p.steps[update - 1].node, p.steps[update].node);
  });
  refused("a mode that there is not", [](Plan& p, PlannedTensor&) {
    p.options.gradients = static_cast<GradientMode>(3);
  });
  refused("too few rate factors",
          [](Plan& p, PlannedTensor&) { p.options.rate_factors = {1.0f}; });
  refused("a rate factor that is no number", [](Plan& p, PlannedTensor&) {
    p.options.rate_factors.assign(p.nodes.size(), std::nanf(""));
  });
  refused("a hook that there is not",
          [](Plan& p, PlannedTensor&) { p.options.hooks.emplace_back(); });
}

}  // namespace
}  // namespace temper
