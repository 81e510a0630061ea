// group_norm and layer_norm: against their twin on every target and thread count;
// groups that do not divide; no dependence on other samples.
#include "tests/reference/group_norm.h"

#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

// Layer norm is group norm of one group, each position a sample.
reference::GroupNormSizes SizesOf(const Twin& t, double* eps) {
  const Shape& in = t.c.in[0];
  const size_t pixels = size_t{in.h} * in.w;
  if (t.c.node.Is<LayerNormParams>()) {
    *eps = double{t.As<LayerNormParams>().eps};
    return {t.c.rows * pixels, 1, in.c, 1};
  }
  *eps = double{t.As<GroupNormParams>().eps};
  return {t.c.rows, pixels, in.c, t.As<GroupNormParams>().groups};
}

const LayerTwin kTwin = {
    [](Twin* t) {
      double eps;
      const auto sizes = SizesOf(*t, &eps);
      reference::GroupNorm(sizes, eps, t->x[0].data(), t->weights[0].data(),
                           t->weights[1].data(), t->y.data());
    },
    [](Twin* t) {
      double eps;
      const auto sizes = SizesOf(*t, &eps);
      reference::GroupNormBackward(
          sizes, eps, t->x[0].data(), t->weights[0].data(), t->dy.data(),
          t->accumulate, t->dx[0].data(), t->dw[0].data(), t->dw[1].data());
    },
    false, 1e-5, 4e-5, nullptr,
    // A mean that is not 0.
    [](const LayerCase&, LayerData* data) {
      for (size_t i = 0; i < data->x[0].size(); ++i) {
        data->x[0][i] = 3 * data->x[0][i] + 2;
      }
    }};

LayerCase Group(Shape in, uint32_t groups, uint32_t rows, uint32_t batch) {
  return testing::MakeCase(GroupNormParams{groups, 1e-3f}, {in}, rows, batch);
}
LayerCase Layer(Shape in, uint32_t rows, uint32_t batch) {
  return testing::MakeCase(LayerNormParams{1e-3f}, {in}, rows, batch);
}
std::vector<LayerCase> Cases() {
  return {Group({5, 4, 12}, 3, 3, 4),   Group({1, 1, 32}, 4, 5, 5),
          Group({7, 3, 10}, 1, 2, 2),   Group({6, 6, 7}, 7, 2, 3),
          Group({16, 19, 24}, 2, 6, 6), Group({26, 21, 6}, 2, 2, 2),
          Layer({1, 1, 40}, 6, 7),      Layer({3, 5, 17}, 2, 2),
          Layer({12, 19, 55}, 2, 3),    Layer({1, 2, 130}, 3, 3),
          Layer({17, 32, 4}, 1, 1)};
}

TEST(GroupNorm, MatchesTheTwin) {
  uint32_t group = 0, layer = 0;
  for (const LayerCase& c : Cases()) {
    TestLayer(c, kTwin, c.node.Is<GroupNormParams>() ? &group : &layer);
  }
  EXPECT_EQ(group, 3u);
  EXPECT_EQ(layer, 3u);
}

TEST(GroupNorm, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 4u);
}

// A sample's result does not depend on the others, and is the same in
// prediction.
TEST(GroupNorm, SamplesAreByThemselves) {
  for (const LayerCase& c :
       {Group({5, 4, 12}, 3, 3, 4), Layer({3, 5, 17}, 3, 3)}) {
    LayerData data = MakeData(c, kTwin);
    const auto all = RunLayer(c, data, {c.mode}, {});
    const size_t n = c.in[0].Count();
    for (size_t i = n; i < data.x[0].size(); ++i) data.x[0][i] = -7.5f;
    testing::RunOptions o = {NodeMode()};
    o.training = false;
    const auto other = RunLayer(c, data, o, {});
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(all.y[i], other.y[i]) << i;
  }
}

TEST(GroupNorm, GroupsDivideTheChannels) {
  testing::ExpectAccepted(GroupNormParams{4}, {3, 3, 8}, {3, 3, 8});
  testing::ExpectRefused(GroupNormParams{3}, {3, 3, 8},
                         StatusCode::kShapeMismatch);
  testing::ExpectRefused(GroupNormParams{16}, {3, 3, 8},
                         StatusCode::kShapeMismatch);
  testing::ExpectRefused(GroupNormParams{0}, {3, 3, 8},
                         StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace temper
