// relu and relu6: against their twins, special values, in place.
#include "tests/reference/elementwise.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

// Over the corners of both; each third value on one of them.
void Prepare(const LayerCase&, LayerData* data) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float special[] = {0.0f,  -0.0f,  6.0f,    kInf,
                           -kInf, 1e-45f, -1e-45f, 5.9999995f};
  Buffer& x = data->x[0];
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] *= 9;
    if (i % 3 == 2) x[i] = special[i / 3 % 8];
  }
}
void PrepareSmooth(const LayerCase&, LayerData* data) {
  for (size_t i = 0; i < data->x[0].size(); ++i) data->x[0][i] *= 9;
}

const LayerTwin kRelu = {
    [](Twin* t) { reference::Relu(t->y.size(), t->x[0].data(), t->y.data()); },
    [](Twin* t) {
      reference::ReluBackward(t->y.size(), t->y.data(), t->dy.data(),
                              t->accumulate, t->dx[0].data());
    },
    false,
    0x1p-24,
    0.0,
    nullptr,
    Prepare};
const LayerTwin kRelu6 = {
    [](Twin* t) { reference::Relu6(t->y.size(), t->x[0].data(), t->y.data()); },
    [](Twin* t) {
      reference::Relu6Backward(t->y.size(), t->y.data(), t->dy.data(),
                               t->accumulate, t->dx[0].data());
    },
    false,
    0x1p-24,
    0.0,
    nullptr,
    Prepare};

std::vector<LayerCase> Cases(bool six) {
  testing::Draw draw(1);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, uint32_t rows, uint32_t batch) {
    cases.push_back(six ? testing::MakeCase(Relu6Params{}, {in}, rows, batch)
                        : testing::MakeCase(ReluParams{}, {in}, rows, batch));
  };
  add({1, 1, 1}, 1, 1);
  add({12, 19, 55}, 2, 3);  // enough for three threads
  while (cases.size() < 26) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add({draw(1, 7), draw(1, 7), draw(1, 35)}, rows, batch);
  }
  return cases;
}

TEST(Relu, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases(false)) TestLayer(c, kRelu, &parts);
  EXPECT_EQ(parts, 3u);
}
TEST(Relu6, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases(true)) TestLayer(c, kRelu6, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(Relu, TwinsMatchCentralDifferences) {
  LayerTwin relu = kRelu, relu6 = kRelu6;
  relu.prepare = relu6.prepare = PrepareSmooth;
  uint32_t checked = 0;
  for (const bool six : {false, true}) {
    for (const LayerCase& c : Cases(six)) {
      if (testing::TwinWork(c) > 4000000) continue;
      CheckTwin(c, six ? relu6 : relu);
      ++checked;
    }
  }
  EXPECT_GE(checked, 40u);
}

TEST(Relu, KeepsNanAndShape) {
  for (const bool six : {false, true}) {
    for (const LayerCase& c : Cases(six)) {
      EXPECT_EQ(c.in[0], c.out);
      LayerData data = MakeData(c, six ? kRelu6 : kRelu);
      data.x[0][0] = std::numeric_limits<float>::quiet_NaN();
      const auto run = RunLayer(c, data, {c.mode}, {});
      EXPECT_TRUE(std::isnan(run.y[0]));
      for (size_t i = 1; i < run.y.size(); ++i) {
        EXPECT_FALSE(std::signbit(run.y[i])) << i;
        EXPECT_FALSE(std::isnan(run.y[i])) << i;
      }
    }
  }
}

// What plans rely on: one buffer in each direction.
TEST(Relu, WorksInPlaceAndKeepsItsOutputAlone) {
  for (const bool six : {false, true}) {
    const LayerCase c = Cases(six)[0];
    const Needs needs = NeedsOf(c, c.mode, 1);
    EXPECT_TRUE(needs.in_place && needs.in_place_backward);
    EXPECT_TRUE(needs.keep_output && !needs.keep_input[0]);
    EXPECT_FALSE(NeedsOf(c, NodeMode(), 1).keep_output);
  }
}

}  // namespace
}  // namespace temper
