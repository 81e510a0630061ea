// Random graphs of all layers, trained: their plans pass the check, no step
// writes where it must not, and neither the life of gradients nor frozen layers
// nor a plan for evaluation changes a bit.
#include "tests/testing/model_test.h"
#include "tests/testing/random_graph.h"

namespace temper {
namespace {

using testing::Bench;
using testing::TestBatch;

constexpr uint32_t kBatch = 4, kRows = 3;

struct Outcome {
  std::vector<float> state;   // at the end
  std::vector<float> output;  // with the first weights
};

// An evaluation, two steps, the second on fewer rows, and another one.
Outcome Train(const Graph& graph, const PlanOptions& options) {
  Outcome outcome;
  Bench bench;
  const Status status = bench.Start(graph, options);
  EXPECT_TRUE(status.ok()) << status.message << " at " << status.node;
  if (!status.ok()) return outcome;
  bench.trainer.Initialize(5);
  bench.trainer.CheckMemory(true);
  std::vector<Shape> shapes;
  EXPECT_TRUE(graph.Check(&shapes).ok());
  const Shape input = shapes[0];
  const uint32_t classes = shapes.back().c;
  const TestBatch seen(input, classes, kBatch, 9);
  EXPECT_TRUE(bench.trainer.Evaluate(seen.View(kRows)).status.ok());
  const float* const y = bench.trainer.Output();
  outcome.output.assign(y, y + kRows * shapes.back().Count());
  for (const uint32_t rows : {kBatch, kRows}) {
    if (!options.training) break;
    const TestBatch data(input, classes, kBatch, rows);
    const StepResult r = bench.trainer.Step(data.View(rows), 0.01f);
    EXPECT_TRUE(r.status.ok()) << r.status.message << " " << r.status.node;
  }
  EXPECT_TRUE(bench.trainer.Evaluate(seen.View(kRows)).status.ok());
  EXPECT_EQ(bench.trainer.MemoryFault(), kNoNode);
  if (options.training) outcome.state = bench.State();
  return outcome;
}

TEST(RandomGraphs, TrainWithoutAFault) {
  uint64_t kinds = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = testing::RandomGraph(seed).graph;
    for (const Node& node : graph.nodes) {
      kinds |= uint64_t{1} << static_cast<uint32_t>(node.kind);
    }
    PlanOptions options;
    options.batch = kBatch;
    const Outcome fused = Train(graph, options);
    // In slabs.
    options.cache_bytes = 0;
    EXPECT_TRUE(testing::SameBits(Train(graph, options).state, fused.state));
    options.gradients = GradientMode::kWhole;
    EXPECT_TRUE(testing::SameBits(Train(graph, options).state, fused.state));
    PlanOptions predicts = options;
    predicts.training = false;
    EXPECT_TRUE(testing::SameBits(Train(graph, predicts).output, fused.output));
    // The lower half frozen.
    options.gradients = GradientMode::kFused;
    options.frozen.assign(graph.nodes.size(), 0);
    for (size_t i = 0; i < graph.nodes.size() / 2; ++i) options.frozen[i] = 1;
    EXPECT_TRUE(testing::SameBits(Train(graph, options).output, fused.output));
    if (::testing::Test::HasFailure()) {
      FAIL() << "graph of seed " << seed;
    }
  }
  // Every layer was among them but those that the graphs do not have.
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    if (IsLoss(kind)) continue;
    EXPECT_TRUE(kinds >> k & 1) << LayerName(kind);
  }
}

}  // namespace
}  // namespace temper
