// dense: against its twin; weights by shape and fans.
#include "tests/reference/gemm.h"
#include "tests/reference/loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;

// From the definition: W (out, in).
const LayerTwin kTwin = {
    [](Twin* t) {
      const size_t in = t->c.in[0].Count(), out = t->c.out.c;
      std::vector<double> transposed(in * out);
      for (size_t i = 0; i < in; ++i) {
        for (size_t o = 0; o < out; ++o) {
          transposed[i * out + o] = t->weights[0][o * in + i];
        }
      }
      reference::MatMul<double>(
          t->c.rows, out, in, t->x[0].data(), in, transposed.data(), out,
          t->As<DenseParams>().bias ? t->weights[1].data() : nullptr, false,
          t->y.data(), out);
    },
    [](Twin* t) {
      const size_t in = t->c.in[0].Count(), out = t->c.out.c;
      reference::MatMul<double>(t->c.rows, in, out, t->dy.data(), out,
                                t->weights[0].data(), in, nullptr,
                                t->accumulate, t->dx[0].data(), in);
      reference::MatMulTransposed<double>(t->c.rows, out, in, t->dy.data(), out,
                                          t->x[0].data(), in, t->dw[0].data(),
                                          in);
      if (t->As<DenseParams>().bias) {
        reference::ColumnSums(t->c.rows, out, t->dy.data(), t->dw[1].data());
      }
    },
    /*linear=*/true};

std::vector<LayerCase> Cases() {
  testing::Draw draw(2);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, DenseParams p, uint32_t rows, uint32_t batch) {
    cases.push_back(testing::MakeCase(p, {in}, rows, batch));
  };
  add({1, 1, 1}, {1, 1}, 1, 1);
  add({1, 1, 1}, {1, 0}, 1, 4);
  add({1, 1, 784}, {10, 1}, 3, 5);
  add({4, 4, 4}, {530, 1}, 9, 9);  // three threads
  // 8064 rows are 16 chunks, the 8065 that were planned only 9.
  add({1, 1, 3}, {2, 1}, 8064, 8065);
  for (const uint32_t size :
       {3u, 4u, 5u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 33u}) {
    add({1, 1, size}, {size + 2, 1}, 4, 4);
  }
  while (cases.size() < 36) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    const DenseParams p{draw(1, 24), draw(0, 1)};
    add({draw(1, 4), draw(1, 5), draw(1, 9)}, p, rows, batch);
  }
  return cases;
}

TEST(Dense, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) TestLayer(c, kTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(Dense, DerivedInputMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : testing::Derived(Cases())) {
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(Dense, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 300000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(Dense, WeightsAndShape) {
  for (const LayerCase& c : Cases()) {
    const uint32_t in = static_cast<uint32_t>(c.in[0].Count());
    const DenseParams& p = c.node.As<DenseParams>();
    EXPECT_EQ(c.out, (Shape{1, 1, p.out_features}));
    const Needs needs = NeedsOf(c, c.mode, 1);
    ASSERT_EQ(needs.weight_count, 1 + p.bias);
    EXPECT_EQ(needs.weights[0].rank, 2u);
    EXPECT_EQ(needs.weights[0].dims[0], p.out_features);
    EXPECT_EQ(needs.weights[0].dims[1], in);
    EXPECT_EQ(needs.weights[0].fan_in, in);
    EXPECT_EQ(needs.weights[0].fan_out, p.out_features);
    EXPECT_EQ(needs.weights[0].role, WeightRole::kKernel);
    if (p.bias) {
      EXPECT_EQ(needs.weights[1].Count(), p.out_features);
      EXPECT_EQ(needs.weights[1].role, WeightRole::kBias);
    }
  }
}

TEST(Dense, FlattensByItself) {
  testing::ExpectAccepted(DenseParams{7}, {3, 4, 5}, {1, 1, 7});
}

}  // namespace
}  // namespace temper
