// metrics: against the definition by pairs, ties, the example of scikit-learn,
// what has no value.
#include "ports/host/train/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "temper/random.h"

namespace temper::host {
namespace {

double ByPairs(const std::vector<ScoredSample>& samples) {
  double won = 0, pairs = 0;
  for (const ScoredSample& p : samples) {
    for (const ScoredSample& n : samples) {
      if (!p.positive || n.positive) continue;
      ++pairs;
      won += p.score > n.score ? 1.0 : p.score == n.score ? 0.5 : 0.0;
    }
  }
  return won / pairs;
}

TEST(AreaUnderRoc, IsTheShareOfPairs) {
  for (uint32_t n = 2; n < 60; ++n) {
    std::vector<ScoredSample> samples;
    for (uint32_t i = 0; i < n; ++i) {
      // Few values, so that many are equal.
      const uint32_t word = RandomWord(n, i, 0, 0, 0);
      samples.push_back({static_cast<float>(word % 7), (word >> 8) % 3 == 0});
    }
    samples[0].positive = true, samples[1].positive = false;
    const double expected = ByPairs(samples);
    EXPECT_DOUBLE_EQ(AreaUnderRoc(samples).value(), expected) << n;
  }
}

TEST(AreaUnderRoc, ByHand) {
  const auto of = [](std::vector<ScoredSample> s) { return AreaUnderRoc(s); };
  // roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) = 0.75.
  EXPECT_EQ(of({{0.1f, false}, {0.4f, false}, {0.35f, true}, {0.8f, true}}),
            0.75);
  EXPECT_EQ(of({{1, false}, {1, true}, {1, true}}), 0.5);
  EXPECT_EQ(of({{2, false}, {1, true}}), 0.0);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(of({{-infinity, false}, {infinity, true}}), 1.0);
  EXPECT_FALSE(of({{1, true}, {2, true}}));
  EXPECT_FALSE(of({{1, false}}));
  EXPECT_FALSE(of({}));
  EXPECT_FALSE(of({{std::nanf(""), false}, {1, true}}));
}

TEST(AreaUnderRoc, SureModelsAreStillOrdered) {
  // Logits 0 and 20, 0 and 25: in float32 both probabilities of the second class
  // are 1, what is left for the first is not.
  const auto score = [](float gap) {
    const float small = std::exp(-gap);
    EXPECT_EQ(1.0f / (1.0f + small), 1.0f);
    return OddsOf(small / (1.0f + small), 1.0f / (1.0f + small));
  };
  EXPECT_LT(score(20), score(25));
  std::vector<ScoredSample> samples{{score(20), false}, {score(25), true}};
  EXPECT_EQ(AreaUnderRoc(samples), 1.0);
  EXPECT_LT(OddsOf(0.6f, 0.4f), OddsOf(0.4f, 0.6f));
}

void Add(ClassCounts* m, uint32_t truth, uint32_t guess, int times) {
  for (int i = 0; i < times; ++i) m->Add(truth, guess);
}

TEST(ClassCounts, ByHand) {
  ClassCounts m(3);
  Add(&m, 0, 0, 90), Add(&m, 0, 1, 10);
  Add(&m, 1, 0, 5), Add(&m, 1, 1, 5);
  // The third class has no samples and nobody guesses it.
  EXPECT_DOUBLE_EQ(m.BalancedAccuracy().value(), (0.9 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(m.F1(0).value(), 180.0 / 195);
  EXPECT_DOUBLE_EQ(m.F1(1).value(), 10.0 / 25);
  EXPECT_DOUBLE_EQ(m.Precision(1).value(), 5.0 / 15);
  EXPECT_FALSE(m.F1(2));
  EXPECT_DOUBLE_EQ(m.MacroF1().value(), (180.0 / 195 + 0.4) / 2);
  Add(&m, 0, 2, 1);  // now it counts, as 0
  EXPECT_DOUBLE_EQ(m.F1(2).value(), 0.0);
  EXPECT_DOUBLE_EQ(m.BalancedAccuracy().value(), (90.0 / 101 + 0.5) / 2);
  EXPECT_EQ(m.Samples(0), 101u);
  EXPECT_EQ(m.Told(0), 95u);
  m.Clear();
  EXPECT_FALSE(m.BalancedAccuracy());
  EXPECT_FALSE(m.MacroF1());
}

TEST(ClassCounts, OfSeveralLabels) {
  ClassCounts m(2);
  m.AddLabel(0, true, true), m.AddLabel(0, true, false);
  m.AddLabel(0, false, true), m.AddLabel(1, false, false);
  EXPECT_DOUBLE_EQ(m.Recall(0).value(), 0.5);
  EXPECT_DOUBLE_EQ(m.F1(0).value(), 0.5);
  EXPECT_FALSE(m.F1(1));
  EXPECT_DOUBLE_EQ(m.MacroF1().value(), 0.5);
}

TEST(ErrorSums, ByHand) {
  ErrorSums sums;
  EXPECT_FALSE(sums.Mae());
  sums.Add(1, 2), sums.Add(3, 0);
  EXPECT_DOUBLE_EQ(sums.Mae().value(), 2.0);
  EXPECT_DOUBLE_EQ(sums.Rmse().value(), std::sqrt(5.0));
}

}  // namespace
}  // namespace temper::host
