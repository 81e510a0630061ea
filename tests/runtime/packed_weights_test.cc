// PlanOptions::pack_weights: predictions have the same bits as without, in fewer
// bytes; who could read packed weights by mistake gets none.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/testing/allocations.h"
#include "tests/testing/backend_test.h"
#include "tests/testing/graph_test.h"
#include "tests/testing/random_graph.h"
#include "tests/testing/thread_runner.h"

namespace temper::testing {
namespace {

PlanOptions Predicting(uint32_t batch, bool packed, uint32_t threads = 1) {
  PlanOptions options;
  options.batch = batch;
  options.threads = threads;
  options.training = false;
  options.pack_weights = packed;
  return options;
}

// Outputs of a whole and of a short batch.
std::vector<float> Outputs(BackendBench* bench, const TestBatch& samples,
                           uint32_t batch) {
  std::vector<float> all;
  for (const uint32_t rows : {batch, (batch + 1) / 2}) {
    Batch view = samples.View(rows);
    view.labels = nullptr;
    const StepResult result = bench->trainer.Evaluate(view);
    EXPECT_TRUE(result.status.ok()) << result.status.message;
    const uint64_t count = rows * bench->trainer.plan().shapes.back().Count();
    const float* const y = bench->trainer.Output();
    all.insert(all.end(), y, y + count);
  }
  return all;
}

// The same weights packed and not; returns how many tensors lie packed.
uint32_t Compare(const Graph& graph, uint32_t batch, uint32_t threads) {
  std::vector<Shape> shapes;
  EXPECT_TRUE(graph.Check(&shapes).ok());
  const TestBatch samples(shapes[0], shapes.back().c, batch, 7);
  BackendBench plain, packed;
  EXPECT_TRUE(plain
                  .Start(graph, Predicting(batch, false, threads),
                         ThreadRunner(threads))
                  .ok());
  EXPECT_TRUE(
      packed
          .Start(graph, Predicting(batch, true, threads), ThreadRunner(threads))
          .ok());
  // Debug builds look for memory that a layer must not touch.
  packed.trainer.CheckMemory(true);
  Fill(&plain.trainer);
  packed.trainer.Initialize(1);
  CopyWeights(plain.trainer, &packed.trainer);
  const std::vector<float> expected = Outputs(&plain, samples, batch);
  EXPECT_TRUE(SameBits(Outputs(&packed, samples, batch), expected));
  uint32_t hidden = 0;
  for (const TensorView& view : packed.trainer.Tensors()) {
    const bool is = packed.trainer.plan().nodes[view.node].mode.packed;
    EXPECT_EQ(view.data == nullptr, is && view.slot == 0);
    hidden += view.data == nullptr;
  }
  return hidden;
}

// What the last panels of its tensors take beyond their rows.
uint64_t Padding(const Plan& plan) {
  uint64_t bytes = 0;
  for (const NodePlan& node : plan.nodes) {
    if (!node.mode.packed) continue;
    bytes += plan.tensors[node.weights[0]].bytes -
             node.specs[0].Count() * sizeof(float);
  }
  return bytes;
}

TEST(PackedWeights, AllModelsHaveTheSameBitsAndTakeAtMostTheirPadding) {
  for (const TestModel& model : TestModels()) {
    SCOPED_TRACE(model.name);
    const Graph graph = BuildOrDie(model.name, model.input, model.classes);
    for (const uint32_t batch : {1u, 5u}) {
      EXPECT_GE(Compare(graph, batch, batch == 1 ? 1 : 3), 1u);
      Plan plain, packed;
      ASSERT_TRUE(MakePlan(graph, Predicting(batch, false), &plain).ok());
      ASSERT_TRUE(MakePlan(graph, Predicting(batch, true), &packed).ok());
      EXPECT_LE(packed.arena_bytes, plain.arena_bytes + Padding(packed));
    }
  }
}

TEST(PackedWeights, RandomGraphsHaveTheSameBits) {
  uint32_t hidden = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    const RandomGraph random(seed);
    hidden += Compare(random.graph, 1 + seed % 7, 1 + seed % 3);
    if (HasFailure()) return;
  }
  EXPECT_GE(hidden, 150u);
}

TEST(PackedWeights, AreNeverReadByMistake) {
  const Graph graph = BuildOrDie("lenet5", {28, 28, 1}, 10);
  const TestBatch samples({28, 28, 1}, 10, 4, 7);
  BackendBench bench, other;
  ASSERT_TRUE(bench.Start(graph, Predicting(4, true)).ok());
  ASSERT_TRUE(other.Start(graph, Predicting(4, true)).ok());
  Trainer& trainer = bench.trainer;
  trainer.Initialize(1);
  const std::vector<float> first = Outputs(&bench, samples, 4);
  EXPECT_EQ(trainer.Tensors()[2].data, nullptr);

  // A snapshot holds them as they lie.
  std::vector<uint8_t> snapshot(trainer.SnapshotBytes());
  trainer.TakeSnapshot(snapshot.data());
  other.trainer.RestoreSnapshot(snapshot.data());
  EXPECT_EQ(other.trainer.Tensors()[2].data, nullptr);
  EXPECT_TRUE(SameBits(Outputs(&other, samples, 4), first));

  // New weights are set as ever.
  trainer.Initialize(2);
  EXPECT_NE(trainer.Tensors()[2].data, nullptr);
  EXPECT_FALSE(SameBits(Outputs(&bench, samples, 4), first));
  trainer.Initialize(1);
  EXPECT_TRUE(SameBits(Outputs(&bench, samples, 4), first));
}

TEST(PackedWeights, AllocateNothing) {
  const Graph graph = BuildOrDie("resnet8", {32, 32, 3}, 10);
  const TestBatch samples({32, 32, 3}, 10, 2, 7);
  BackendBench bench;
  ASSERT_TRUE(bench.Start(graph, Predicting(2, true)).ok());
  bench.trainer.Initialize(1);
  const Batch view = samples.View(2);
  const uint64_t before = allocation_calls.load();
  ASSERT_TRUE(bench.trainer.Evaluate(view).status.ok());
  EXPECT_EQ(allocation_calls.load(), before);
}

TEST(PackedWeights, AreRefusedWhereTheyTrainOrAPlanIsWrong) {
  const Graph graph = BuildOrDie("lenet5", {28, 28, 1}, 10);
  PlanOptions options = Predicting(4, true);
  options.training = true;
  Plan plan;
  EXPECT_EQ(MakePlan(graph, options, &plan).code, StatusCode::kInvalidArgument);

  // A plan that was changed: too small for packed weights, or not to be packed.
  ASSERT_TRUE(MakePlan(graph, Predicting(4, true), &plan).ok());
  const auto refused = [&](const char* what, auto change) {
    SCOPED_TRACE(what);
    Plan wrong = plan;
    change(&wrong);
    Memory memory(wrong.arena_bytes);
    Trainer trainer;
    EXPECT_FALSE(
        trainer.Create(std::move(wrong), memory.data(), memory.size()).ok());
  };
  uint32_t head = 0;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    if (plan.nodes[i].mode.packed) head = i;
  }
  ASSERT_NE(head, 0u);
  refused("a weight without its padding", [&](Plan* p) {
    p->tensors[p->nodes[head].weights[0]].bytes =
        p->nodes[head].specs[0].Count() * sizeof(float);
  });
  refused("an option that says no",
          [](Plan* p) { p->options.pack_weights = false; });
  refused("a layer that has none", [&](Plan* p) {
    for (uint32_t i = 0; i < p->nodes.size(); ++i) {
      if (!p->nodes[i].mode.packed) p->nodes[i].mode.packed = true;
    }
  });
}

TEST(PackedWeights, SegmentsPackTheirOwn) {
  TEMPER_NEEDS_XNNPACK();
  const Graph graph = BuildOrDie("resnet8", {32, 32, 3}, 10);
  PlanOptions options = Predicting(2, true);
  options.backend = Backend::kXnnpack;
  Plan plan;
  ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
  for (const NodePlan& node : plan.nodes) {
    EXPECT_FALSE(node.mode.packed && node.segment != kNoSegment);
  }
  const TestBatch samples({32, 32, 3}, 10, 2, 7);
  BackendBench plain, packed;
  ASSERT_TRUE(plain.Start(graph, Predicting(2, false)).ok());
  ASSERT_TRUE(packed.Start(graph, options).ok());
  Fill(&plain.trainer);
  Fill(&packed.trainer);
  ASSERT_TRUE(plain.trainer.Evaluate(samples.View(2)).status.ok());
  ASSERT_TRUE(packed.trainer.Evaluate(samples.View(2)).status.ok());
  EXPECT_LE(RelativeDifference(packed.Logits(2), plain.Logits(2)), 2e-5);
}

}  // namespace
}  // namespace temper::testing
