// binary_cross_entropy and binary_focal: against their twin on labels, several
// labels and numbers, with and without weights; one output is two classes; large
// logits; evaluation knows neither smoothing nor weights; what is counted right.
#include "tests/reference/class_loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

reference::Binary<double> Of(const Twin& t) {
  const double* const weights =
      t.class_weights.empty() ? nullptr : t.class_weights.data();
  return {
      t.step.labels, t.targets.data(), weights,
      t.c.training ? FieldOf(t.c.node, "label_smoothing").value() : 0.0,
      t.c.node.Is<BinaryFocalParams>() ? t.As<BinaryFocalParams>().gamma : 0.0};
}

constexpr auto kForward = [](Twin* t) {
  reference::SigmoidFocal<double>(t->c.rows, t->c.out.c, t->x[0].data(), Of(*t),
                                  t->y.data(), t->row_loss.data());
};
constexpr auto kBackward = [](Twin* t) {
  reference::SigmoidFocalBackward<double>(
      t->c.rows, t->c.out.c, t->x[0].data(), Of(*t),
      1.0 / (t->c.rows * static_cast<double>(t->c.out.c)), t->accumulate,
      t->dx[0].data());
};

void Prepare(const LayerCase& c, LayerData* d) {
  for (size_t i = 0; i < d->x[0].size(); ++i) d->x[0][i] *= 8;
  for (uint32_t r = 0; r < c.rows && c.out.c == 1; ++r) {
    d->labels[r] = static_cast<int32_t>(r % 2);
  }
}
void AddWeights(const LayerCase& c, LayerData* d) {
  const uint32_t n = c.out.c == 1 ? 2 : c.out.c;
  d->class_weights = Buffer(n);
  for (uint32_t j = 0; j < n; ++j) {
    d->class_weights[j] = static_cast<float>((j + 1) % 5) / 2;  // one is 0
  }
}
// Mostly 0 and 1.
void UseTargets(LayerData* d) {
  d->labels = std::vector<int32_t>();
  for (size_t i = 0; i < d->targets.size(); ++i) {
    const float v = d->targets[i];
    d->targets[i] = v > 0.5f ? 1.0f : v < 0 ? 0.0f : v;
  }
}

LayerTwin TwinWith(void (*prepare)(const LayerCase&, LayerData*)) {
  return {kForward, kBackward, false, 4e-6, 1e-6, nullptr, prepare};
}
const LayerTwin kTwins[] = {TwinWith(Prepare),
                            TwinWith([](const LayerCase& c, LayerData* d) {
                              Prepare(c, d);
                              UseTargets(d);
                            }),
                            TwinWith([](const LayerCase& c, LayerData* d) {
                              Prepare(c, d);
                              AddWeights(c, d);
                            }),
                            TwinWith([](const LayerCase& c, LayerData* d) {
                              Prepare(c, d);
                              UseTargets(d);
                              AddWeights(c, d);
                            })};

std::vector<LayerCase> AllCases() {
  std::vector<LayerCase> cases;
  const uint32_t outputs[] = {1, 1, 2, 7, 16, 35, 300};
  const uint32_t rows[] = {5, 1, 3, 4, 2, 3, 20};
  for (size_t i = 0; i < std::size(outputs); ++i) {
    const std::vector<Shape> in = {{1, 1, outputs[i]}};
    const float smoothing = i % 2 == 0 ? 0.0f : 0.1f;
    cases.push_back(testing::MakeCase(BinaryCrossEntropyParams{smoothing}, in,
                                      rows[i], rows[i] + 1));
    const float gammas[] = {2.0f, 0.5f, 1.0f, 5.0f};
    cases.push_back(testing::MakeCase(
        BinaryFocalParams{gammas[i % 4], smoothing}, in, rows[i]));
  }
  return cases;
}

TEST(BinaryCrossEntropy, MatchesTheTwin) {
  for (const LayerCase& c : AllCases()) {
    EXPECT_EQ(c.in[0], c.out);
    for (const LayerTwin& twin : kTwins) TestLayer(c, twin);
  }
}

TEST(BinaryCrossEntropy, TwinMatchesCentralDifferences) {
  for (const LayerCase& c : AllCases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    for (const LayerTwin& twin : kTwins) CheckTwin(c, twin);
  }
}

testing::LayerRun RunOn(const LayerCase& c, const LayerData& data) {
  return RunLayer(c, data, {c.mode, c.training}, {});
}

// One output is the difference of softmax's two logits.
TEST(BinaryCrossEntropy, OneOutputIsTwoClasses) {
  const LayerCase one = testing::MakeCase(BinaryCrossEntropyParams{},
                                          {{1, 1, 1}}, 6),
                  two = testing::MakeCase(SoftmaxCrossEntropyParams{},
                                          {{1, 1, 2}}, 6);
  LayerData a = MakeData(one, kTwins[0]);
  LayerData b = MakeData(two, kTwins[1]);
  b.labels = a.labels;
  for (uint32_t r = 0; r < 6; ++r) {
    b.x[0][2 * r] = 0, b.x[0][2 * r + 1] = a.x[0][r];
  }
  const auto x = RunOn(one, a), y = RunOn(two, b);
  for (uint32_t r = 0; r < 6; ++r) {
    EXPECT_NEAR(x.y[r], y.y[2 * r + 1], 2e-7);
    EXPECT_NEAR(x.saved[r], y.saved[r], 2e-6);
    EXPECT_NEAR(x.dx[0][r], y.dx[0][2 * r + 1], 2e-7);
  }
}

TEST(BinaryCrossEntropy, LargeLogits) {
  for (const float gamma : {0.0f, 0.5f, 1.0f, 2.0f, 16.0f}) {
    const LayerCase c =
        testing::MakeCase(BinaryFocalParams{gamma}, {{1, 1, 1}}, 4);
    LayerData data = MakeData(c, kTwins[0]);
    data.labels = {1, 0, 1, 0};
    data.x[0][0] = 1e4f, data.x[0][1] = -1e4f;  // right
    data.x[0][2] = -1e4f, data.x[0][3] = 1e4f;  // wrong
    const auto run = RunOn(c, data);
    const float losses[] = {0, 0, 1e4f, 1e4f};
    const float gradients[] = {0, 0, -0.25f, 0.25f};
    for (uint32_t r = 0; r < 4; ++r) {
      EXPECT_EQ(run.saved[r], losses[r]) << gamma;
      EXPECT_EQ(run.dx[0][r], gradients[r]) << gamma;
    }
  }
  // Small losses have their digits: e^-20 and e^-60.
  const LayerCase c =
      testing::MakeCase(BinaryCrossEntropyParams{}, {{1, 1, 1}}, 2);
  LayerData data = MakeData(c, kTwins[0]);
  data.labels = {1, 1};
  data.x[0][0] = 20, data.x[0][1] = 60;
  const auto run = RunOn(c, data);
  EXPECT_NEAR(run.saved[0] / std::exp(-20.0), 1, 1e-6);
  EXPECT_NEAR(run.saved[1] / std::exp(-60.0), 1, 1e-6);
  EXPECT_NEAR(run.dx[0][0] / (-0.5 * std::exp(-20.0)), 1, 1e-6);
}

TEST(BinaryCrossEntropy, ALabelThatIsNoneIsInfinite) {
  for (const uint32_t outputs : {1u, 3u}) {
    const LayerCase c =
        testing::MakeCase(BinaryCrossEntropyParams{}, {{1, 1, outputs}}, 2);
    LayerData data = MakeData(c, kTwins[0]);
    data.labels = {-1, outputs == 1 ? 2 : 3};
    const auto run = RunOn(c, data);
    EXPECT_TRUE(std::isinf(run.saved[0]) && std::isinf(run.saved[1]));
  }
}

TEST(BinaryCrossEntropy, CountsWhatIsRight) {
  const LossTraits& loss = *LossOf(LayerKind::kBinaryCrossEntropy);
  EXPECT_EQ(loss.Classes(1), 2u);
  EXPECT_EQ(loss.Classes(3), 3u);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float p[] = {0.9f, 0.5f, 0.1f, nan};
  const int32_t labels[] = {1, 0, 1, 0};
  EXPECT_EQ(loss.correct(4, {1, 1, 1}, p, labels, nullptr), 2u);
  const float several[] = {0.9f, 0.1f, 0.6f, 0.4f};
  const float targets[] = {1, 0, 1, 1};  // the second row has one wrong
  EXPECT_EQ(loss.correct(2, {1, 1, 2}, several, nullptr, targets), 1u);
  const int32_t first[] = {0, 1};
  EXPECT_EQ(loss.correct(2, {1, 1, 2}, several, first, nullptr), 1u);
}

}  // namespace
}  // namespace temper
