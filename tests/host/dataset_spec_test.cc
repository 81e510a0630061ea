// Data specs: the grammar, and the selection that a spec makes.
#include <algorithm>
#include <numeric>
#include <set>

#include "ports/host/data/dataset.h"
#include "ports/host/data/selection.h"
#include "temper/random.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;
using ::temper::testing::TempFolder;

TEST(DataSpec, TakesEveryOption) {
  const DataSpec spec = ParseDataSpec(
      "idx:/a/b?classes=0-3,8&names=a,b&per_class=20&split=val&val=0.25&seed="
      "18446744073709551615");
  EXPECT_EQ(spec.kind, "idx");
  EXPECT_EQ(spec.path, "/a/b");
  EXPECT_EQ(spec.classes, (std::vector<std::string>{"0-3", "8"}));
  EXPECT_EQ(spec.names.list, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(spec.per_class.size(), 1u);
  EXPECT_EQ(spec.per_class[0].classes, "");
  EXPECT_EQ(spec.per_class[0].count, 20u);
  EXPECT_EQ(spec.split, "val");
  EXPECT_EQ(spec.val, 0.25);
  EXPECT_EQ(spec.seed, UINT64_MAX);
  EXPECT_FALSE(spec.limit.has_value());
}

TEST(DataSpec, Defaults) {
  const DataSpec spec = ParseDataSpec("idx:data");
  EXPECT_EQ(spec.split, "train");
  EXPECT_EQ(spec.val, 0.0);
  EXPECT_FALSE(spec.seed.has_value());
  EXPECT_TRUE(spec.classes.empty() && spec.names.list.empty() &&
              spec.per_class.empty());
}

TEST(DataSpec, PathsMayHoldColonsAndQuestionMarks) {
  EXPECT_EQ(ParseDataSpec("idx:a:b?c?limit=3").path, "a:b?c");
  EXPECT_EQ(ParseDataSpec("idx:x?names=f.txt").names.file, "f.txt");
}

TEST(DataSpec, PerClassLists) {
  const DataSpec spec = ParseDataSpec("idx:a?per_class=0-4:20,7:3,a:b:1");
  ASSERT_EQ(spec.per_class.size(), 3u);
  EXPECT_EQ(spec.per_class[0].classes, "0-4");
  EXPECT_EQ(spec.per_class[0].count, 20u);
  EXPECT_EQ(spec.per_class[2].classes, "a:b");
}

TEST(DataSpec, RefusesWhatIsWrong) {
  const struct {
    const char* text;
    std::vector<std::string> words;
  } cases[] = {
      {"", {"kind of data is missing"}},
      {"fashion-mnist", {"kind of data is missing", "idx:fashion-mnist"}},
      {"idy:x", {"no kind of data 'idy'", "Did you mean 'idx'?"}},
      {"idx:", {"path is empty"}},
      {"idx:?limit=3", {"path is empty"}},
      {"idx:x?", {"option is empty"}},
      {"idx:x?limit=3&", {"option is empty"}},
      {"idx:x?&limit=3", {"option is empty"}},
      {"idx:x?=3", {"option is empty"}},
      {"idx:x?limt=3", {"no option 'limt'", "Did you mean 'limit'?"}},
      {"idx:x?wibble=3", {"no option 'wibble'", "Known: split"}},
      {"idx:x?limit", {"value is missing"}},
      {"idx:x?limit=", {"limit", "value is missing"}},
      {"idx:x?limit=3&limit=3", {"given twice"}},
      {"idx:x?limit=0", {"too small"}},
      {"idx:x?limit=-1", {"'-1' is not a whole number"}},
      {"idx:x?limit=+1", {"not a whole number"}},
      {"idx:x?limit=1.5", {"not a whole number"}},
      {"idx:x?limit=1O0", {"'1O0' is not a whole number"}},
      {"idx:x?limit= 1", {"not a whole number"}},
      {"idx:x?limit=18446744073709551616", {"not a whole number"}},
      {"idx:x?per_class=0", {"too small"}},
      {"idx:x?per_class=0:", {"not a whole number"}},
      {"idx:x?per_class=:5", {"not CLASS:COUNT"}},
      {"idx:x?per_class=0:5,3", {"not CLASS:COUNT"}},
      {"idx:x?per_class=0:5,,1:3", {"empty item"}},
      {"idx:x?classes=,1", {"empty item"}},
      {"idx:x?classes=1,", {"empty item"}},
      {"idx:x?names=a,,b", {"empty item"}},
      {"idx:x?split=tset", {"no split 'tset'", "Did you mean 'test'?"}},
      {"idx:x?val=0", {"out of range"}},
      {"idx:x?val=1", {"out of range"}},
      {"idx:x?val=1.0", {"out of range"}},
      {"idx:x?val=-0.1", {"not a fraction"}},
      {"idx:x?val=nan", {"not a fraction"}},
      {"idx:x?val=1e-1", {"not a fraction"}},
      {"idx:x?val=0,1", {"not a fraction"}},
      {"idx:x?val=0.1.2", {"not a fraction"}},
      {"idx:x?val=.", {"not a fraction"}},
      {"idx:x?seed=1", {"nothing is chosen at random"}},
      {"idx:x?seed=-1&val=0.1", {"not a whole number"}},
      {"idx:x?split=val", {"val= holds out"}},
      {"idx:x?split=test&val=0.1", {"split=test"}},
      {"idx:x?limit=5&per_class=5", {"contradicts"}},
      {"idx:x?\x1b[31m=5", {"\\x1b[31m"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    ExpectFailure(ErrorKind::kUsage, c.words,
                  [&] { (void)ParseDataSpec(c.text); });
  }
  ExpectFailure(ErrorKind::kUsage, {"longer than"}, [] {
    (void)ParseDataSpec("idx:" + std::string(100'000, 'x'));
  });
  ExpectFailure(ErrorKind::kUsage, {"zero byte"},
                [] { (void)ParseDataSpec(std::string_view("idx:a\0b", 7)); });
}

// 30 samples with labels 0, 1, 2, 0, 1, 2, ...
std::vector<int32_t> Labels(size_t n = 30, int32_t classes = 3) {
  std::vector<int32_t> labels(n);
  for (size_t i = 0; i < n; ++i) {
    labels[i] = static_cast<int32_t>(i) % classes;
  }
  return labels;
}

Selection SelectText(const std::string& options,
                     const std::vector<int32_t>& labels,
                     const std::vector<std::string>& names = {}) {
  return Select(ParseDataSpec("idx:x?" + options), labels, names);
}

TEST(Selection, ClassesAreRenumberedInTheOrderGiven) {
  const Selection s = SelectText("classes=8,0-2,5", Labels(20, 10));
  EXPECT_EQ(s.class_names, (std::vector<std::string>{"8", "0", "1", "2", "5"}));
  EXPECT_EQ(s.new_label,
            (std::vector<int32_t>{1, 2, 3, -1, -1, 4, -1, -1, 0, -1}));
  EXPECT_EQ(s.train,
            (std::vector<uint32_t>{0, 1, 2, 5, 8, 10, 11, 12, 15, 18}));
  EXPECT_TRUE(s.val.empty());
}

TEST(Selection, KeepsOriginalNames) {
  const Selection s = SelectText("classes=2,0&names=cat,dog,emu", Labels());
  EXPECT_EQ(s.class_names, (std::vector<std::string>{"emu", "cat"}));
  EXPECT_EQ(SelectText("classes=emu,0&names=cat,dog,emu", Labels()).class_names,
            s.class_names);
}

TEST(Selection, RefusesBadClasses) {
  const auto expect = [&](const char* options, std::vector<std::string> words) {
    SCOPED_TRACE(options);
    ExpectFailure(ErrorKind::kUsage, words,
                  [&] { (void)SelectText(options, Labels()); });
  };
  expect("classes=3", {"label 3 is out of range: the highest is 2"});
  expect("classes=0-18446744073709551615", {"out of range"});
  expect("classes=0-99999999999999999999", {"no such class"});
  expect("classes=2-0", {"runs backwards"});
  expect("classes=0,0", {"class '0' is there twice"});
  expect("classes=0-1,1-2", {"class '1' is there twice"});
  expect("classes=1-", {"no such class"});
  expect("classes=-1", {"no such class"});
  expect("classes=dgo&names=cat,dog,emu", {"no such class", "mean 'dog'"});
  expect("classes=1&names=1,dog,emu", {"both a label and the name of label 0"});
  expect("classes=0&per_class=1:5", {"leaves out '1'"});
  expect("per_class=0-1:5,1:6", {"class '1' is there twice"});
}

TEST(Selection, RefusesBadNames) {
  const auto expect = [&](const std::string& options,
                          std::vector<std::string> words) {
    SCOPED_TRACE(options);
    ExpectFailure(ErrorKind::kBadData, words,
                  [&] { (void)SelectText(options, Labels()); });
  };
  expect("names=a,b", {"sample 2", "label 2 is out of range", "2 names"});
  expect("names=a,b,a", {"name 2", "there twice"});
  expect("names=a,b,\x1b", {"name 2", "control character"});
  expect("names=a,b," + std::string(256, 'x'), {"longer than 255"});
  // A name more than there are labels: a class without samples.
  expect("names=a,b,c,d", {"class 'd' has no sample"});
  EXPECT_EQ(SelectText("names=a,b,c,d&classes=0-2", Labels()).train.size(),
            30u);
  EXPECT_EQ(SelectText("names=a,b,c,d&split=test", Labels()).notes.size(), 1u);
}

TEST(Selection, ANumberThatIsNoLabelIsAName) {
  const auto names = [](const std::string& classes, const std::string& list) {
    return SelectText("classes=" + classes + "&names=" + list, Labels())
        .class_names;
  };
  const std::string tens = "10,20,30,40,50,60,70,80,90";
  EXPECT_EQ(names("20", tens), (std::vector<std::string>{"20"}));
  EXPECT_EQ(names("20,0-1", "10,30,20,40,50,60,70,80,90"),
            (std::vector<std::string>{"20", "10", "30"}));
  // Both: refused with the two ways out, which are ways out.
  const std::string ones = "1,2,3,4,5,6,7,8,9";
  ExpectFailure(ErrorKind::kUsage,
                {"classes=2", "label 1", "Write 1-1", "2-2 for what"},
                [&] { names("2", ones); });
  EXPECT_EQ(names("1-1,2-2", ones), (std::vector<std::string>{"2", "3"}));
  ExpectFailure(ErrorKind::kUsage, {"label 30 is out of range", "0 to 8"},
                [&] { names("20-30", tens); });
}

TEST(DataSpec, ExpandsTheHomeFolder) {
  const char* const home = std::getenv("HOME");
  const std::string old = home == nullptr ? "" : home;
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(ParseDataSpec("idx:~/d").path, "/home/me/d");
  EXPECT_EQ(ParseDataSpec("idx:~").path, "/home/me");
  EXPECT_EQ(ParseDataSpec("idx:~me/d").path, "~me/d");
  EXPECT_EQ(ParseDataSpec("idx:./~/d").path, "./~/d");
  EXPECT_EQ(ParseDataSpec("idx:d?names=~/n.txt").names.file, "/home/me/n.txt");
  unsetenv("HOME");
  ExpectFailure(ErrorKind::kUsage, {"HOME is not set"},
                [] { ParseDataSpec("idx:~/d"); });
  if (home != nullptr) setenv("HOME", old.c_str(), 1);
}

TEST(Selection, ReadsNamesFromAFile) {
  const TempFolder folder;
  folder.Write("names.txt", "cat\r\ndog\nemu");
  const std::string option = "names=" + folder.File("names.txt");
  EXPECT_EQ(SelectText(option, Labels()).class_names,
            (std::vector<std::string>{"cat", "dog", "emu"}));
  folder.Write("names.txt", "cat\n\nemu\n");
  ExpectFailure(ErrorKind::kBadData, {"names.txt, name 1", "empty"},
                [&] { (void)SelectText(option, Labels()); });
  folder.Write("names.txt", std::string((1 << 20) + 1, 'x'));
  ExpectFailure(ErrorKind::kBadData, {"the limit is"},
                [&] { (void)SelectText(option, Labels()); });
  ExpectFailure(ErrorKind::kNotFound, {"no-such-file"},
                [&] { (void)SelectText("names=/no-such-file", Labels()); });
  ExpectFailure(ErrorKind::kBadData, {"it is a folder"},
                [&] { (void)SelectText("names=" + folder.path(), Labels()); });
}

TEST(Selection, LimitTakesTheFirstAfterTheClasses) {
  const Selection s = SelectText("classes=1-2&limit=5", Labels());
  EXPECT_EQ(s.train, (std::vector<uint32_t>{1, 2, 4, 5, 7}));
  EXPECT_EQ(SelectText("limit=100", Labels()).train.size(), 30u);
  // A limit may leave a class without samples; the user is told.
  const Selection one = SelectText("limit=2", Labels());
  ASSERT_EQ(one.notes.size(), 1u);
  EXPECT_EQ(one.notes[0], "class '2' has no sample");
}

TEST(Selection, PerClassTakesTheFirstWithoutASeed) {
  const Selection s = SelectText("per_class=2", Labels());
  EXPECT_EQ(s.train, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
  const Selection some = SelectText("per_class=0:1,1-2:2", Labels());
  EXPECT_EQ(some.train, (std::vector<uint32_t>{0, 1, 2, 4, 5}));
  // Classes that the list does not name keep all their samples.
  EXPECT_EQ(SelectText("per_class=2:1", Labels()).train.size(), 21u);
  const Selection few = SelectText("per_class=50", Labels());
  EXPECT_EQ(few.train.size(), 30u);
  ASSERT_EQ(few.notes.size(), 3u);
  EXPECT_EQ(few.notes[0], "class '0' has only 10 of 50 samples");
}

// The choice is exactly the N samples of each class with the smallest (Philox
// word, index).
TEST(Selection, PerClassWithASeedFollowsPhilox) {
  const std::vector<int32_t> labels = Labels(300, 3);
  const Selection s = SelectText("per_class=7&seed=5", labels);
  std::vector<uint32_t> expected;
  for (int32_t c = 0; c < 3; ++c) {
    std::vector<std::pair<uint32_t, uint32_t>> keys;
    for (uint32_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != c) continue;
      keys.emplace_back(Philox(5, {i / 4, 0, 0, (5u << 16) + 1})[i % 4], i);
    }
    std::sort(keys.begin(), keys.end());
    for (size_t k = 0; k < 7; ++k) expected.push_back(keys[k].second);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(s.train, expected);
  EXPECT_NE(SelectText("per_class=7&seed=6", labels).train, expected);
  // A sample's rank does not depend on the other classes.
  const Selection part = SelectText("per_class=7&seed=5&classes=1", labels);
  for (const uint32_t i : part.train) {
    EXPECT_TRUE(std::binary_search(expected.begin(), expected.end(), i)) << i;
  }
}

TEST(Selection, ValHoldsOutAPartOfEachClass) {
  const std::vector<int32_t> labels = Labels(300, 3);
  const Selection s = SelectText("val=0.1&seed=1", labels);
  EXPECT_EQ(s.val.size(), 30u);
  EXPECT_EQ(s.train.size(), 270u);
  std::set<uint32_t> all(s.train.begin(), s.train.end());
  all.insert(s.val.begin(), s.val.end());
  EXPECT_EQ(all.size(), 300u);
  std::vector<int> counts(3, 0);
  for (const uint32_t i : s.val) ++counts[static_cast<size_t>(labels[i])];
  EXPECT_EQ(counts, (std::vector<int>{10, 10, 10}));
  EXPECT_TRUE(std::is_sorted(s.val.begin(), s.val.end()));
  EXPECT_EQ(SelectText("val=0.1&seed=1&split=val", labels).val, s.val);
  EXPECT_NE(SelectText("val=0.1&seed=2", labels).val, s.val);
  EXPECT_EQ(SelectText("val=0.1", labels).val,
            SelectText("val=0.1&seed=0", labels).val);
}

TEST(Selection, ValRoundsToNearest) {
  const std::vector<int32_t> labels = Labels(30, 3);  // 10 of each
  EXPECT_EQ(SelectText("val=0.14", labels).val.size(), 3u);
  EXPECT_EQ(SelectText("val=0.16", labels).val.size(), 6u);
  EXPECT_EQ(SelectText("val=0.25", labels).val.size(), 9u);  // 2.5: up
}

TEST(Selection, ValLeavesBothPartsSomething) {
  // 2 of class 0, 1 of class 1.
  const std::vector<int32_t> labels = {0, 1, 0};
  for (const char* option : {"val=0.01", "val=0.99"}) {
    SCOPED_TRACE(option);
    const Selection s = SelectText(option, labels);
    EXPECT_EQ(s.val.size(), 1u);
    EXPECT_EQ(s.train.size(), 2u);
    ASSERT_EQ(s.notes.size(), 1u);
    EXPECT_NE(s.notes[0].find("one sample only"), std::string::npos);
  }
  ExpectFailure(ErrorKind::kBadData, {"too few samples"},
                [&] { (void)SelectText("val=0.5&classes=1", labels); });
}

TEST(Selection, TestAndValPartEachClass) {
  std::vector<int32_t> labels;
  for (int32_t i = 0; i < 200; ++i) labels.push_back(i < 40 ? 1 : 0);
  const Selection s =
      Select(ParseDataSpec("idx:x?val=0.25&test=0.1&seed=3"), labels, {});
  EXPECT_EQ(s.test.size(), 20u);  // 16 and 4
  EXPECT_EQ(s.val.size(), 50u);   // 40 and 10, of the whole
  EXPECT_EQ(s.train.size(), 130u);
  EXPECT_EQ(std::count_if(s.test.begin(), s.test.end(),
                          [](uint32_t i) { return i < 40; }),
            4);
  std::set<uint32_t> all(s.train.begin(), s.train.end());
  all.insert(s.val.begin(), s.val.end());
  all.insert(s.test.begin(), s.test.end());
  EXPECT_EQ(all.size(), 200u);
  // The test part is the same whatever validation takes.
  EXPECT_EQ(Select(ParseDataSpec("idx:x?test=0.1&seed=3"), labels, {}).test,
            s.test);
  EXPECT_NE(Select(ParseDataSpec("idx:x?test=0.1&seed=4"), labels, {}).test,
            s.test);
}

TEST(Selection, FoldsArePartsOfEachClass) {
  std::vector<int32_t> labels;
  for (int32_t i = 0; i < 100; ++i) labels.push_back(i % 4);
  std::set<uint32_t> all;
  for (int fold = 1; fold <= 3; ++fold) {
    const Selection s =
        Select(ParseDataSpec("idx:x?folds=3&fold=" + std::to_string(fold)),
               labels, {});
    EXPECT_GE(s.val.size(), 33u);
    EXPECT_LE(s.val.size(), 34u);
    EXPECT_EQ(s.train.size() + s.val.size(), 100u);
    for (const uint32_t i : s.val) EXPECT_TRUE(all.insert(i).second);
    int of_class[4] = {};
    for (const uint32_t i : s.val) ++of_class[labels[i]];
    for (const int count : of_class) EXPECT_GE(count, 8);
  }
  EXPECT_EQ(all.size(), 100u);
}

TEST(Selection, EveryFoldHasASample) {
  // Group c fills folds c, c + 1, ...: of 3, 2 and 2 samples the fourth is the last.
  const std::vector<int32_t> labels = {0, 1, 2, 0, 1, 2, 0};
  const auto select = [&](const std::string& options) {
    (void)Select(ParseDataSpec("idx:x?" + options), labels, {});
  };
  for (int fold = 1; fold <= 4; ++fold) {
    select("folds=4&fold=" + std::to_string(fold));
  }
  for (const char* const folds : {"5", "7"}) {
    ExpectFailure(ErrorKind::kUsage, {"of 7 samples in 3 classes", "Use 4 fol"},
                  [&] { select(std::string("fold=1&folds=") + folds); });
  }
  ExpectFailure(ErrorKind::kUsage, {"7 samples for 1000000000 folds"},
                [&] { select("folds=1000000000&fold=1"); });
  // A class that limit= leaves nothing of: the second group alone fills all.
  for (int fold = 1; fold <= 3; ++fold) {
    (void)Select(
        ParseDataSpec("idx:x?limit=3&folds=3&fold=" + std::to_string(fold)),
        {1, 1, 1, 0}, {});
  }
  // The folds are those of what test= leaves.
  ExpectFailure(ErrorKind::kUsage, {"4 samples", "Use 3 folds"},
                [&] { select("test=0.4&folds=4&fold=1"); });
}

TEST(Selection, EmptyAndOddData) {
  ExpectFailure(ErrorKind::kBadData, {"no samples"},
                [] { (void)Select(ParseDataSpec("idx:x"), {}, {}); });
  ExpectFailure(ErrorKind::kBadData, {"class '1' has no sample"}, [] {
    (void)Select(ParseDataSpec("idx:x"), {0, 2}, {});
  });
  ExpectFailure(ErrorKind::kBadData, {"sample 1", "label 2147483647"}, [] {
    (void)Select(ParseDataSpec("idx:x"), {0, 2147483647}, {});
  });
  EXPECT_EQ(SelectText("classes=1", Labels()).notes.size(), 1u);  // one class
}

}  // namespace
}  // namespace temper::host
