// Below the lowest layer that trains nothing is saved, multiplied or updated:
// counted on the plan (tensors, steps, multiply-adds) for a cut at every node of
// models with and without residual blocks, also inside a block; and no byte of
// a weight below the cut changes in a step.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "models/work.h"
#include "tests/testing/model_test.h"

namespace temper::testing {
namespace {

// Does a node that trains lie on a path from the samples to node i, i included?
std::vector<bool> TrainedAtOrBelow(const Plan& plan) {
  std::vector<bool> trained(plan.nodes.size(), false);
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    trained[i] = plan.nodes[i].mode.train_weights;
    for (uint32_t k = 0; k < plan.graph.nodes[i].input_count; ++k) {
      trained[i] = trained[i] || trained[plan.graph.nodes[i].inputs[k]];
    }
  }
  return trained;
}

class PartialBackward : public ::testing::TestWithParam<const char*> {};

TEST_P(PartialBackward, NothingIsDoneBelowTheCut) {
  const TestModel* model = nullptr;
  for (const TestModel& m : TestModels()) {
    if (std::string(GetParam()) == m.name) model = &m;
  }
  ASSERT_NE(model, nullptr);
  const Graph graph = BuildOrDie(model->name, model->input, model->classes);
  Plan whole;
  PlanOptions options;
  options.batch = 4;
  ASSERT_TRUE(MakePlan(graph, options, &whole).ok());
  uint32_t plans = 0;
  uint64_t work_before = models::StepMultiplyAdds(whole);
  for (uint32_t cut = 1; cut < graph.nodes.size(); ++cut) {
    options.frozen.assign(graph.nodes.size(), 0);
    std::fill_n(options.frozen.begin(), cut, 1);
    Plan plan;
    if (!MakePlan(graph, options, &plan).ok()) continue;  // nothing trains
    SCOPED_TRACE(cut);
    ++plans;
    const std::vector<bool> trained = TrainedAtOrBelow(plan);
    uint64_t work = 0;
    for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
      const NodePlan& n = plan.nodes[i];
      // A gradient of an input is made exactly where somebody below wants it.
      bool below = false;
      for (uint32_t k = 0; k < graph.nodes[i].input_count; ++k) {
        const bool wanted = trained[graph.nodes[i].inputs[k]] &&
                            !(IsLoss(graph.nodes[i].kind) && k > 0);
        EXPECT_EQ(n.mode.need_dx[k], wanted) << i;
        below = below || wanted;
      }
      EXPECT_EQ(n.mode.backward, n.mode.train_weights || below) << i;
      work += models::MultiplyAdds(plan, i) *
              (1u + n.mode.need_dx[0] + n.mode.train_weights);
      if (n.mode.backward) continue;
      EXPECT_EQ(n.gradient == kNoTensor || trained[i], true) << i;
      EXPECT_EQ(n.backward_scratch, kNoTensor) << i;
      // Made once more for a reader that trains, or not at all.
      bool reader_trains = false;
      for (uint32_t j = 0; j < plan.nodes.size(); ++j) {
        for (uint32_t k = 0; k < graph.nodes[j].input_count; ++k) {
          reader_trains = reader_trains || (graph.nodes[j].inputs[k] == i &&
                                            plan.nodes[j].mode.train_weights);
        }
      }
      EXPECT_TRUE(n.output_again == kNoTensor || reader_trains) << i;
    }
    EXPECT_EQ(models::StepMultiplyAdds(plan), work);
    EXPECT_LE(work, work_before);
    work_before = work;
    // Steps after the loss: of nodes that a gradient reaches, or what those
    // read once more.
    bool after = false;
    uint32_t loss = 0;
    for (uint32_t s = 0; s < plan.steps.size(); ++s) {
      const ProgramStep& step = plan.steps[s];
      if (step.kind == StepKind::kLoss) after = true, loss = s;
      if (!after || step.kind == StepKind::kLoss ||
          step.kind == StepKind::kRecompute) {
        continue;
      }
      EXPECT_TRUE(plan.nodes[step.node].mode.backward) << step.node;
      if (step.kind == StepKind::kUpdate) {
        EXPECT_TRUE(plan.nodes[step.node].mode.train_weights) << step.node;
      }
    }
    // Tensors: gradients and state of what trains alone; what lives past the
    // loss is read by somebody who has a backward step.
    for (const PlannedTensor& t : plan.tensors) {
      if (t.kind == TensorKind::kWeightGradient ||
          t.kind == TensorKind::kOptimizer) {
        EXPECT_TRUE(plan.nodes[t.node].mode.train_weights) << t.node;
      }
      if (t.kind == TensorKind::kActivationGradient) {
        EXPECT_TRUE(trained[t.node]) << t.node;
      }
      if (t.last <= loss || IsPersistent(t.kind) || t.node == kNoNode) continue;
      if (t.kind == TensorKind::kSaved || t.kind == TensorKind::kScratch) {
        bool used = plan.nodes[t.node].mode.backward;
        // Coefficients of a derived output, for those who read it.
        for (uint32_t j = 0; j < plan.nodes.size(); ++j) {
          for (uint32_t k = 0; k < graph.nodes[j].input_count; ++k) {
            used = used ||
                   (plan.nodes[graph.nodes[j].inputs[k]].derived_by == t.node &&
                    plan.nodes[j].mode.backward);
          }
        }
        EXPECT_TRUE(used) << t.node;
      } else if (t.kind == TensorKind::kActivation) {
        bool used = false;
        for (uint32_t j = 0; j < plan.nodes.size(); ++j) {
          const NodePlan& reader = plan.nodes[j];
          if (!reader.mode.backward) continue;
          used = used || &plan.tensors[reader.output] == &t;
          for (uint32_t k = 0; k < graph.nodes[j].input_count; ++k) {
            const NodePlan& from = plan.nodes[graph.nodes[j].inputs[k]];
            used = used ||
                   (from.output != kNoTensor &&
                    &plan.tensors[from.output] == &t) ||
                   (from.output_again != kNoTensor &&
                    &plan.tensors[from.output_again] == &t);
          }
        }
        EXPECT_TRUE(used) << t.node;
      }
    }
  }
  EXPECT_GE(plans, 3u);
}

INSTANTIATE_TEST_SUITE_P(Models, PartialBackward,
                         ::testing::Values("resnet8", "mobilenet_v1", "lenet5",
                                           "ds_cnn", "fc_autoencoder"));

TEST(PartialBackward, NoByteBelowTheCutChanges) {
  const Graph graph = BuildOrDie("resnet8", {32, 32, 3}, 10);
  const TestBatch samples({32, 32, 3}, 10, 4, 3);
  for (uint32_t cut = 2; cut < graph.nodes.size(); cut += 5) {
    PlanOptions options;
    options.batch = 4;
    options.frozen.assign(graph.nodes.size(), 0);
    std::fill_n(options.frozen.begin(), cut, 1);
    Bench bench;
    if (!bench.Start(graph, options).ok()) continue;
    bench.trainer.Initialize(1);
    std::vector<std::vector<float>> before;
    for (const TensorView& v : bench.trainer.Tensors()) {
      before.emplace_back(v.data, v.data + v.count);
    }
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(bench.trainer.Step(samples.View(4), 0.1f).status.ok());
    }
    uint32_t changed = 0;
    for (size_t t = 0; t < before.size(); ++t) {
      const TensorView& v = bench.trainer.Tensors()[t];
      const bool same =
          std::memcmp(before[t].data(), v.data, v.count * sizeof(float)) == 0;
      if (v.node < cut) {
        EXPECT_TRUE(same) << v.node;
      } else {
        changed += !same;
      }
    }
    EXPECT_GT(changed, 0u);
  }
}

}  // namespace
}  // namespace temper::testing
