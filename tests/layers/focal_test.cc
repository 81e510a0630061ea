// focal, and softmax_cross_entropy with class weights: against their twin on
// labels and probabilities, with and without weights; gamma 0 and weights 1 are
// cross-entropy; evaluation knows no weights; easy samples count less.
#include "tests/reference/class_loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

double Gamma(const Twin& t) {
  return t.c.node.Is<FocalParams>() ? double{t.As<FocalParams>().gamma} : 0.0;
}
double Smoothing(const Twin& t) {
  if (!t.c.training) return 0.0;
  return FieldOf(t.c.node, "label_smoothing").value();
}
reference::Counted<double> Of(const Twin& t) {
  const double* const weights =
      t.class_weights.empty() ? nullptr : t.class_weights.data();
  return {t.step.labels, t.targets.data(), weights, Smoothing(t), Gamma(t)};
}

constexpr auto kForward = [](Twin* t) {
  reference::SoftmaxFocal<double>(t->c.rows, t->c.out.c, t->x[0].data(), Of(*t),
                                  t->y.data(), t->row_loss.data());
};
constexpr auto kBackward = [](Twin* t) {
  reference::SoftmaxFocalBackward<double>(t->c.rows, t->c.out.c, t->y.data(),
                                          Of(*t), 1.0 / t->c.rows,
                                          t->accumulate, t->dx[0].data());
};

void Scale(LayerData* d) {
  for (size_t i = 0; i < d->x[0].size(); ++i) d->x[0][i] *= 5;
}
void AddWeights(const LayerCase& c, LayerData* d) {
  d->class_weights = Buffer(c.out.c);
  for (uint32_t j = 0; j < c.out.c; ++j) {
    d->class_weights[j] = static_cast<float>(j % 5) / 2;  // one of them 0
  }
}
void UseProbabilities(const LayerCase& c, LayerData* d) {
  d->labels = std::vector<int32_t>();
  for (uint32_t r = 0; r < c.rows; ++r) {
    float* const row = d->targets.data() + size_t{r} * c.out.c;
    float sum = 0;
    for (uint32_t j = 0; j < c.out.c; ++j) {
      row[j] = row[j] > 0 || j == 0 ? std::fabs(row[j]) : 0;
      sum += row[j];
    }
    for (uint32_t j = 0; j < c.out.c; ++j) row[j] /= sum;
  }
}

LayerTwin TwinWith(void (*prepare)(const LayerCase&, LayerData*)) {
  return {kForward, kBackward, false, 4e-6, 4e-6, nullptr, prepare};
}
const LayerTwin kLabels =
    TwinWith([](const LayerCase&, LayerData* d) { Scale(d); });
const LayerTwin kWeightedLabels =
    TwinWith([](const LayerCase& c, LayerData* d) {
      Scale(d);
      AddWeights(c, d);
    });
const LayerTwin kWeightedProbabilities =
    TwinWith([](const LayerCase& c, LayerData* d) {
      Scale(d);
      AddWeights(c, d);
      UseProbabilities(c, d);
    });

template <class Params>
std::vector<LayerCase> Cases(const std::vector<Params>& params) {
  testing::Draw draw(13);
  std::vector<LayerCase> cases;
  const uint32_t classes[] = {2, 3, 10, 16, 37, 300};
  const uint32_t rows[] = {1, 4, 3, 2, 5, 30};
  for (size_t i = 0; i < std::size(classes); ++i) {
    cases.push_back(testing::MakeCase(params[i % params.size()],
                                      {{1, 1, classes[i]}}, rows[i],
                                      rows[i] + draw(0, 2)));
  }
  return cases;
}

std::vector<LayerCase> AllCases() {
  std::vector<LayerCase> cases = Cases<FocalParams>(
      {{2.0f, 0.0f}, {0.0f, 0.1f}, {1.0f, 0.0f}, {5.0f, 0.3f}, {1.5f, 0.1f}});
  for (LayerCase& c : Cases<SoftmaxCrossEntropyParams>({{0.0f}, {0.1f}})) {
    cases.push_back(c);
  }
  return cases;
}

TEST(Focal, MatchesTheTwin) {
  for (const LayerCase& c : AllCases()) {
    if (c.node.Is<FocalParams>()) TestLayer(c, kLabels);
    TestLayer(c, kWeightedLabels);
    TestLayer(c, kWeightedProbabilities);
  }
}

TEST(Focal, TwinMatchesCentralDifferences) {
  for (const LayerCase& c : AllCases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    CheckTwin(c, kLabels);
    CheckTwin(c, kWeightedLabels);
    CheckTwin(c, kWeightedProbabilities);
  }
}

testing::LayerRun RunOn(const LayerCase& c, const LayerData& data) {
  return RunLayer(c, data, {c.mode, c.training}, {});
}

TEST(Focal, WithoutGammaAndWeightsIsCrossEntropy) {
  const LayerCase focal = testing::MakeCase(FocalParams{0.0f, 0.1f},
                                            {{1, 1, 10}}, 8),
                  plain = testing::MakeCase(SoftmaxCrossEntropyParams{0.1f},
                                            {{1, 1, 10}}, 8);
  const LayerData data = MakeData(focal, kLabels);
  const auto a = RunOn(focal, data), b = RunOn(plain, data);
  EXPECT_TRUE(a.y.SameBits(b.y));
  for (uint32_t r = 0; r < 8; ++r) {
    EXPECT_NEAR(a.saved[r], b.saved[r], 2e-6);
  }
  for (size_t i = 0; i < 80; ++i) EXPECT_NEAR(a.dx[0][i], b.dx[0][i], 2e-7);
}

TEST(Focal, WeightsMultiplyRowsOfTheirClass) {
  const LayerCase c =
      testing::MakeCase(SoftmaxCrossEntropyParams{}, {{1, 1, 3}}, 3);
  LayerData data = MakeData(c, kLabels);
  data.labels = {0, 1, 2};
  const auto plain = RunOn(c, data);
  data.class_weights = Buffer(3);
  data.class_weights[0] = 0, data.class_weights[1] = 1;
  data.class_weights[2] = 4;
  const auto weighted = RunOn(c, data);
  for (uint32_t r = 0; r < 3; ++r) {
    const float w = data.class_weights[r];
    EXPECT_NEAR(weighted.saved[r], w * plain.saved[r], 1e-6);
    for (uint32_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(weighted.dx[0][r * 3 + j], w * plain.dx[0][r * 3 + j], 1e-6);
    }
  }
}

// p = 0.9 and 0.5 of two classes: gamma 2 leaves 0.01 and 0.25 of the loss.
TEST(Focal, EasySamplesCountLess) {
  const LayerCase c = testing::MakeCase(FocalParams{2.0f}, {{1, 1, 2}}, 2);
  LayerData data = MakeData(c, kLabels);
  data.labels = {0, 0};
  data.x[0][0] = static_cast<float>(std::log(9.0)), data.x[0][1] = 0;
  data.x[0][2] = 1, data.x[0][3] = 1;
  const auto run = RunOn(c, data);
  EXPECT_NEAR(run.saved[0], 0.01 * std::log(1 / 0.9), 1e-8);
  EXPECT_NEAR(run.saved[1], 0.25 * std::log(2.0), 1e-7);
}

// Certain and wrong, certain and right: finite, and no NaN.
TEST(Focal, LargeLogits) {
  for (const float gamma : {0.0f, 0.5f, 1.0f, 2.0f, 16.0f}) {
    const LayerCase c = testing::MakeCase(FocalParams{gamma}, {{1, 1, 2}}, 2);
    LayerData data = MakeData(c, kLabels);
    data.labels = {0, 0};
    data.x[0][0] = 1000, data.x[0][1] = -1000;
    data.x[0][2] = -1000, data.x[0][3] = 1000;
    const auto run = RunOn(c, data);
    EXPECT_EQ(run.saved[0], 0.0f);
    EXPECT_NEAR(run.saved[1], 2000.0f, 1e-3);
    EXPECT_EQ(run.dx[0][0], 0.0f);
    EXPECT_NEAR(run.dx[0][2], -0.5f, 1e-6);
    EXPECT_NEAR(run.dx[0][3], 0.5f, 1e-6);
  }
}

}  // namespace
}  // namespace temper
