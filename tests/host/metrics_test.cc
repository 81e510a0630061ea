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

// Of three classes: rows are the truth.
TEST(ConfusionMatrix, ByHand) {
  ConfusionMatrix m(3);
  m.Add(0, 0, 90), m.Add(0, 1, 10);
  m.Add(1, 0, 5), m.Add(1, 1, 5);
  EXPECT_DOUBLE_EQ(m.Accuracy().value(), 95.0 / 110);
  // The third class has no samples and nobody guesses it.
  EXPECT_DOUBLE_EQ(m.BalancedAccuracy().value(), (0.9 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(m.F1(0).value(), 180.0 / 195);
  EXPECT_DOUBLE_EQ(m.F1(1).value(), 10.0 / 25);
  EXPECT_DOUBLE_EQ(m.Precision(1).value(), 5.0 / 15);
  EXPECT_FALSE(m.F1(2));
  EXPECT_DOUBLE_EQ(m.MacroF1().value(), (180.0 / 195 + 0.4) / 2);
  m.Add(0, 2);  // now it counts, as 0
  EXPECT_DOUBLE_EQ(m.F1(2).value(), 0.0);
  EXPECT_DOUBLE_EQ(m.BalancedAccuracy().value(), (90.0 / 101 + 0.5) / 2);
  m.Clear();
  EXPECT_FALSE(m.Accuracy());
  EXPECT_FALSE(m.MacroF1());
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
