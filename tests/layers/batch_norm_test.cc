// batch_norm in its four modes (live; frozen statistics with trained and with
// frozen gamma and beta; inference) against twins composed from the kernels';
// running statistics; the fewest rows that have a variance.
#include "tests/reference/norm.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Bounds;
using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;
using testing::Values;

enum { kGamma, kBeta, kMean, kVariance };

struct Statistics {
  size_t rows, channels;
  Values mean, variance, rstd, scale, shift;
};
// Those that the forward pass normalises with.
Statistics StatisticsOf(const Twin& t) {
  const Shape& in = t.c.in[0];
  Statistics s;
  s.channels = in.c;
  s.rows = size_t{t.c.rows} * in.h * in.w;
  s.mean = t.weights[kMean];
  s.variance = t.weights[kVariance];
  s.rstd.resize(in.c), s.scale.resize(in.c), s.shift.resize(in.c);
  if (t.c.mode.live_statistics && t.step.training) {
    reference::BatchStats(s.rows, s.channels, t.x[0].data(), s.mean.data(),
                          s.variance.data());
  }
  reference::BatchNormCoefficients<double>(
      s.channels, s.mean.data(), s.variance.data(), t.weights[kGamma].data(),
      t.weights[kBeta].data(), double{t.As<BatchNormParams>().eps},
      s.rstd.data(), s.scale.data(), s.shift.data());
  return s;
}

simd::Activation ActivationOf(const LayerCase& c) {
  return static_cast<simd::Activation>(c.mode.activation);
}
// y in front of the activation.
Values Normalised(const Twin& t, const Statistics& s) {
  Values y(t.x[0].size());
  reference::ScaleShift(s.rows, s.channels, t.x[0].data(), s.scale.data(),
                        s.shift.data(), y.data());
  return y;
}

void Forward(Twin* t) {
  t->y = Normalised(*t, StatisticsOf(*t));
  reference::Activate(t->y.size(), ActivationOf(t->c), t->y.data());
}

void Backward(Twin* t) {
  const Statistics s = StatisticsOf(*t);
  const BatchNormParams& p = t->As<BatchNormParams>();
  Values dgamma(s.channels), dbeta(s.channels), g(t->dy.size());
  reference::ActivationGradient(g.size(), ActivationOf(t->c),
                                Normalised(*t, s).data(), t->dy.data(),
                                g.data());
  reference::BatchNormSums(s.rows, s.channels, t->x[0].data(), g.data(),
                           s.mean.data(), s.rstd.data(), dgamma.data(),
                           dbeta.data());
  if (t->c.mode.live_statistics) {
    reference::BatchNormBackward(s.rows, s.channels, t->x[0].data(), g.data(),
                                 s.mean.data(), s.rstd.data(),
                                 t->weights[kGamma].data(), dgamma.data(),
                                 dbeta.data(), t->accumulate, t->dx[0].data());
    const double n = static_cast<double>(s.rows);
    const double factor = p.unbiased_variance && s.rows > 1 ? n / (n - 1) : 1;
    reference::UpdateRunningStats<double>(
        s.channels, double{p.momentum}, factor, s.mean.data(),
        s.variance.data(), t->weights[kMean].data(),
        t->weights[kVariance].data());
  } else {
    reference::ScaleBackward(s.rows, s.channels, g.data(), s.scale.data(),
                             t->accumulate, t->dx[0].data());
  }
  if (!t->c.mode.train_weights) return;
  for (size_t c = 0; c < s.channels; ++c) {
    t->dw[kGamma][c] += dgamma[c];
    t->dw[kBeta][c] += dbeta[c];
  }
}

// The error of the kernels (simd/norm.h) times the size of what is summed: a
// value of a few is left of differences that may be much larger.
void SetBounds(const Twin& t, Bounds* b) {
  // Backward has moved the running statistics by now; take them from before.
  const Statistics s = StatisticsOf(t);
  Values sum(s.channels, 0.0), sum_xhat(s.channels, 0.0);
  const auto xhat = [&](size_t i) {
    const size_t c = i % s.channels;
    return (std::fabs(t.x[0][i] - s.mean[c]) + std::fabs(s.mean[c])) *
           s.rstd[c];
  };
  for (size_t i = 0; i < t.x[0].size(); ++i) {
    sum[i % s.channels] += std::fabs(t.dy[i]);
    sum_xhat[i % s.channels] += std::fabs(t.dy[i]) * (1 + xhat(i));
  }
  const double rtol = 4e-6, n = static_cast<double>(s.rows);
  for (size_t i = 0; i < t.x[0].size(); ++i) {
    const size_t c = i % s.channels;
    const double gamma = std::fabs(t.weights[kGamma][c]);
    b->y[i] = rtol * (gamma * (1 + xhat(i)) + std::fabs(t.weights[kBeta][c]));
    b->dx[0][i] = rtol * (1 + gamma * s.rstd[c] *
                                  (std::fabs(t.dy[i]) + sum[c] / n +
                                   (1 + xhat(i)) * sum_xhat[c] / n));
  }
  for (size_t c = 0; c < s.channels; ++c) {
    b->dw[kGamma][c] = rtol * (1 + sum_xhat[c]);
    b->dw[kBeta][c] = rtol * (1 + sum[c]);
    b->weights[kMean][c] = rtol * (1 + std::fabs(s.mean[c]));
    b->weights[kVariance][c] = rtol * (1 + s.variance[c]);
  }
}

// Every channel has spread, and variances are positive.
void Prepare(const LayerCase& c, LayerData* d) {
  const size_t channels = c.in[0].c;
  for (size_t i = 0; i < d->x[0].size(); ++i) {
    d->x[0][i] += i / channels % 2 ? 1.0f : -0.5f;
  }
  for (size_t i = 0; i < channels; ++i) {
    d->weights[kVariance][i] += 1.5f;
    d->weights[kGamma][i] += 1.25f;
    if (c.mode.activation != 0) d->weights[kGamma][i] *= 2.0f;
    if (c.mode.activation == 2) d->weights[kBeta][i] += 3.0f;
  }
  if (c.mode.activation == 0) return;
  // Where rounding may decide whether the activation is open, nothing flows:
  // the twin cannot know. (The kernel's test has such elements: norm_test.)
  Twin t;
  t.c = c;
  t.step.training = c.training;
  t.x.push_back(Doubles(d->x[0]));
  for (const Buffer& w : d->weights) t.weights.push_back(Doubles(w));
  const Values y = Normalised(t, StatisticsOf(t));
  size_t closed = 0, open = 0, near = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    if (std::fabs(y[i]) < 1e-3 || std::fabs(y[i] - 6) < 1e-3) {
      d->dy[i] = 0.0f;
      ++near;
    }
    (y[i] <= 0 || (c.mode.activation == 2 && y[i] >= 6) ? closed : open) += 1;
  }
  EXPECT_LE(near, 1 + y.size() / 100);
  if (y.size() < 500) return;
  EXPECT_GT(closed, y.size() / 50);
  EXPECT_GT(open, y.size() / 50);
}

LayerTwin TwinOf() {
  LayerTwin twin;
  twin.forward = Forward;
  twin.backward = Backward;
  twin.bounds = SetBounds;
  twin.prepare = Prepare;
  return twin;
}

enum class Mode { kLive, kFrozenTrained, kFrozen };
std::vector<LayerCase> Cases(Mode mode) {
  testing::Draw draw(7);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, const BatchNormParams& p, uint32_t rows,
                       uint32_t batch) {
    LayerCase c = testing::MakeCase(p, {in}, rows, batch);
    c.mode.live_statistics = mode == Mode::kLive;
    c.mode.train_weights = mode != Mode::kFrozen;
    cases.push_back(c);
  };
  add({1, 1, 1}, {}, 2, 2);
  add({1, 1, 128}, {}, 5, 8);
  add({2, 1, 3}, {}, 1, 4);    // two values per channel
  add({10, 9, 67}, {}, 5, 5);  // three threads
  add({16, 16, 8}, {1e-3f, 1.0f, 1}, 2, 5);
  add({9, 9, 17}, {1e-5f, 0.0f, 1}, 2, 2);
  add({9, 9, 16}, {1e-2f, 0.01f, 0}, 2, 2);
  add({23, 22, 2}, {}, 3, 3);  // several chunks
  // 16 samples of 504 pixels are 16 chunks, the 17 that were planned only 9.
  add({21, 24, 2}, {}, 16, 17);
  while (cases.size() < 32) {
    const uint32_t rows = draw(2, 5), batch = rows + draw(0, 3);
    const BatchNormParams p{draw(0, 1) ? 1e-5f : 1e-3f,
                            0.01f * static_cast<float>(draw(0, 100)),
                            draw(0, 1)};
    add({draw(1, 6), draw(1, 6), draw(1, 35)}, p, rows, batch);
  }
  return cases;
}

TEST(BatchNorm, LiveMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases(Mode::kLive)) TestLayer(c, TwinOf(), &parts);
  EXPECT_EQ(parts, 3u);
}
TEST(BatchNorm, FrozenTrainedMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases(Mode::kFrozenTrained)) {
    TestLayer(c, TwinOf(), &parts);
  }
  EXPECT_EQ(parts, 3u);
}
TEST(BatchNorm, FrozenMatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases(Mode::kFrozen)) {
    TestLayer(c, TwinOf(), &parts);
  }
  EXPECT_EQ(parts, 3u);
}

// With an absorbed activation, with y derived, with both.
std::vector<LayerCase> FusedCases(Mode mode) {
  std::vector<LayerCase> cases;
  uint32_t i = 0;
  for (LayerCase c : Cases(mode)) {
    for (const uint32_t activation : {0u, 1u, 2u}) {
      for (const bool derived : {false, true}) {
        // All cases in some of the five ways, in turn.
        if ((activation == 0 && !derived) || ++i % 2 == 0) continue;
        c.mode.activation = activation;
        c.mode.derived = derived;
        cases.push_back(c);
      }
    }
  }
  return cases;
}

TEST(BatchNorm, FusedLiveMatchesTheTwin) {
  for (const LayerCase& c : FusedCases(Mode::kLive)) TestLayer(c, TwinOf());
}
TEST(BatchNorm, FusedFrozenTrainedMatchesTheTwin) {
  for (const LayerCase& c : FusedCases(Mode::kFrozenTrained)) {
    TestLayer(c, TwinOf());
  }
}
TEST(BatchNorm, FusedFrozenMatchesTheTwin) {
  for (const LayerCase& c : FusedCases(Mode::kFrozen)) TestLayer(c, TwinOf());
}

TEST(BatchNorm, TwinMatchesCentralDifferences) {
  for (const Mode mode : {Mode::kLive, Mode::kFrozenTrained, Mode::kFrozen}) {
    uint32_t checked = 0;
    std::vector<LayerCase> cases = Cases(mode);
    for (const LayerCase& c : FusedCases(mode)) cases.push_back(c);
    for (const LayerCase& c : cases) {
      if (testing::TwinWork(c) > 200000) continue;
      CheckTwin(c, TwinOf());
      ++checked;
    }
    EXPECT_GE(checked, 20u);
  }
}

// torch.nn.BatchNorm1d(1, momentum=0.25) on the values 1, 2, 4, 9: mean 4,
// population variance 9.5, unbiased 38/3.
TEST(BatchNorm, RunningStatisticsByHand) {
  const float values[] = {1, 2, 4, 9};
  for (const uint32_t unbiased : {0u, 1u}) {
    const LayerCase c = testing::MakeCase(
        BatchNormParams{1e-5f, 0.25f, unbiased}, {{1, 1, 1}}, 4);
    LayerData data = MakeData(c, TwinOf());
    for (size_t i = 0; i < 4; ++i) data.x[0][i] = values[i];
    data.weights[kGamma][0] = 2.0f, data.weights[kBeta][0] = 10.0f;
    data.weights[kMean][0] = 0.0f, data.weights[kVariance][0] = 1.0f;
    const auto run = RunLayer(c, data, {c.mode}, {});
    EXPECT_FLOAT_EQ(run.weights[kMean][0], 0.25f * 4.0f);
    EXPECT_FLOAT_EQ(run.weights[kVariance][0],
                    0.75f + 0.25f * (unbiased ? 38.0f / 3.0f : 9.5f));
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_FLOAT_EQ(run.y[i],
                      10.0f + 2.0f * (values[i] - 4.0f) / std::sqrt(9.50001f));
    }
  }
}

// A step whose loss is not finite ends before backward: statistics must not
// have moved by then. RunLayer checks it for every weight; here for live mode
// by name, with a momentum that would replace them.
TEST(BatchNorm, ForwardLeavesRunningStatisticsAlone) {
  const LayerCase c =
      testing::MakeCase(BatchNormParams{1e-5f, 1.0f, 1}, {{3, 3, 4}}, 2);
  const LayerData data = MakeData(c, TwinOf());
  LayerCase forward_only = c;
  forward_only.mode.backward = false;
  const auto before = RunLayer(c, data, {forward_only.mode}, {});
  EXPECT_TRUE(before.weights[kMean].SameBits(data.weights[kMean]));
  const auto after = RunLayer(c, data, {c.mode}, {});
  EXPECT_FALSE(after.weights[kMean].SameBits(data.weights[kMean]));
}

TEST(BatchNorm, NeedsFollowTheMode) {
  const auto needs = [](Mode mode, const Shape& in) {
    LayerCase c = testing::MakeCase(BatchNormParams{}, {in}, 4);
    c.mode.live_statistics = mode == Mode::kLive;
    c.mode.train_weights = mode != Mode::kFrozen;
    return NeedsOf(c, c.mode, 1);
  };
  EXPECT_EQ(needs(Mode::kLive, {1, 1, 8}).minimum_rows, 2u);
  EXPECT_EQ(needs(Mode::kLive, {1, 2, 8}).minimum_rows, 1u);
  EXPECT_EQ(needs(Mode::kFrozenTrained, {1, 1, 8}).minimum_rows, 1u);
  // scale and shift for readers and backward; rstd; mean and variance. Each
  // vector is padded to 16 floats.
  for (const auto& [c, padded] : {std::pair{8u, 16u}, {16u, 16u}, {17u, 32u}}) {
    const uint64_t bytes = padded * sizeof(float);
    EXPECT_EQ(needs(Mode::kLive, {4, 4, c}).saved_bytes, 5 * bytes);
    EXPECT_EQ(needs(Mode::kFrozenTrained, {4, 4, c}).saved_bytes, 3 * bytes);
    EXPECT_EQ(needs(Mode::kFrozen, {4, 4, c}).saved_bytes, 2 * bytes);
  }
  EXPECT_TRUE(needs(Mode::kLive, {4, 4, 8}).keep_input[0]);
  EXPECT_TRUE(needs(Mode::kFrozenTrained, {4, 4, 8}).keep_input[0]);
  EXPECT_FALSE(needs(Mode::kFrozen, {4, 4, 8}).keep_input[0]);
  EXPECT_TRUE(needs(Mode::kFrozen, {4, 4, 8}).in_place);
  EXPECT_FALSE(needs(Mode::kLive, {4, 4, 8}).in_place);
  // Frozen with an activation: x says what it let pass, if anything flows back.
  LayerCase absorbed = testing::MakeCase(BatchNormParams{}, {{4, 4, 8}}, 4);
  absorbed.mode.live_statistics = absorbed.mode.train_weights = false;
  absorbed.mode.activation = 1;
  EXPECT_TRUE(NeedsOf(absorbed, absorbed.mode, 1).keep_input[0]);
  absorbed.mode.backward = false;
  EXPECT_FALSE(NeedsOf(absorbed, absorbed.mode, 1).keep_input[0]);
  const Needs all = needs(Mode::kLive, {4, 4, 8});
  ASSERT_EQ(all.weight_count, 4u);
  const WeightRole roles[] = {WeightRole::kGamma, WeightRole::kBeta,
                              WeightRole::kBuffer, WeightRole::kBuffer};
  const float initial[] = {1, 0, 0, 1};
  for (uint32_t w = 0; w < 4; ++w) {
    EXPECT_EQ(all.weights[w].role, roles[w]);
    EXPECT_EQ(all.weights[w].initial, initial[w]);
    EXPECT_EQ(all.weights[w].rule,
              w == 3 ? ValueRule::kNotNegative : ValueRule::kFinite);
    EXPECT_EQ(all.weights[w].Count(), 8u);
  }
}

}  // namespace
}  // namespace temper
