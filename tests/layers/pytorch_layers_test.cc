// Activations, norms and upsampling against PyTorch's numbers
// (tests/golden/pytorch_layers.py).
#include "tests/golden/layers.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;

Buffer BufferOf(const std::vector<float>& values) {
  Buffer b(values.size());
  for (size_t i = 0; i < values.size(); ++i) b[i] = values[i];
  return b;
}
void ExpectClose(const char* what, const Buffer& actual,
                 const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], 4e-6 + 4e-6 * std::fabs(expected[i]))
        << what << " " << i;
  }
}

TEST(PytorchLayers, GiveTheSameNumbers) {
  ASSERT_GE(golden::kLayerNumbers.size(), 17u);
  for (const golden::LayerNumbers& n : golden::kLayerNumbers) {
    SCOPED_TRACE(std::string(n.layer) + " " + n.field + " " +
                 std::to_string(n.value));
    testing::LayerCase c;
    c.node.kind = LayerByName(n.layer);
    ASSERT_NE(c.node.kind, LayerKind::kCount);
    DefaultParams(c.node.kind, c.node.params);
    if (n.field[0] != '\0') {
      ASSERT_TRUE(SetField(&c.node, n.field, n.value));
    }
    c.node.input_count = 1;
    c.in = {{n.shape[1], n.shape[2], n.shape[3]}};
    c.rows = c.batch = n.shape[0];
    ASSERT_TRUE(OpOf(c.node.kind).shape(c.node, c.in.data(), &c.out).ok());
    c.mode.backward = c.mode.need_dx[0] = true;
    c.mode.train_weights = !n.weight.empty();
    testing::LayerData data = MakeData(c, {});
    data.x[0] = BufferOf(n.x);
    data.dy = BufferOf(n.dy);
    const std::vector<float>* weights[] = {&n.weight, &n.bias};
    for (size_t w = 0; w < data.weights.size(); ++w) {
      data.weights[w] = BufferOf(*weights[w]);
      for (size_t i = 0; i < data.dw[w].size(); ++i) data.dw[w][i] = 0;
    }
    const auto run = RunLayer(c, data, {c.mode}, {});
    ExpectClose("y", run.y, n.y);
    ExpectClose("dx", run.dx[0], n.dx);
    if (!run.dw.empty()) ExpectClose("dweight", run.dw[0], n.dweight);
    if (run.dw.size() > 1) ExpectClose("dbias", run.dw[1], n.dbias);
  }
}

}  // namespace
}  // namespace temper
