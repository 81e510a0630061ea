// input and normalize: u8 and f32 samples, statistics per channel and per
// pixel, read to the last byte and not beyond; only normalize reads the input.
#include "tests/reference/elementwise.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

const LayerTwin kTwin = {
    [](Twin* t) {
      const NormalizeParams& p = t->As<NormalizeParams>();
      const Shape& s = t->c.in[0];
      reference::Normalize<double>(t->y.size(), p.per_pixel ? s.Count() : s.c,
                                   t->x[0].data(), double{p.scale},
                                   t->weights[0].data(), t->weights[1].data(),
                                   t->y.data());
    },
    nullptr, false, 0.0, 0.0,
    // Two roundings, of the difference and of the quotient (three without FMA).
    [](const Twin& t, testing::Bounds* b) {
      for (size_t i = 0; i < t.y.size(); ++i) {
        const size_t k = i % t.weights[0].size();
        const double size =
            std::fabs(t.x[0][i] * double{t.As<NormalizeParams>().scale}) +
            std::fabs(t.weights[0][k]);
        b->y[i] = 0x1p-23 * (size / t.weights[1][k] + std::fabs(t.y[i]));
      }
    },
    [](const LayerCase& c, LayerData* d) {
      if (c.in[0].type == ElementType::kU8) {
        for (size_t i = 0; i < d->x[0].size(); ++i) {
          d->x[0][i] = std::floor((d->x[0][i] + 1.0f) * 128.0f);
        }
        d->x[0][0] = 255.0f;
      }
      for (size_t i = 0; i < d->weights[1].size(); ++i) {
        d->weights[1][i] = 1.25f + d->weights[1][i];
      }
    }};

std::vector<LayerCase> Cases() {
  testing::Draw draw(13);
  std::vector<LayerCase> cases;
  for (const ElementType type : {ElementType::kF32, ElementType::kU8}) {
    const auto add = [&](Shape in, const NormalizeParams& p, uint32_t rows,
                         uint32_t batch) {
      in.type = type;
      cases.push_back(testing::MakeCase(p, {in}, rows, batch));
    };
    for (const uint32_t per_pixel : {0u, 1u}) {
      add({1, 1, 1}, {1.0f / 255.0f, per_pixel}, 1, 1);
      add({28, 28, 1}, {1.0f / 255.0f, per_pixel}, 3, 4);
      add({48, 48, 3}, {1.0f, per_pixel}, 4, 4);  // enough for three threads
      add({3, 3, 17}, {-0.5f, per_pixel}, 2, 2);
      add({3, 3, 17}, {1e-20f, per_pixel}, 2, 2);
    }
    for (int i = 0; i < 16; ++i) {
      const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
      const NormalizeParams p{0.01f * static_cast<float>(draw(1, 100)),
                              draw(0, 1)};
      add({draw(1, 9), draw(1, 9), draw(1, 19)}, p, rows, batch);
    }
  }
  return cases;
}

TEST(Normalize, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) {
    const Shape& s = c.in[0];
    EXPECT_EQ(c.out, (Shape{s.h, s.w, s.c, ElementType::kF32}));
    EXPECT_FALSE(c.mode.train_weights);
    EXPECT_FALSE(c.mode.backward);
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(Normalize, StatisticsAreBuffers) {
  for (const LayerCase& c : Cases()) {
    const bool per_pixel = c.node.As<NormalizeParams>().per_pixel != 0;
    const Needs needs = NeedsOf(c, c.mode, 1);
    ASSERT_EQ(needs.weight_count, 2u);
    for (uint32_t w = 0; w < 2; ++w) {
      EXPECT_EQ(needs.weights[w].rank, per_pixel ? 3u : 1u);
      EXPECT_EQ(needs.weights[w].Count(),
                per_pixel ? c.in[0].Count() : c.in[0].c);
    }
    for (uint32_t w = 0; w < 2; ++w) {
      EXPECT_EQ(needs.weights[w].role, WeightRole::kBuffer);
      EXPECT_EQ(needs.weights[w].initial, w == 1 ? 1.0f : 0.0f);
      EXPECT_EQ(needs.weights[w].rule,
                w == 1 ? ValueRule::kPositive : ValueRule::kFinite);
    }
  }
}

TEST(Input, HasTheShapeThatItsParametersSay) {
  const LayerOp& op = OpOf(LayerKind::kInput);
  EXPECT_EQ(op.backward, nullptr);
  EXPECT_EQ(op.max_inputs, 0u);
  for (const uint32_t type : {0u, 1u}) {
    const LayerCase c = testing::MakeCase(InputParams{5, 6, 7, type}, {}, 2);
    EXPECT_EQ(c.out, (Shape{5, 6, 7, static_cast<ElementType>(type)}));
    const Needs needs = NeedsOf(c, c.mode, 1);
    EXPECT_EQ(needs.weight_count, 0u);
    EXPECT_EQ(needs.saved_bytes + needs.forward_scratch, 0u);
  }
}

TEST(Input, OnlyNormalizeReadsIt) {
  for (const uint32_t type : {0u, 1u}) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{1, 1, 4, type});
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    testing::ExpectStatus(g, StatusCode::kInvalidArgument, 1);

    Graph dense;
    x = dense.Add("input", InputParams{1, 1, 4, type});
    x = dense.Add("fc", DenseParams{3}, x);
    dense.Add("loss", SoftmaxCrossEntropyParams{}, x);
    testing::ExpectStatus(dense, StatusCode::kInvalidArgument, 1);

    Graph good;
    x = good.Add("input", InputParams{1, 1, 4, type});
    x = good.Add("normalize", NormalizeParams{}, x);
    good.Add("loss", SoftmaxCrossEntropyParams{}, x);
    testing::ExpectStatus(good, StatusCode::kOk, kNoNode);
  }
}

TEST(Input, ATensorThatIsTooLargeIsRefused) {
  Graph g;
  uint32_t x = g.Add("input", InputParams{1u << 20, 1u << 20, 1});
  x = g.Add("normalize", NormalizeParams{}, x);
  x = g.Add("pool", GlobalAvgPoolParams{}, x);
  g.Add("loss", SoftmaxCrossEntropyParams{}, x);
  testing::ExpectStatus(g, StatusCode::kInvalidArgument, 0);
}

}  // namespace
}  // namespace temper
