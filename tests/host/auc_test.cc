// The area under the ROC curve: against all pairs, with ties, and scikit-learn.
#include "ports/host/base/auc.h"

#include <gtest/gtest.h>

#include <limits>

#include "temper/random.h"

namespace temper::host {
namespace {

TEST(Auc, KnownValues) {
  // sklearn.metrics.roc_auc_score([0, 0, 1, 1], ...).
  const std::vector<bool> truth = {false, false, true, true};
  const auto auc = [&](std::vector<float> scores) {
    return RocAuc(scores, truth).value();
  };
  EXPECT_EQ(auc({0.1f, 0.4f, 0.35f, 0.8f}), 0.75);
  EXPECT_EQ(auc({1, 2, 3, 4}), 1.0);
  EXPECT_EQ(auc({4, 3, 2, 1}), 0.0);
  EXPECT_EQ(auc({1, 1, 1, 1}), 0.5);
  EXPECT_EQ(auc({1, 2, 2, 3}), 0.875);
  EXPECT_EQ(auc({-0.0f, 1, 0.0f, 2}), 0.625);
}

TEST(Auc, AgreesWithAllPairs) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<float> scores;
    std::vector<bool> truth;
    for (uint32_t i = 0; i < 60; ++i) {
      const uint32_t word = RandomWord(seed, i, 0, 0, 0);
      scores.push_back(static_cast<float>(word % (seed + 2)));  // many ties
      truth.push_back(word >> 31 != 0);
    }
    double won = 0, pairs = 0;
    for (size_t a = 0; a < 60; ++a) {
      for (size_t b = 0; b < 60; ++b) {
        if (!truth[a] || truth[b]) continue;
        ++pairs;
        won += scores[a] > scores[b] ? 1 : scores[a] == scores[b] ? 0.5 : 0;
      }
    }
    EXPECT_EQ(RocAuc(scores, truth).value(), won / pairs);
  }
}

TEST(Auc, NothingToCompare) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(RocAuc({}, {}));
  EXPECT_FALSE(RocAuc(std::vector<float>{1, 2}, {true, true}));
  EXPECT_FALSE(RocAuc(std::vector<float>{1, 2}, {false, false}));
  EXPECT_FALSE(RocAuc(std::vector<float>{1, nan}, {true, false}));
}

}  // namespace
}  // namespace temper::host
