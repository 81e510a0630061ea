// The activations that run alone, and prelu: against their twins on every target
// and thread count, with plain and derived inputs, at corners, infinity, NaN and
// subnormals; what they keep.
#include "runtime/layers/activation.h"
#include "tests/reference/activation.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

simd::ActivationFunction FunctionOf(const LayerCase& c) {
  Needs needs;
  const NodeMode mode;
  OpOf(c.node.kind)
      .needs({c.node, c.in.data(), c.out, c.batch, 1, mode}, &needs);
  return needs.activation;
}

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kSpecial[] = {0.0f,  -0.0f,  3.0f,   -3.0f,   kInf,   -kInf,
                              1e30f, -1e30f, 1e-45f, -1e-45f, 2e-19f, -2e-19f};
void Prepare(const LayerCase& c, LayerData* data) {
  Buffer& x = data->x[0];
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] *= 9;
    if (i % 3 == 2 && !c.mode.derived_input[0]) x[i] = kSpecial[i / 3 % 12];
  }
}
void PrepareSmooth(const LayerCase&, LayerData* data) {
  for (size_t i = 0; i < data->x[0].size(); ++i) data->x[0][i] *= 2;
}

const LayerTwin kTwin = {
    [](Twin* t) {
      const auto f = FunctionOf(t->c);
      for (size_t i = 0; i < t->y.size(); ++i) {
        t->y[i] =
            reference::FlushTiny(reference::LoneActivation(f, t->x[0][i]));
      }
    },
    [](Twin* t) {
      const auto f = FunctionOf(t->c);
      for (size_t i = 0; i < t->y.size(); ++i) {
        double& dx = t->dx[0][i];
        const double g = t->dy[i] * reference::LoneSlope(f, t->x[0][i]);
        dx = reference::FlushTiny((t->accumulate ? dx : 0.0) + g);
      }
    },
    false,
    1e-6,
    3e-6,  // gelu by tanh, around 0
    nullptr,
    Prepare};

template <class Params>
std::vector<LayerCase> CasesOf(const Params& params) {
  testing::Draw draw(1);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, uint32_t rows, uint32_t batch) {
    cases.push_back(testing::MakeCase(params, {in}, rows, batch));
  };
  add({3, 2, 7}, 2, 2);
  add({12, 19, 55}, 2, 3);  // enough for three threads
  while (cases.size() < 6) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    add({draw(1, 7), draw(1, 7), draw(1, 35)}, rows, batch);
  }
  return cases;
}
std::vector<std::vector<LayerCase>> AllCases() {
  return {CasesOf(LeakyReluParams{}),   CasesOf(LeakyReluParams{0.2f}),
          CasesOf(EluParams{}),         CasesOf(EluParams{1.7f}),
          CasesOf(SigmoidParams{}),     CasesOf(TanhParams{}),
          CasesOf(HardSigmoidParams{}), CasesOf(HardSwishParams{}),
          CasesOf(SiluParams{}),        CasesOf(GeluParams{}),
          CasesOf(GeluParams{1}),       CasesOf(SoftplusParams{}),
          CasesOf(SoftplusParams{2.5f})};
}

TEST(Activations, MatchTheirTwins) {
  for (const auto& cases : AllCases()) {
    uint32_t parts = 0;
    for (const LayerCase& c : cases) TestLayer(c, kTwin, &parts);
    EXPECT_EQ(parts, 3u);
  }
}

TEST(Activations, ReadDerivedInputs) {
  for (const auto& cases : AllCases()) {
    const auto derived = testing::Derived(cases);
    for (size_t i = 0; i < 4; ++i) TestLayer(derived[i], kTwin);
  }
}

TEST(Activations, TwinsMatchCentralDifferences) {
  LayerTwin smooth = kTwin;
  smooth.prepare = PrepareSmooth;
  for (const auto& cases : AllCases()) {
    for (const LayerCase& c : cases) {
      if (testing::TwinWork(c) < 200000) CheckTwin(c, smooth);
    }
  }
}

// NaN comes out where it goes in, and nowhere else; both ways.
TEST(Activations, KeepNan) {
  for (const auto& cases : AllCases()) {
    const LayerCase& c = cases[2];
    LayerData data = MakeData(c, kTwin);
    data.x[0][0] = std::numeric_limits<float>::quiet_NaN();
    const auto run = RunLayer(c, data, {c.mode}, {});
    EXPECT_TRUE(std::isnan(run.y[0])) << NameOf(c);
    for (size_t i = 1; i < run.y.size(); ++i) {
      EXPECT_FALSE(std::isnan(run.y[i])) << NameOf(c) << " " << i;
      EXPECT_FALSE(std::isnan(run.dx[0][i])) << NameOf(c) << " " << i;
    }
  }
}

// What plans rely on: one tensor is kept either way.
TEST(Activations, KeepOneTensor) {
  for (const auto& cases : AllCases()) {
    const LayerCase& c = cases[0];
    const Needs needs = NeedsOf(c, c.mode, 1), eval = NeedsOf(c, {}, 1);
    const bool input =
        simd::GradientOf(FunctionOf(c).kind) == simd::GradientFrom::kInput;
    EXPECT_EQ(needs.keep_input[0], input) << NameOf(c);
    EXPECT_EQ(needs.recompute, input) << NameOf(c);
    EXPECT_EQ(needs.keep_output, !input) << NameOf(c);
    EXPECT_EQ(needs.in_place, !input) << NameOf(c);
    EXPECT_TRUE(needs.in_place_backward && needs.accept_derived[0]);
    EXPECT_TRUE(eval.in_place && !eval.keep_input[0] && !eval.keep_output);
    EXPECT_FALSE(simd::Fuses(FunctionOf(c).kind));
  }
}

const LayerTwin kPrelu = {
    [](Twin* t) {
      const size_t c = t->c.in[0].c;
      reference::Prelu(t->y.size() / c, c, t->x[0].data(), t->weights[0].data(),
                       t->y.data());
    },
    [](Twin* t) {
      const size_t c = t->c.in[0].c;
      reference::PreluBackward(t->y.size() / c, c, t->x[0].data(),
                               t->weights[0].data(), t->dy.data(),
                               t->accumulate, t->dx[0].data(), t->dw[0].data());
    },
    false,
    1e-5,
    2e-5,
    nullptr,
    [](const LayerCase&, LayerData* data) {
      for (size_t i = 0; i < data->x[0].size(); i += 7) data->x[0][i] = 0;
    }};

TEST(Prelu, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : CasesOf(PreluParams{}))
    TestLayer(c, kPrelu, &parts);
  EXPECT_EQ(parts, 3u);
  // More rows than a chunk.
  TestLayer(testing::MakeCase(PreluParams{}, {{33, 20, 5}}, 2), kPrelu);
}

TEST(Prelu, TwinMatchesCentralDifferences) {
  LayerTwin smooth = kPrelu;
  smooth.prepare = nullptr;
  for (const LayerCase& c : CasesOf(PreluParams{})) {
    if (testing::TwinWork(c) < 200000) CheckTwin(c, smooth);
  }
}

TEST(Prelu, BeginsWithItsFirstSlope) {
  const LayerCase c = CasesOf(PreluParams{0.1f})[2];
  const Needs needs = NeedsOf(c, c.mode, 1);
  ASSERT_EQ(needs.weight_count, 1u);
  EXPECT_EQ(needs.weights[0].initial, 0.1f);
  EXPECT_EQ(needs.weights[0].dims[0], c.in[0].c);
  EXPECT_TRUE(IsTrained(needs.weights[0].role));
}

}  // namespace
}  // namespace temper
