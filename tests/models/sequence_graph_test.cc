// Signals of one dimension: h is 1, kernels are 1 x k. From a graph file, trained,
// and against the same network along the other axis.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "models/files/graph_json.h"
#include "tests/testing/model_test.h"

namespace temper {
namespace {

// docs/graph-json.md has the first half of it.
std::string Json(bool along_w) {
  const auto at = [&](const char* w, const char* h) { return along_w ? w : h; };
  std::string json = R"({"version": 2, "nodes": [
  {"name": "input", "layer": "input", )";
  json += at(R"("h": 1, "w": 64, )", R"("h": 64, "w": 1, )");
  json += R"("c": 2},
  {"name": "normalize", "layer": "normalize", "inputs": ["input"]},
  {"name": "conv1", "layer": "conv2d", "inputs": ["normalize"],
   "out_channels": 16, )";
  json += at(R"("kernel_w": 5, "pad_left": 2, "pad_right": 2},)",
             R"("kernel_h": 5, "pad_top": 2, "pad_bottom": 2},)");
  json += R"(
  {"name": "silu1", "layer": "silu", "inputs": ["conv1"]},
  {"name": "pool1", "layer": "max_pool", "inputs": ["silu1"], )";
  json += at(R"("kernel_h": 1, "stride_h": 1},)",
             R"("kernel_w": 1, "stride_w": 1},)");
  json += R"(
  {"name": "conv2", "layer": "conv2d", "inputs": ["pool1"], "out_channels": 24,
   "bias": false, )";
  json += at(R"("kernel_w": 3, "stride_w": 2, "dilation_w": 2},)",
             R"("kernel_h": 3, "stride_h": 2, "dilation_h": 2},)");
  json += R"(
  {"name": "bn2", "layer": "batch_norm", "inputs": ["conv2"]},
  {"name": "relu2", "layer": "relu", "inputs": ["bn2"]},
  {"name": "depthwise", "layer": "depthwise_conv2d", "inputs": ["relu2"], )";
  json +=
      at(R"("kernel_h": 1, "kernel_w": 3, "pad_left": 1, "pad_right": 1},)",
         R"("kernel_h": 3, "kernel_w": 1, "pad_top": 1, "pad_bottom": 1},)");
  json += R"(
  {"name": "norm3", "layer": "group_norm", "inputs": ["depthwise"], "groups": 4},
  {"name": "pool3", "layer": "global_avg_pool", "inputs": ["norm3"]},
  {"name": "fc", "layer": "dense", "inputs": ["pool3"], "out_features": 3},
  {"name": "loss", "layer": "softmax_cross_entropy", "inputs": ["fc"]}]})";
  return json;
}

TEST(SequenceGraph, TrainsAndIsTheSameAlongBothAxes) {
  std::vector<float> state[2];
  double first = 0, last = 0;
  for (const bool along_w : {true, false}) {
    Graph graph;
    const FileError error = ReadGraphJson(Json(along_w), &graph);
    ASSERT_TRUE(error.ok()) << error.message;
    std::string again;
    ASSERT_TRUE(WriteGraphJson(graph, &again).ok());
    Graph read;
    ASSERT_TRUE(ReadGraphJson(again, &read).ok());
    EXPECT_EQ(read.nodes.size(), graph.nodes.size());
    testing::Bench bench;
    ASSERT_TRUE(bench.Start(graph, {.batch = 16}).ok());
    bench.trainer.Initialize(1);
    bench.trainer.CheckMemory(true);
    const Shape input = along_w ? Shape{1, 64, 2} : Shape{64, 1, 2};
    const testing::TestBatch data(input, 3, 16, 1);
    for (int s = 0; s < 30; ++s) {
      const StepResult r = bench.trainer.Step(data.View(16), 0.05f);
      ASSERT_TRUE(r.status.ok());
      if (s == 0) first = r.loss;
      last = r.loss;
    }
    state[along_w] = bench.State();
  }
  EXPECT_LT(last, 0.5 * first);
  ASSERT_EQ(state[0].size(), state[1].size());
  for (size_t i = 0; i < state[0].size(); ++i) {
    EXPECT_NEAR(state[0][i], state[1][i], 1e-3) << i;
  }
}

}  // namespace
}  // namespace temper
