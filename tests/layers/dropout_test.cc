// dropout: against its twin; the mask is the same in backward, follows seed,
// epoch, sample and node and nothing else; inverted and classic keep the mean.
#include "tests/reference/elementwise.h"
#include "tests/testing/layer_cases.h"

namespace temper {
namespace {

using testing::Buffer;
using testing::LayerCase;
using testing::LayerData;
using testing::LayerTwin;
using testing::Twin;

double Factor(const DropoutParams& p) {
  return p.classic ? 1.0 : 1.0 / (1.0 - double{p.rate});
}
void Mask(const Twin& t, const std::vector<double>& from, bool accumulate,
          std::vector<double>* to) {
  const DropoutParams& p = t.As<DropoutParams>();
  reference::Dropout<double>(
      t.c.rows, t.c.out.Count(), from.data(), Factor(p),
      static_cast<uint32_t>(double{p.rate} * 0x1p32), t.step.seed,
      t.step.sample_ids, t.step.epoch,
      RandomStream(RandomUse::kDropout, testing::kTestNode), accumulate,
      to->data());
}

const LayerTwin kTwin = {
    [](Twin* t) {
      const DropoutParams& p = t->As<DropoutParams>();
      if (t->step.training) {
        Mask(*t, t->x[0], false, &t->y);
      } else {
        reference::Scale<double>(t->y.size(), p.classic ? 1.0 - p.rate : 1.0,
                                 t->x[0].data(), t->y.data());
      }
    },
    [](Twin* t) { Mask(*t, t->dy, t->accumulate, &t->dx[0]); },
    false,
    2e-7,
    0.0,
    [](const Twin& t, testing::Bounds* b) {
      const double bound = 3e-7 * (1.0 + Factor(t.As<DropoutParams>()));
      for (double& v : b->dx[0]) v = bound;
      for (double& v : b->y) v = bound;
    }};

std::vector<LayerCase> Cases() {
  testing::Draw draw(10);
  std::vector<LayerCase> cases;
  const auto add = [&](Shape in, const DropoutParams& p, uint32_t rows,
                       uint32_t batch) {
    cases.push_back(testing::MakeCase(p, {in}, rows, batch));
  };
  add({1, 1, 1}, {0.5f, 0}, 1, 1);
  add({12, 19, 55}, {0.3f, 0}, 2, 3);  // enough for three threads
  add({4, 5, 6}, {0.0f, 0}, 2, 3);
  add({4, 5, 6}, {0.0f, 1}, 2, 3);
  add({4, 5, 6}, {0.999f, 0}, 2, 3);
  while (cases.size() < 30) {
    const uint32_t rows = draw(1, 5), batch = rows + draw(0, 3);
    const DropoutParams p{0.01f * static_cast<float>(draw(0, 95)), draw(0, 1)};
    add({draw(1, 7), draw(1, 7), draw(1, 35)}, p, rows, batch);
  }
  return cases;
}

TEST(Dropout, MatchesTheTwin) {
  uint32_t parts = 0;
  for (const LayerCase& c : Cases()) {
    EXPECT_EQ(c.in[0], c.out);
    TestLayer(c, kTwin, &parts);
  }
  EXPECT_EQ(parts, 3u);
}

TEST(Dropout, TwinMatchesCentralDifferences) {
  uint32_t checked = 0;
  for (const LayerCase& c : Cases()) {
    if (testing::TwinWork(c) > 1000000) continue;
    CheckTwin(c, kTwin);
    ++checked;
  }
  EXPECT_GE(checked, 20u);
}

// Ones in both directions.
LayerData Ones(const LayerCase& c) {
  LayerData data = MakeData(c, kTwin);
  data.x[0] = Buffer(data.x[0].size(), 1.0f);
  data.dy = data.x[0];
  return data;
}

TEST(Dropout, BackwardDropsWhatForwardDropped) {
  for (const LayerCase& c : Cases()) {
    const auto run = RunLayer(c, Ones(c), {c.mode}, {});
    EXPECT_TRUE(run.y.SameBits(run.dx[0]));
    const float factor = static_cast<float>(Factor(c.node.As<DropoutParams>()));
    for (size_t i = 0; i < run.y.size(); ++i) {
      if (run.y[i] != 0.0f) {
        EXPECT_NEAR(run.y[i], factor, 1e-6 * factor);
      }
    }
  }
}

TEST(Dropout, RateZeroIsTheIdentity) {
  for (const uint32_t classic : {0u, 1u}) {
    const LayerCase c =
        testing::MakeCase(DropoutParams{0.0f, classic}, {{5, 7, 9}}, 3);
    const LayerData data = MakeData(c, kTwin);
    for (const bool training : {false, true}) {
      const auto run = RunLayer(c, data, {c.mode, training}, {});
      EXPECT_TRUE(run.y.SameBits(data.x[0]));
      if (training) {
        EXPECT_TRUE(run.dx[0].SameBits(data.dy));
      }
    }
  }
}

TEST(Dropout, KeepsTheMean) {
  for (const float rate : {0.1f, 0.5f, 0.8f}) {
    for (const uint32_t classic : {0u, 1u}) {
      const LayerCase c =
          testing::MakeCase(DropoutParams{rate, classic}, {{1, 1, 25000}}, 4);
      const LayerData data = Ones(c);
      const auto trained = RunLayer(c, data, {c.mode}, {});
      const auto evaluated = RunLayer(c, data, {c.mode, false}, {});
      double sum = 0.0;
      uint32_t kept = 0;
      for (size_t i = 0; i < trained.y.size(); ++i) {
        sum += trained.y[i];
        kept += trained.y[i] != 0.0f;
      }
      const double n = static_cast<double>(trained.y.size());
      // Five standard deviations of a binomial share.
      EXPECT_NEAR(kept / n, 1 - rate, 5 * std::sqrt(rate * (1 - rate) / n));
      // Evaluation gives what training gives on average.
      EXPECT_NEAR(sum / n, evaluated.y[0],
                  5 * Factor(c.node.As<DropoutParams>()) *
                      std::sqrt(rate * (1 - rate) / n));
      EXPECT_FLOAT_EQ(evaluated.y[0], classic ? 1 - rate : 1.0f);
    }
  }
}

// The mask by itself, of a batch with the given ids.
struct Key {
  uint64_t seed = 11;
  uint32_t epoch = 2, node = testing::kTestNode;
  std::vector<uint64_t> ids = {40, 41, 42};
};
constexpr uint32_t kFeatures = 1000;
std::vector<bool> Kept(const Key& key, bool backward_reaches = true) {
  const uint32_t rows = static_cast<uint32_t>(key.ids.size());
  const LayerCase c =
      testing::MakeCase(DropoutParams{}, {{1, 1, kFeatures}}, rows);
  NodeMode mode = c.mode;
  mode.backward = mode.need_dx[0] = backward_reaches;
  Buffer x(rows * kFeatures, 1.0f), y(rows * kFeatures);
  StepContext step;
  step.sample_ids = key.ids.data();
  step.rows = rows;
  step.seed = key.seed;
  step.epoch = key.epoch;
  step.training = true;
  const float* const px[] = {x};
  const ParallelRunner parallel;
  OpOf(LayerKind::kDropout).forward({c.node,      key.node, mode,
                                     c.in.data(), c.out,    StepKind::kForward,
                                     rows,        0,        rows,
                                     step,        parallel, px,
                                     nullptr,     y,        nullptr,
                                     nullptr,     nullptr,  nullptr,
                                     nullptr,     nullptr,  nullptr});
  std::vector<bool> kept;
  for (size_t i = 0; i < y.size(); ++i) kept.push_back(y[i] != 0.0f);
  return kept;
}
double Share(const std::vector<bool>& a, const std::vector<bool>& b) {
  size_t same = 0;
  for (size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
  return static_cast<double>(same) / static_cast<double>(a.size());
}

TEST(Dropout, MaskIsAFunctionOfItsKeyAlone) {
  const Key key;
  const std::vector<bool> mask = Kept(key);
  EXPECT_EQ(mask, Kept(key));
  // Independent masks agree at half of the places: six deviations of 3000.
  const double far = 6 * 0.5 / std::sqrt(3.0 * kFeatures);
  Key other = key;
  other.seed = 12;
  EXPECT_NEAR(Share(mask, Kept(other)), 0.5, far);
  other = key;
  other.seed += uint64_t{1} << 32;
  EXPECT_NEAR(Share(mask, Kept(other)), 0.5, far);
  other = key;
  other.epoch = 3;
  EXPECT_NEAR(Share(mask, Kept(other)), 0.5, far);
  other = key;
  other.node = 6;
  EXPECT_NEAR(Share(mask, Kept(other)), 0.5, far);
  other = key;
  other.ids = {50, 51, 52};
  EXPECT_NEAR(Share(mask, Kept(other)), 0.5, far);
  // A sample keeps its mask wherever it lies in whichever batch.
  other.ids = {7, 42, 9, 40};
  const std::vector<bool> moved = Kept(other);
  for (uint32_t i = 0; i < kFeatures; ++i) {
    ASSERT_EQ(moved[kFeatures + i], mask[2 * kFeatures + i]);
    ASSERT_EQ(moved[3 * kFeatures + i], mask[i]);
  }
}

// Below a trained head on frozen features no gradient arrives, but the head
// must see the same noise as if the features trained.
TEST(Dropout, DropsAboveFrozenLayersToo) {
  EXPECT_EQ(Kept(Key(), false), Kept(Key(), true));
}

// What plans rely on: one buffer in each direction, no mask in memory.
TEST(Dropout, WorksInPlaceAndKeepsNothing) {
  const LayerCase c = Cases()[0];
  const Needs needs = NeedsOf(c, c.mode, 1);
  EXPECT_TRUE(needs.in_place && needs.in_place_backward);
  EXPECT_FALSE(needs.keep_output || needs.keep_input[0]);
  EXPECT_EQ(needs.saved_bytes, 0u);
}

}  // namespace
}  // namespace temper
