// Graphs: what Check refuses, with which node; what builders may do wrong and
// what a file could hold that no builder makes.
#include "temper/graph.h"

#include <gtest/gtest.h>

#include <string>

namespace temper {
namespace {

// input 0, normalize 1, fc1 2, relu 3, fc2 4, loss 5.
Graph Good() {
  Graph g;
  uint32_t x = g.Add("input", InputParams{4, 5, 3});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("fc1", DenseParams{7}, x);
  x = g.Add("relu", ReluParams{}, x);
  x = g.Add("fc2", DenseParams{2}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  return g;
}

void ExpectRefused(const Graph& g, uint32_t node,
                   StatusCode code = StatusCode::kInvalidArgument) {
  std::vector<Shape> shapes;
  const Status status = g.Check(&shapes);
  EXPECT_EQ(status.code, code) << status.message;
  EXPECT_EQ(status.node, node) << status.message;
  EXPECT_NE(std::string(status.message), "");
  EXPECT_TRUE(shapes.empty());
}

void Rename(Node* node, const std::string& name) {
  ASSERT_LE(name.size(), kMaxNameLength);
  std::memset(node->name, 0, sizeof(node->name));
  std::memcpy(node->name, name.data(), name.size());
}

TEST(Graph, ShapesOfEveryNode) {
  const Graph g = Good();
  std::vector<Shape> shapes;
  ASSERT_TRUE(g.Check(&shapes).ok());
  const std::vector<Shape> expected = {{4, 5, 3}, {4, 5, 3}, {1, 1, 7},
                                       {1, 1, 7}, {1, 1, 2}, {1, 1, 2}};
  EXPECT_EQ(shapes, expected);
  EXPECT_TRUE(g.Check(nullptr).ok());
}

TEST(Graph, FindsByName) {
  const Graph g = Good();
  EXPECT_EQ(g.Find("input"), 0u);
  EXPECT_EQ(g.Find("fc2"), 4u);
  EXPECT_EQ(g.Find("fc"), kNoNode);
  EXPECT_EQ(g.Find("fc22"), kNoNode);
  EXPECT_EQ(g.Find(""), kNoNode);
}

TEST(Graph, NamesAreUnique) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("a", DenseParams{2}, x);
  x = g.Add("a", DenseParams{2}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  ExpectRefused(g, 3);
  EXPECT_EQ(g.Find("a"), 2u);
  // Without the builder.
  Graph edited = Good();
  Rename(&edited.nodes[4], "fc1");
  ExpectRefused(edited, 4);
}

TEST(Graph, NamesHaveOneTo63Bytes) {
  for (const size_t length : {0u, 1u, 62u, 63u, 64u, 65u, 500u}) {
    SCOPED_TRACE(length);
    Graph g;
    uint32_t x = g.Add("input", InputParams{});
    x = g.Add("normalize", NormalizeParams{}, x);
    const std::string name(length, 'n');
    x = g.Add(name, DenseParams{2}, x);
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    if (length >= 1 && length <= kMaxNameLength) {
      EXPECT_TRUE(g.Check(nullptr).ok());
      EXPECT_EQ(g.nodes[2].name, name);
      EXPECT_EQ(g.Find(name), 2u);
    } else {
      ExpectRefused(g, 2);
      EXPECT_EQ(g.nodes[2].name[kMaxNameLength], '\0');
    }
  }
  Graph empty = Good();
  Rename(&empty.nodes[3], "");
  ExpectRefused(empty, 3);
  Graph endless = Good();
  std::memset(endless.nodes[3].name, 'n', sizeof(endless.nodes[3].name));
  ExpectRefused(endless, 3);
}

// A node reads only what comes before it, so that no cycle can be written down.
TEST(Graph, NoForwardReferencesAndSoNoCycles) {
  for (const uint32_t from : {2u, 3u, 4u, 100u, kNoNode}) {
    SCOPED_TRACE(from);
    Graph built;
    built.Add("input", InputParams{});
    const uint32_t x = built.Add("normalize", NormalizeParams{}, 0u);
    built.Add("relu", ReluParams{}, from);
    built.Add("fc", DenseParams{2}, x);
    built.Add("loss", SoftmaxCrossEntropyParams{}, 3u);
    ExpectRefused(built, 2);
  }
  const Graph good = Good();
  for (uint32_t node = 1; node < good.nodes.size(); ++node) {
    for (uint32_t from = node; from <= good.nodes.size(); ++from) {
      Graph edited = good;
      edited.nodes[node].inputs[0] = from;
      ExpectRefused(edited, node);
    }
  }
}

TEST(Graph, EveryNodeIsRead) {
  Graph g = Good();
  g.nodes[4].inputs[0] = 2;  // past the relu
  ExpectRefused(g, 3);
  Graph input;
  input.Add("input", InputParams{});
  uint32_t x = input.Add("normalize", NormalizeParams{}, 0u);
  input.Add("unused", DenseParams{3}, x);
  x = input.Add("fc", DenseParams{2}, x);
  input.Add("loss", SoftmaxCrossEntropyParams{}, x);
  ExpectRefused(input, 2);
}

TEST(Graph, EndsInOneLoss) {
  Graph g = Good();
  g.nodes.pop_back();
  ExpectRefused(g, 4);
  // A loss before the end.
  Graph two = Good();
  two.Add("loss2", SoftmaxCrossEntropyParams{}, 5u);
  ExpectRefused(two, 5);
  Graph middle = Good();
  middle.nodes[3].kind = LayerKind::kMeanSquaredError;
  ExpectRefused(middle, 3);
}

TEST(Graph, StartsWithOneInput) {
  Graph two;
  two.Add("input", InputParams{});
  uint32_t x = two.Add("normalize", NormalizeParams{}, 0u);
  two.Add("input2", InputParams{});
  x = two.Add("fc", DenseParams{2}, x);
  two.Add("loss", SoftmaxCrossEntropyParams{}, x);
  ExpectRefused(two, 2);

  Graph none = Good();
  none.nodes[0].kind = LayerKind::kRelu;
  ExpectRefused(none, 0);
}

TEST(Graph, TooSmallAndTooLarge) {
  ExpectRefused(Graph(), kNoNode);
  Graph one;
  one.Add("input", InputParams{});
  ExpectRefused(one, kNoNode);

  for (const uint32_t count : {kMaxNodes, kMaxNodes + 1}) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{});
    x = g.Add("normalize", NormalizeParams{}, x);
    while (g.nodes.size() < count - 1) {
      x = g.Add("relu" + std::to_string(x), ReluParams{}, x);
    }
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    if (count == kMaxNodes) {
      EXPECT_TRUE(g.Check(nullptr).ok());
    } else {
      ExpectRefused(g, kNoNode);
    }
  }
}

TEST(Graph, NumberOfInputs) {
  // Wrong for the layer.
  for (const uint32_t count : {0u, 2u, 8u}) {
    Graph g = Good();
    g.nodes[3].input_count = count;
    ExpectRefused(g, 3);
  }
  Graph add = Good();
  add.nodes[3].kind = LayerKind::kAdd;
  ExpectRefused(add, 3);
  add.nodes[3].input_count = 2;
  add.nodes[3].inputs[1] = 2;
  EXPECT_TRUE(add.Check(nullptr).ok());
  // More than a node holds: from a builder and from a file.
  Graph g = Good();
  g.nodes[3].input_count = kMaxInputs + 1;
  ExpectRefused(g, 3);
  g.nodes[3].input_count = 0xffffffffu;
  ExpectRefused(g, 3);
  Graph built = Good();
  const uint32_t inputs[kMaxInputs + 2] = {};
  built.AddNode(LayerKind::kAdd, "many", nullptr, 0, inputs, kMaxInputs + 2);
  EXPECT_LE(built.nodes.back().input_count, kMaxInputs);
  ExpectRefused(built, 6);
}

TEST(Graph, UnknownLayersAndTooManyParameters) {
  for (const uint32_t kind :
       {static_cast<uint32_t>(LayerKind::kCount), 17u, 0xffffffffu}) {
    Graph g = Good();
    g.nodes[3].kind = static_cast<LayerKind>(kind);
    ExpectRefused(g, 3);
  }
  Graph g = Good();
  const uint8_t params[sizeof(Node::params) + 4] = {};
  const uint32_t from = 2;
  g.AddNode(LayerKind::kRelu, "large", params, sizeof(params), &from, 1);
  ExpectRefused(g, 6);
}

// A builder continues after a mistake; Check reports the first one.
TEST(Graph, TheFirstMistakeIsReported) {
  Graph g;
  g.Add("input", InputParams{});
  g.Add("normalize", NormalizeParams{}, 0u);
  g.Add("", DenseParams{2}, 1u);
  g.Add("normalize", DenseParams{2}, 99u);
  ExpectRefused(g, 2);
  EXPECT_EQ(g.nodes.size(), 4u);
}

// Each has its traits, and nothing else has.
TEST(Graph, LossesHaveTraits) {
  uint32_t losses = 0;
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    losses += IsLoss(kind);
    EXPECT_EQ(LossOf(kind) != nullptr, IsLoss(kind)) << LayerName(kind);
    if (!IsLoss(kind)) continue;
    const LossTraits& traits = *LossOf(kind);
    EXPECT_EQ(traits.correct != nullptr,
              traits.targets == TargetKind::kClasses);
    EXPECT_EQ(traits.absolute_error != nullptr,
              traits.targets == TargetKind::kValues);
  }
  EXPECT_EQ(losses, 6u);
}

}  // namespace
}  // namespace temper
