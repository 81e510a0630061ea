// Which class of a model each class of a data set is.
#include "ports/host/data/class_match.h"

#include <algorithm>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;
using Names = std::vector<std::string>;
using Indices = std::vector<int32_t>;

// One sample of each class.
Dataset Data(const Names& names, const std::vector<uint32_t>& labels,
             uint32_t label_count = 0) {
  Dataset data;
  for (const uint32_t label : labels) {
    label_count = std::max(label_count, label + 1);
  }
  data.label_count = label_count;
  data.source = "idx:x";
  data.class_labels = labels;
  data.named = !names.empty();
  data.class_names = names;
  for (const uint32_t label : labels) {
    if (names.empty()) data.class_names.push_back(std::to_string(label));
    data.labels.push_back(static_cast<int32_t>(data.labels.size()));
  }
  return data;
}

TEST(ClassMatch, NamesDecide) {
  const ClassMatch all =
      MatchClassNames(Data({"b", "a"}, {0, 1}), {"a", "b", "c"});
  EXPECT_EQ(all.to_model, (Indices{1, 0}));
  EXPECT_FALSE(all.by_label || all.none);
  // Some are known: the others are not guessed.
  EXPECT_EQ(MatchClassNames(Data({"b", "x"}, {0, 1}), {"a", "b"}).to_model,
            (Indices{1, -1}));
  EXPECT_EQ(MatchClassNames(Data({}, {3, 1}), {"0", "1", "2"}).to_model,
            (Indices{-1, 1}));
}

TEST(ClassMatch, LabelsWithoutNamesAreIndices) {
  const Names model = {"shirt", "coat", "bag"};
  const ClassMatch match = MatchClassNames(Data({}, {0, 1, 2}), model);
  EXPECT_EQ(match.to_model, (Indices{0, 1, 2}));
  EXPECT_TRUE(match.by_label);
  EXPECT_NE(match.note.find("0 is 'shirt'"), std::string::npos) << match.note;
  // Selections of the labels, in any order: labels stay what they are.
  EXPECT_EQ(MatchClassNames(Data({}, {2}, 3), model).to_model, (Indices{2}));
  EXPECT_EQ(MatchClassNames(Data({}, {1, 0, 2}, 3), model).to_model,
            (Indices{1, 0, 2}));
  // More or fewer labels than classes: the model knows a selection, or the data
  // is of something else. The labels of its classes are not known.
  EXPECT_TRUE(MatchClassNames(Data({}, {5, 7, 9}, 10), model).none);
  EXPECT_TRUE(MatchClassNames(Data({}, {1, 2}, 4), model).none);
  EXPECT_TRUE(MatchClassNames(Data({}, {0, 1, 2, 3}), model).none);
  EXPECT_TRUE(MatchClassNames(Data({}, {0, 1}), model).none);
}

TEST(ClassMatch, AModelWithoutNamesKnowsLabels) {
  const ClassMatch match =
      MatchClassNames(Data({"bag", "shirt"}, {2, 0}), {"0", "1", "2"});
  EXPECT_EQ(match.to_model, (Indices{2, 0}));
  EXPECT_TRUE(match.by_label);
  EXPECT_EQ(MatchClassNames(Data({"a", "b"}, {6, 5}), {"5", "6"}).to_model,
            (Indices{1, 0}));
  // Some of them: the others are new.
  EXPECT_EQ(MatchClassNames(Data({"a", "b"}, {6, 7}), {"5", "6"}).to_model,
            (Indices{1, -1}));
  EXPECT_TRUE(MatchClassNames(Data({"a", "b"}, {0, 1}), {"5", "6"}).none);
  // Names of the data that are numbers are names still.
  EXPECT_EQ(MatchClassNames(Data({"10", "20"}, {0, 1}), {"0", "1"}).to_model,
            (Indices{0, 1}));
}

// Folders 0, 1, 2 of the data are whatever the alphabet made of them.
TEST(ClassMatch, PlacesOfNamesMeanNothing) {
  Dataset data = Data({"bag", "coat", "shirt"}, {0, 1, 2});
  EXPECT_TRUE(MatchClassNames(data, {"0", "1", "2"}).by_label);
  data.label_is_place = true;
  EXPECT_TRUE(MatchClassNames(data, {"0", "1", "2"}).none);
  EXPECT_EQ(MatchClassNames(data, {"shirt", "bag", "x"}).to_model,
            (Indices{1, -1, 0}));
}

TEST(ClassMatch, WhatCannotBeMatchedIsRefused) {
  const Names model = {"shirt", "coat"};
  Dataset other = Data({"cat", "dog"}, {0, 1});
  EXPECT_TRUE(MatchClassNames(other, model).none);
  ExpectFailure(ErrorKind::kMismatch, {"'cat'", "'shirt'", "names=shirt,coat"},
                [&] { MatchClasses(other, model); });
  ExpectFailure(ErrorKind::kMismatch, {"names=FILE"}, [&] {
    RefuseClasses(other, {"a,b", "c"});
  });
  // A selection: the remedy names all labels, as names= wants them.
  ExpectFailure(ErrorKind::kMismatch, {"names=0,1,2,shirt,coat"}, [&] {
    RefuseClasses(Data({}, {3, 4}), {"shirt", "coat"});
  });
  ExpectFailure(ErrorKind::kMismatch, {"all 10 labels", "names=FILE"}, [&] {
    RefuseClasses(Data({}, {3, 4, 5}, 10), {"shirt", "coat"});
  });
  Dataset numbers = Data({}, {1}, 2);
  MatchClasses(numbers, model);
  EXPECT_EQ(numbers.labels, (Indices{1}));
  EXPECT_EQ(numbers.class_names, model);
}

TEST(ClassMatch, ProbabilitiesMoveToTheModelsClasses) {
  const auto soft = [](const std::vector<float>& values) {
    Dataset data = Data({"b", "x", "a"}, {0, 1, 2});
    data.labels.clear();
    data.ids = {0, 1};
    data.targets = {TargetKind::kSoft, 3};
    data.values = values;
    return data;
  };
  Dataset data = soft({0.25f, 0, 0.75f, 1, 0, 0});
  MatchClasses(data, {"a", "b", "c", "d"});
  EXPECT_EQ(data.values, (std::vector<float>{0.75f, 0.25f, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(data.targets, (Targets{TargetKind::kSoft, 4}));
  EXPECT_EQ(data.ClassOf(0), 0);
  EXPECT_EQ(data.ClassOf(1), 1);
  Dataset other = soft({0.25f, 0, 0.75f, 0.5f, 0.5f, 0});
  ExpectFailure(ErrorKind::kBadData, {"no class 'x'", "sample 1", "0.5"}, [&] {
    MatchClasses(other, {"a", "b", "c"});
  });
}

}  // namespace
}  // namespace temper::host
