// concat, multiply and upsample: against their twins on every target and thread
// count; the same input twice; shapes that are refused.
#include "tests/reference/shapes.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerTwin;
using testing::Twin;

template <class F>
void ForEachPart(const Twin& t, F&& f) {
  const size_t rows = t.y.size() / t.c.out.c;
  size_t first = 0;
  for (size_t k = 0; k < t.x.size(); first += t.c.in[k++].c) {
    f(k, rows, size_t{t.c.in[k].c}, first);
  }
}
const LayerTwin kConcat = {
    [](Twin* t) {
      ForEachPart(*t, [&](size_t k, size_t rows, size_t count, size_t first) {
        reference::CopyChannels(rows, count, first, t->c.out.c, t->x[k].data(),
                                t->y.data());
      });
    },
    [](Twin* t) {
      ForEachPart(*t, [&](size_t k, size_t rows, size_t count, size_t first) {
        reference::TakeChannels(rows, count, first, t->c.out.c, t->dy.data(),
                                t->accumulate, t->dx[k].data());
      });
    },
    false, 0x1p-24, 0.0};

TEST(Concat, MatchesTheTwin) {
  uint32_t parts = 0;
  const auto test = [&](std::vector<Shape> in, uint32_t rows, uint32_t batch) {
    const LayerCase c = testing::MakeCase(ConcatParams{}, in, rows, batch);
    TestLayer(c, kConcat, &parts);
    if (testing::TwinWork(c) < 1000000) CheckTwin(c, kConcat);
  };
  test({{1, 1, 1}, {1, 1, 1}}, 1, 1);
  test({{2, 3, 5}, {2, 3, 8}}, 3, 4);
  test({{2, 2, 17}, {2, 2, 3}, {2, 2, 1}, {2, 2, 16}}, 2, 2);
  test({{22, 19, 32}, {22, 19, 23}}, 2, 3);
  test(std::vector<Shape>(8, {1, 2, 3}), 2, 2);
  EXPECT_EQ(parts, 3u);
}

const LayerTwin kMultiply = {
    [](Twin* t) {
      const Shape& s = t->c.in[0];
      const size_t pixels = size_t{s.h} * s.w;
      for (size_t i = 0; i < t->y.size(); ++i) {
        const size_t k =
            reference::FactorOf(i, pixels, s.c, t->c.in[0] != t->c.in[1]);
        t->y[i] = reference::FlushTiny(t->x[0][i] * t->x[1][k]);
      }
    },
    [](Twin* t) {
      const Shape& s = t->c.in[0];
      const size_t pixels = size_t{s.h} * s.w;
      if (!t->accumulate) t->dx[1].assign(t->dx[1].size(), 0.0);
      for (size_t i = 0; i < t->y.size(); ++i) {
        const size_t k =
            reference::FactorOf(i, pixels, s.c, t->c.in[0] != t->c.in[1]);
        double& dx = t->dx[0][i];
        dx = (t->accumulate ? dx : 0.0) + t->dy[i] * t->x[1][k];
        t->dx[1][k] += t->dy[i] * t->x[0][i];
      }
    },
    false, 1e-5, 1e-5};

TEST(Multiply, MatchesTheTwin) {
  uint32_t parts = 0;
  const auto test = [&](Shape a, Shape b, uint32_t rows, uint32_t batch) {
    const LayerCase c =
        testing::MakeCase(MultiplyParams{}, {a, b}, rows, batch);
    EXPECT_EQ(c.out, a);
    TestLayer(c, kMultiply, &parts);
    if (testing::TwinWork(c) < 1000000) CheckTwin(c, kMultiply);
  };
  test({1, 1, 1}, {1, 1, 1}, 1, 1);
  test({2, 3, 19}, {2, 3, 19}, 3, 4);
  test({4, 3, 19}, {1, 1, 19}, 3, 4);
  test({30, 20, 5}, {1, 1, 5}, 2, 2);  // more pixels than a chunk
  test({22, 19, 32}, {22, 19, 32}, 2, 3);
  test({32, 33, 32}, {1, 1, 32}, 2, 2);
  EXPECT_EQ(parts, 3u);
}

TEST(Multiply, RefusesOtherShapes) {
  const auto graph = [](uint32_t channels, bool pool) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{6, 6, 4});
    x = g.Add("normalize", NormalizeParams{}, x);
    Conv2dParams p;
    p.out_channels = channels;
    uint32_t y = g.Add("conv", p, x);
    if (pool) y = g.Add("pool", GlobalAvgPoolParams{}, y);
    x = g.Add("multiply", MultiplyParams{}, x, y);
    x = g.Add("head", DenseParams{2}, x);
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    return g;
  };
  testing::ExpectStatus(graph(4, false), StatusCode::kOk, kNoNode);
  testing::ExpectStatus(graph(4, true), StatusCode::kOk, kNoNode);
  testing::ExpectStatus(graph(5, false), StatusCode::kShapeMismatch, 3);
  testing::ExpectStatus(graph(5, true), StatusCode::kShapeMismatch, 4);
  testing::ExpectStatus(graph(1, false), StatusCode::kShapeMismatch, 3);
}

const LayerTwin kUpsample = {
    [](Twin* t) {
      const Shape& s = t->c.in[0];
      for (size_t i = 0; i < t->y.size(); ++i) {
        const size_t from = reference::UpsampledFrom(
            i, s.w, t->As<UpsampleParams>().factor, s.c);
        t->y[i] = t->x[0][from];
      }
    },
    [](Twin* t) {
      const Shape& s = t->c.in[0];
      if (!t->accumulate) t->dx[0].assign(t->dx[0].size(), 0.0);
      for (size_t i = 0; i < t->y.size(); ++i) {
        const size_t from = reference::UpsampledFrom(
            i, s.w, t->As<UpsampleParams>().factor, s.c);
        t->dx[0][from] += t->dy[i];
      }
    },
    false, 1e-6, 1e-6};

TEST(Upsample, MatchesTheTwin) {
  uint32_t parts = 0;
  const auto test = [&](Shape in, uint32_t factor, uint32_t rows) {
    const LayerCase c = testing::MakeCase(UpsampleParams{factor}, {in}, rows);
    EXPECT_EQ(c.out, (Shape{in.h * factor, in.w * factor, in.c}));
    TestLayer(c, kUpsample, &parts);
    if (testing::TwinWork(c) < 1000000) CheckTwin(c, kUpsample);
  };
  test({1, 1, 1}, 1, 1);
  test({2, 3, 5}, 2, 3);
  test({3, 1, 17}, 3, 2);
  test({11, 13, 24}, 2, 2);
  EXPECT_EQ(parts, 3u);
  testing::ExpectRefused(UpsampleParams{0}, {2, 2, 1},
                         StatusCode::kInvalidArgument);
  testing::ExpectRefused(UpsampleParams{65}, {2, 2, 1},
                         StatusCode::kInvalidArgument);
  testing::ExpectRefused(UpsampleParams{64}, {20000, 1, 1},
                         StatusCode::kInvalidArgument);
}

TEST(Concat, RefusesOtherShapes) {
  const auto graph = [](uint32_t stride) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{6, 6, 4});
    x = g.Add("normalize", NormalizeParams{}, x);
    Conv2dParams p;
    p.out_channels = 7;
    p.stride_h = p.stride_w = stride;
    const uint32_t y = g.Add("conv", p, x);
    x = g.Add("concat", ConcatParams{}, x, y);
    x = g.Add("head", DenseParams{2}, x);
    g.Add("loss", SoftmaxCrossEntropyParams{}, x);
    return g;
  };
  testing::ExpectStatus(graph(1), StatusCode::kOk, kNoNode);
  testing::ExpectStatus(graph(2), StatusCode::kShapeMismatch, 3);
}

}  // namespace
}  // namespace temper
