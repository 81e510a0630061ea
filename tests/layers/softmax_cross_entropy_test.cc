// softmax_cross_entropy: against its twin with and without smoothing, on labels
// and on probabilities; smoothing is for training only; a batch without labels;
// logits that are not flat.
#include "tests/reference/loss.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;
using Params = SoftmaxCrossEntropyParams;

double Smoothing(const Twin& t) {
  return t.step.training ? double{t.As<Params>().label_smoothing} : 0.0;
}

const LayerTwin kTwin = {
    [](Twin* t) {
      reference::SoftmaxCrossEntropy<double>(
          t->c.rows, t->c.out.c, t->x[0].data(), t->step.labels, Smoothing(*t),
          t->y.data(), t->row_loss.data());
    },
    [](Twin* t) {
      reference::SoftmaxCrossEntropyBackward<double>(
          t->c.rows, t->c.out.c, t->y.data(), t->step.labels, Smoothing(*t),
          1.0 / t->c.rows, t->accumulate, t->dx[0].data());
    },
    false,
    2e-6,
    1e-6,
    nullptr,
    [](const LayerCase&, LayerData* d) {
      for (size_t i = 0; i < d->x[0].size(); ++i) d->x[0][i] *= 5;
    }};

// Probabilities in place of labels, many of them 0.
const LayerTwin kSoftTwin = {
    [](Twin* t) {
      reference::SoftmaxCrossEntropySoft<double>(
          t->c.rows, t->c.out.c, t->x[0].data(), t->targets.data(),
          Smoothing(*t), t->y.data(), t->row_loss.data());
    },
    [](Twin* t) {
      reference::SoftmaxCrossEntropySoftBackward<double>(
          t->c.rows, t->c.out.c, t->y.data(), t->targets.data(), Smoothing(*t),
          1.0 / t->c.rows, t->accumulate, t->dx[0].data());
    },
    false,
    4e-6,
    2e-6,
    nullptr,
    [](const LayerCase& c, LayerData* d) {
      for (size_t i = 0; i < d->x[0].size(); ++i) d->x[0][i] *= 5;
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
    }};

std::vector<LayerCase> Cases() {
  testing::Draw draw(11);
  std::vector<LayerCase> cases;
  const auto add = [&](uint32_t classes, float smoothing, uint32_t rows,
                       uint32_t batch) {
    cases.push_back(
        testing::MakeCase(Params{smoothing}, {{1, 1, classes}}, rows, batch));
  };
  add(1, 0.0f, 1, 1);
  add(1, 0.1f, 3, 3);
  add(2, 0.0f, 1, 4);
  add(10, 0.0f, 32, 32);
  add(10, 0.1f, 5, 32);
  add(700, 0.1f, 48, 50);  // three threads
  add(1000, 0.999f, 3, 3);
  while (cases.size() < 30) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    const float smoothing =
        draw(0, 1) ? 0.01f * static_cast<float>(draw(1, 90)) : 0.0f;
    add(draw(2, 70), smoothing, rows, batch);
  }
  return cases;
}

TEST(SoftmaxCrossEntropy, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) {
    EXPECT_EQ(c.in[0], c.out);
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(SoftmaxCrossEntropy, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(SoftmaxCrossEntropy, ProbabilitiesMatchTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) TestLayer(c, kSoftTwin, &parts);
  EXPECT_EQ(parts, 3u);
}

TEST(SoftmaxCrossEntropy, TwinOfProbabilitiesMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    CheckTwin(c, kSoftTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

TEST(SoftmaxCrossEntropy, ACertainProbabilityIsALabel) {
  for (const float smoothing : {0.0f, 0.1f, 0.37f}) {
    for (const uint32_t classes : {1u, 2u, 10u, 16u, 37u}) {
      const LayerCase c =
          testing::MakeCase(Params{smoothing}, {{1, 1, classes}}, 5);
      LayerData data = MakeData(c, kTwin);
      const auto labels = RunLayer(c, data, {c.mode}, {});
      data.targets = Buffer(5 * classes, 0.0f);
      for (uint32_t r = 0; r < 5; ++r) {
        data.targets[r * classes + static_cast<uint32_t>(data.labels[r])] = 1;
      }
      data.labels = std::vector<int32_t>();
      const auto soft = RunLayer(c, data, {c.mode}, {});
      EXPECT_TRUE(soft.y.SameBits(labels.y));
      EXPECT_TRUE(soft.saved.SameBits(labels.saved)) << classes;
      EXPECT_TRUE(soft.dx[0].SameBits(labels.dx[0])) << classes;
    }
  }
}

TEST(SoftmaxCrossEntropy, EvaluationReportsThePlainLoss) {
  const LayerCase smooth = testing::MakeCase(Params{0.2f}, {{1, 1, 7}}, 4),
                  plain = testing::MakeCase(Params{0.0f}, {{1, 1, 7}}, 4);
  const LayerData data = MakeData(smooth, kTwin);
  const auto run = [&](const LayerCase& c, bool training) {
    return RunLayer(c, data, {c.mode, training}, {}).saved;
  };
  EXPECT_TRUE(run(smooth, false).SameBits(run(plain, false)));
  EXPECT_TRUE(run(plain, true).SameBits(run(plain, false)));
  EXPECT_FALSE(run(smooth, true).SameBits(run(smooth, false)));
}

TEST(SoftmaxCrossEntropy, PredictsWithoutLabels) {
  const LayerCase c = testing::MakeCase(Params{}, {{1, 1, 9}}, 3, 5);
  const LayerData data = MakeData(c, kTwin);
  const auto expected = RunLayer(c, data, {NodeMode(), false}, {});
  const Needs needs = NeedsOf(c, NodeMode(), 1);
  EXPECT_EQ(needs.saved_bytes, 5 * sizeof(float));
  Buffer x = data.x[0], y(27), saved(5);
  StepContext step = StepOf(c, data);
  step.labels = nullptr;
  step.targets = nullptr;
  step.training = false;
  const NodeMode mode;
  const float* const px[] = {x};
  const ParallelRunner parallel;
  OpOf(LayerKind::kSoftmaxCrossEntropy)
      .forward({c.node,       1,        mode,
                c.in.data(),  c.out,    StepKind::kForward,
                c.rows,       0,        c.rows,
                step,         parallel, px,
                nullptr,      y,        nullptr,
                saved.data(), nullptr,  nullptr,
                nullptr,      nullptr,  nullptr});
  EXPECT_TRUE(y.SameBits(expected.y));
  EXPECT_TRUE(saved.SameBits(Buffer(5)));
  for (uint32_t r = 0; r < 3; ++r) {
    double sum = 0.0;
    for (uint32_t j = 0; j < 9; ++j) sum += y[r * 9 + j];
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST(SoftmaxCrossEntropy, RefusesLogitsThatAreNotFlat) {
  for (const Shape& s :
       {Shape{2, 1, 5}, Shape{1, 2, 5}, Shape{3, 3, 5}, Shape{1, 1, 5}}) {
    Graph g;
    uint32_t x = g.Add("input", InputParams{s.h, s.w, s.c});
    x = g.Add("normalize", NormalizeParams{}, x);
    g.Add("loss", Params{}, x);
    const bool flat = s.h * s.w == 1;
    testing::ExpectStatus(g,
                          flat ? StatusCode::kOk : StatusCode::kShapeMismatch,
                          flat ? kNoNode : 2);
  }
}

}  // namespace
}  // namespace temper
