// class_weights: counts and their formula, lists; a file's text is the fuzz
// target's and the command's tests'.
#include "ports/host/train/class_weights.h"

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;

Dataset Counted(const std::vector<size_t>& counts) {
  Dataset data;
  for (size_t c = 0; c < counts.size(); ++c) {
    data.class_names.push_back(std::to_string(c));
    for (size_t i = 0; i < counts[c]; ++i) {
      data.labels.push_back(static_cast<int32_t>(c));
      data.ids.push_back(data.ids.size());
    }
  }
  return data;
}

TEST(ClassWeights, BalancedIsTheFormula) {
  const Dataset data = Counted({90, 10, 0, 20});
  const std::vector<float> w = ClassWeights("balanced", data);
  ASSERT_EQ(w.size(), 4u);
  EXPECT_FLOAT_EQ(w[0], 120.0f / (3 * 90));
  EXPECT_FLOAT_EQ(w[1], 120.0f / (3 * 10));
  EXPECT_FLOAT_EQ(w[2], 1.0f);  // never comes
  EXPECT_FLOAT_EQ(w[3], 120.0f / (3 * 20));
  // The mean over the samples is 1: the rate needs no change.
  EXPECT_FLOAT_EQ(w[0] * 90 + w[1] * 10 + w[3] * 20, 120.0f);
}

TEST(ClassWeights, OfSeveralLabelsWhatOneThatIsThereCounts) {
  Dataset data;
  data.targets = {TargetKind::kMultiHot, 3};
  data.class_names = {"a", "b", "c"};
  for (size_t i = 0; i < 10; ++i) {
    data.ids.push_back(i);
    for (const bool there : {i < 2, true, false}) {
      data.values.push_back(there ? 1.0f : 0.0f);
    }
  }
  EXPECT_EQ(ClassWeights("balanced", data), (std::vector<float>{4, 1, 1}));
}

TEST(ClassWeights, Lists) {
  const Dataset data = Counted({1, 1});
  EXPECT_TRUE(ClassWeights("", data).empty());
  EXPECT_EQ(ClassWeights("0.5, 3", data), (std::vector<float>{0.5f, 3}));
  EXPECT_EQ(ClassWeights("1e-3,+2E0", data), (std::vector<float>{1e-3f, 2}));
  for (const char* bad :
       {"1", "1,2,3", "0,0", "1,x", "1,,2", "1,-1", "1,nan"}) {
    ExpectFailure(ErrorKind::kUsage, {"--class-weights"},
                  [&] { (void)ClassWeights(bad, data); });
  }
}

TEST(ClassWeights, Imbalance) {
  EXPECT_DOUBLE_EQ(Imbalance(Counted({90, 10, 30})), 9.0);
  EXPECT_DOUBLE_EQ(Imbalance(Counted({5, 0})), 0.0);
  EXPECT_DOUBLE_EQ(Imbalance(Dataset()), 0.0);
}

}  // namespace
}  // namespace temper::host
