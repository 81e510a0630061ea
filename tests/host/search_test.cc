// Which values the trials of a search get, and what of a search is kept in its
// file. Trials themselves: tests/host/cli_search_test.py.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/os/workers.h"
#include "ports/host/search/rounds.h"
#include "ports/host/search/search_file.h"
#include "ports/host/search/space.h"

namespace temper::host {
namespace {

Axis Log(const char* name, double low, double high) {
  return {name, Axis::Scale::kLog, low, high, {}, 0};
}

SearchPlan PlanOf(uint32_t trials,
                  SearchMethod method = SearchMethod::kRandom) {
  SearchPlan plan;
  plan.axes = {Log("lr", 1e-4, 1.0),
               {"schedule", Axis::Scale::kChoice, 0, 0, {"a", "b", "c"}, 0}};
  plan.trials = trials;
  plan.method = method;
  plan.epochs = 9;
  plan.seed = 7;
  return plan;
}

TrialResult ResultOf(const TrialTask& task, double score) {
  TrialResult r;
  r.number = task.number;
  r.round = task.round;
  r.rung = task.rung;
  r.epochs = task.epochs;
  r.values = task.values;
  r.score = r.val_accuracy = score;
  r.val_loss = 1 - score;
  return r;
}

// As a training would judge: best at a rate of 0.02.
double ScoreOf(const TrialTask& task) {
  for (const auto& [name, value] : task.values) {
    if (name == "lr")
      return 1 - 0.1 * std::fabs(std::log10(std::stod(value) / 0.02));
  }
  return 0.5;
}

TEST(Space, ValuesAreOnTheirScaleAndKnown) {
  const Axis lr = Log("lr", 1e-4, 1.0);
  EXPECT_EQ(ValueAt(lr, 0), "0.0001");
  EXPECT_EQ(ValueAt(lr, 0.5), "0.01");
  EXPECT_EQ(ValueAt(lr, 1), "1");
  EXPECT_NEAR(*PlaceOf(lr, "0.01"), 0.5, 1e-9);
  EXPECT_FALSE(PlaceOf(lr, "2"));
  EXPECT_FALSE(PlaceOf(lr, "x"));
  const Axis batch = {"batch", Axis::Scale::kPower2, 8, 128, {}, 0};
  std::set<std::string> values;
  for (double p = 0; p <= 1; p += 0.01) values.insert(ValueAt(batch, p));
  EXPECT_EQ(values, (std::set<std::string>{"8", "16", "32", "64", "128"}));
  for (double p = 0; p <= 1; p += 0.001) {
    EXPECT_TRUE(IsValue(lr, ValueAt(lr, p))) << ValueAt(lr, p);
  }
}

TEST(Space, ABatchIsAWholeNumberOfItsRange) {
  const auto values = [](double low, double high) {
    const Axis batch = {"batch", Axis::Scale::kPower2, low, high, {}, 0};
    std::set<std::string> all;
    for (double p = 0; p <= 1; p += 0.01) {
      all.insert(ValueAt(batch, p));
      EXPECT_TRUE(IsValue(batch, ValueAt(batch, p))) << ValueAt(batch, p);
    }
    EXPECT_EQ(all.size(), ValueCount(batch));
    return all;
  };
  using Set = std::set<std::string>;
  EXPECT_EQ(values(5, 7), (Set{"5", "6", "7"}));
  EXPECT_EQ(values(3, 3), (Set{"3"}));
  EXPECT_EQ(values(5, 40), (Set{"8", "16", "32"}));
  EXPECT_EQ(values(4.5, 6.5), (Set{"5", "6"}));
  EXPECT_EQ(values(1, 2), (Set{"1", "2"}));
  const Axis batch = {"batch", Axis::Scale::kPower2, 1, 4e9, {}, 0};
  EXPECT_TRUE(IsValue(batch, "12345"));
  EXPECT_FALSE(IsValue(batch, "12.5"));
  EXPECT_FALSE(IsValue({"batch", Axis::Scale::kPower2, 1, 1e12, {}, 0}, "5e9"));
  EXPECT_EQ(ValueText(batch, 12345), "12345");
  EXPECT_FALSE(IsValue(batch, ValueText(batch, 12.5)));
  JobOptions job;
  EXPECT_EQ(WithValues(job, {{"batch", "12345"}}).batch, 12345u);
  for (const char* bad : {"12.5", "0", "4294967296", "-1"}) {
    EXPECT_THROW(WithValues(job, {{"batch", bad}}), Failure) << bad;
  }
  for (const char* bad : {"batch=5.2..5.8", "batch=1..5e9"}) {
    EXPECT_THROW(ReadAxes("batch", bad, job, {}), Failure) << bad;
  }
}

TEST(Space, EveryChoiceAndBothEndsAreChecked) {
  JobOptions job;
  job.model = "mlp";
  std::set<std::string> asked;
  const auto check = [&](const std::string& option, const std::string& value) {
    asked.insert(option + " " + value);
    return std::string(option == "--dropout" && value == "2" ? "must be 1"
                                                             : "");
  };
  ReadAxes("lr,schedule,momentum,optimizer",
           "lr=0.1..1,schedule=constant|linear", job, {}, check);
  for (const char* one :
       {"--lr 0.1", "--lr 1", "--schedule constant", "--schedule linear",
        "--optimizer sgd?momentum=0.99", "--optimizer adamw"}) {
    EXPECT_EQ(asked.count(one), 1u) << one;
  }
  EXPECT_THROW(ReadAxes("", "dropout=0..2", job, {}, check), Failure);
  // A choice in the middle, and a field of one of the optimizers.
  for (const char* bad : {"schedule=constant|zzz|linear", "init=auto|zzz|zero",
                          "optimizer=sgd|zzz|adam", "momentum=0.5|7|0.9"}) {
    EXPECT_THROW(ReadAxes("lr", bad, job, {}), Failure) << bad;
  }
  job.optimizer = "adam";
  EXPECT_THROW(ReadAxes("momentum,optimizer",
                        "momentum=7|0.9,optimizer=adam|sgd", job, {}),
               Failure);
}

TEST(Space, AFieldThatTheOptimizerLacksIsLeftOut) {
  JobOptions job;
  job.model = "mlp";
  EXPECT_EQ(ReadAxes("lr,wd,momentum,schedule,optimizer", "", job, {}).size(),
            5u);
  const Values values = {{"momentum", "0.5"}, {"wd", "0.001"}};
  Values adam = values, sgd = values;
  adam.emplace_back("optimizer", "adam");
  sgd.emplace_back("optimizer", "sgd");
  EXPECT_EQ(UsedValues(job, adam),
            (Values{{"wd", "0.001"}, {"optimizer", "adam"}}));
  EXPECT_EQ(UsedValues(job, sgd), sgd);
  EXPECT_EQ(UsedValues(job, values), values);
  EXPECT_THROW(WithValues(job, adam), Failure);
}

TEST(Space, ARateBelongsToItsOptimizer) {
  JobOptions job;
  job.model = "mlp";
  job.lr = 0.01;
  using Options = std::vector<std::pair<std::string, std::string>>;
  const auto rates = [&](const Values& values) {
    Options of = OptionsOf(job, values);
    std::erase_if(of, [](const auto& o) { return o.first != "--lr"; });
    return of;
  };
  EXPECT_EQ(WithValues(job, {{"optimizer", "adam"}}).lr, 0);
  EXPECT_EQ(rates({{"optimizer", "adam"}}), (Options{{"--lr", ""}}));
  // The one that it was given for.
  EXPECT_EQ(WithValues(job, {{"optimizer", "sgd?momentum=0.5"}}).lr, 0.01);
  EXPECT_EQ(rates({{"optimizer", "sgd?momentum=0.5"}}), Options{});
  EXPECT_EQ(WithValues(job, {{"optimizer", "adam"}, {"lr", "0.5"}}).lr, 0.5);
  EXPECT_EQ(rates({{"optimizer", "adam"}, {"lr", "0.5"}}),
            (Options{{"--lr", "0.5"}}));
  // Options that are fields of a spec go with the spec that is replaced.
  const Options all = OptionsOf(job, {{"optimizer", "adam"},
                                      {"schedule", "constant"},
                                      {"model", "mlp?hidden=8"}});
  for (const char* out : {"--momentum", "--wd", "--warmup", "--min-lr"}) {
    EXPECT_EQ(std::count(all.begin(), all.end(),
                         std::pair<std::string, std::string>(out, "")),
              1)
        << out;
  }
  for (const auto& [name, value] : all) EXPECT_NE(name, "--model");
}

TEST(Space, AxesAndRangesAreReadOrRefused) {
  JobOptions job;
  job.model = "mlp";
  std::vector<Axis> axes = ReadAxes("", "", job, 0.1);
  ASSERT_EQ(axes.size(), 4u);
  EXPECT_EQ(RangeText(axes[0]), "0.003162..3.162");
  axes = ReadAxes("lr", "lr=1e-3..0.1,model=mlp?hidden=128,64|mlp?hidden=32",
                  job, {});
  ASSERT_EQ(axes.size(), 2u);
  EXPECT_EQ(RangeText(axes[0]), "0.001..0.1");
  EXPECT_EQ(axes[1].choices,
            (std::vector<std::string>{"mlp?hidden=128,64", "mlp?hidden=32"}));
  // Axes that open late are searched at once where there are no others.
  axes = ReadAxes("batch,dropout", "", job, {});
  EXPECT_EQ(axes[0].round, 0u);
  EXPECT_EQ(axes[1].round, 0u);
  EXPECT_EQ(ReadAxes("lr,batch", "", job, {})[1].round, 2u);
  // Adam has no momentum of that name: the default list leaves it out.
  job.optimizer = "adam";
  EXPECT_EQ(ReadAxes("", "", job, {}).size(), 3u);
  for (const auto& [names, ranges] : {std::pair{"momentum", ""},
                                      {"rate", ""},
                                      {"lr,lr", ""},
                                      {"", "lr"},
                                      {"", "lr=1..0.1"},
                                      {"", "lr=0..1"},
                                      {"", "lr=a..b"},
                                      {"", "schedule=cosine|cosine"},
                                      {"", "schedule=cosine|"},
                                      {"", "schedule=none"},
                                      {"model", ""},
                                      {"freeze", ""}}) {
    EXPECT_THROW(ReadAxes(names, ranges, job, {}), Failure)
        << names << " " << ranges;
  }
}

TEST(Space, ValuesBecomeOptions) {
  JobOptions job;
  job.model = "mlp";
  const Values values = {{"lr", "0.1"},
                         {"wd", "0.001"},
                         {"momentum", "0.5"},
                         {"schedule", "constant"}};
  const JobOptions o = WithValues(job, values);
  EXPECT_EQ(o.lr, 0.1);
  EXPECT_EQ(o.optimizer, "sgd?weight_decay=0.001&momentum=0.5");
  auto options = OptionsOf(job, values);
  std::erase_if(options, [](const auto& one) { return one.second.empty(); });
  ASSERT_EQ(options.size(), 3u);
  EXPECT_EQ(options[1].second, o.optimizer);
  EXPECT_THROW(WithValues(job, {{"lr", "fast"}}), Failure);
}

TEST(Rounds, DependOnSeedNumberAndEarlierRoundsAlone) {
  const SearchPlan plan = PlanOf(24);
  std::vector<TrialResult> earlier;
  for (uint32_t round = 0; round < RoundCount(plan); ++round) {
    const std::vector<TrialTask> tasks = TasksOfRound(plan, round, earlier);
    ASSERT_EQ(tasks.size(), 8u);
    std::vector<TrialResult> backwards(earlier.rbegin(), earlier.rend());
    const std::vector<TrialTask> again = TasksOfRound(plan, round, backwards);
    for (size_t i = 0; i < tasks.size(); ++i) {
      EXPECT_EQ(tasks[i].number, round * 8 + i);
      EXPECT_EQ(tasks[i].values, again[i].values);
    }
    for (const TrialTask& task : tasks) {
      earlier.push_back(ResultOf(task, ScoreOf(task)));
    }
  }
  EXPECT_TRUE(earlier[0].values.empty());  // the job as it was given
  SearchPlan other = plan;
  other.seed = 8;
  EXPECT_NE(TasksOfRound(plan, 0, {})[1].values,
            TasksOfRound(other, 0, {})[1].values);
}

TEST(Rounds, ARoundCoversARangeEvenly) {
  const SearchPlan plan = PlanOf(24);
  std::vector<TrialResult> first;
  for (const TrialTask& task : TasksOfRound(plan, 0, {})) {
    first.push_back(ResultOf(task, 0.5));
  }
  std::set<int> eighths;
  for (const TrialTask& task : TasksOfRound(plan, 1, {})) {
    eighths.insert(static_cast<int>(
        std::min(7.0, 8 * *PlaceOf(plan.axes[0], task.values[0].second))));
  }
  EXPECT_EQ(eighths.size(), 8u);
}

TEST(Rounds, RangesShrinkAroundTheBest) {
  const SearchPlan plan = PlanOf(24);
  std::vector<TrialResult> earlier;
  double width = 2;
  for (uint32_t round = 0; round < 3; ++round) {
    const Axis axis = AxesOfRound(plan, round, earlier)[0];
    const double now = std::log10(axis.high / axis.low);
    if (round > 0) {
      EXPECT_LT(now, 0.5 * width) << round;
      const std::string best = BestOf(earlier)->values[0].second;
      EXPECT_TRUE(IsValue(axis, best)) << best << " in " << RangeText(axis);
    }
    width = round == 0 ? now : width * 0.8;
    for (const TrialTask& task : TasksOfRound(plan, round, earlier)) {
      earlier.push_back(ResultOf(task, ScoreOf(task)));
    }
  }
  EXPECT_NEAR(std::log10(std::stod(BestOf(earlier)->values[0].second) / 0.02),
              0, 0.12);
  // One that diverged never draws a range to itself.
  for (TrialResult& r : earlier) r.diverged = true;
  EXPECT_EQ(RangeText(AxesOfRound(plan, 1, earlier)[0]), "0.0001..1");
}

TEST(Rounds, LaterAxesOpenLater) {
  SearchPlan plan = PlanOf(24);
  plan.axes[1].round = 2;
  EXPECT_EQ(AxesOfRound(plan, 0, {}).size(), 1u);
  EXPECT_EQ(AxesOfRound(plan, 2, {}).size(), 2u);
  plan.trials = 8;  // of one round: all at once
  EXPECT_EQ(AxesOfRound(plan, 0, {}).size(), 2u);
}

TEST(Rounds, HalvingRunsFewWhole) {
  const SearchPlan plan = PlanOf(24, SearchMethod::kHalving);
  uint64_t epochs = 0;
  std::vector<TrialResult> earlier;
  for (uint32_t round = 0; round < RoundCount(plan); ++round) {
    std::vector<TrialResult> of_round;
    std::vector<TrialTask> tasks = TasksOfRound(plan, round, earlier);
    std::vector<size_t> sizes;
    while (!tasks.empty()) {
      sizes.push_back(tasks.size());
      for (const TrialTask& task : tasks) {
        epochs += task.epochs;
        of_round.push_back(ResultOf(task, ScoreOf(task)));
      }
      tasks = NextRung(plan, round, of_round);
    }
    EXPECT_EQ(sizes, (std::vector<size_t>{8, 3, 1}));
    earlier.insert(earlier.end(), of_round.begin(), of_round.end());
  }
  EXPECT_LE(2 * epochs, 24u * plan.epochs);
  EXPECT_EQ(BestOf(earlier)->epochs, plan.epochs);
  EXPECT_EQ(NextRung(PlanOf(24), 0, earlier).size(), 0u);
  // Where all of a rung diverged there is no next one.
  for (TrialResult& r : earlier) r.diverged = true, r.rung = 0;
  EXPECT_TRUE(NextRung(plan, 0, earlier).empty());
}

TEST(Rounds, HalvingOfFewEpochsSavesLess) {
  const auto epochs_of = [](uint32_t epochs) {
    SearchPlan plan = PlanOf(8, SearchMethod::kHalving);
    plan.epochs = epochs;
    std::vector<TrialResult> results;
    uint32_t sum = 0;
    for (std::vector<TrialTask> tasks = TasksOfRound(plan, 0, {});
         !tasks.empty(); tasks = NextRung(plan, 0, results)) {
      for (const TrialTask& task : tasks) {
        sum += task.epochs;
        results.push_back(ResultOf(task, ScoreOf(task)));
      }
    }
    return sum;
  };
  EXPECT_EQ(epochs_of(3), 17u);
  EXPECT_EQ(epochs_of(5), 23u);
  for (uint32_t e = 6; e < 100; ++e) EXPECT_LT(2 * epochs_of(e), 8 * e) << e;
}

// Its place in the next rung is another's.
TEST(Rounds, HalvingKeepsAThirdOfThoseThatBegan) {
  SearchPlan plan = PlanOf(8, SearchMethod::kHalving);
  plan.epochs = 9;
  for (const uint32_t diverged : {0u, 1u, 4u, 6u}) {
    std::vector<TrialResult> results;
    for (const TrialTask& task : TasksOfRound(plan, 0, {})) {
      results.push_back(ResultOf(task, ScoreOf(task)));
      results.back().diverged = results.size() <= diverged;
    }
    EXPECT_EQ(NextRung(plan, 0, results).size(), diverged == 6 ? 2u : 3u);
  }
}

TEST(Rounds, WhatDidNotTrainIsNeverBest) {
  const SearchPlan plan = PlanOf(8, SearchMethod::kHalving);
  std::vector<TrialResult> results;
  for (const TrialTask& task : TasksOfRound(plan, 0, {})) {
    results.push_back(ResultOf(task, ScoreOf(task)));
  }
  const uint32_t good = BestOf(results)->number;
  // It diverges in a longer rung, and does not come back with its shorter one.
  TrialResult longer = *BestOf(results);
  longer.rung = 1;
  longer.diverged = true;
  results.push_back(longer);
  EXPECT_FALSE(IsBetter(longer, results[0]));
  EXPECT_NE(BestOf(results)->number, good);
  EXPECT_TRUE(BestOf(results)->Trained());
  TrialResult failed = results[0];
  failed.failed = "why";
  failed.score = 1;
  EXPECT_FALSE(IsBetter(failed, longer));
  EXPECT_TRUE(IsBetter(longer, failed));
  EXPECT_FALSE(IsBetter(failed, results[0]));
  for (TrialResult& r : results) r.failed = "why", r.diverged = false;
  EXPECT_EQ(BestOf(results), nullptr);
  EXPECT_TRUE(NextRung(plan, 0, results).empty());
  EXPECT_EQ(RangeText(AxesOfRound(PlanOf(24), 1, results)[0]), "0.0001..1");
}

TEST(Rounds, AGridIsWhole) {
  SearchPlan plan;
  plan.method = SearchMethod::kGrid;
  plan.epochs = 1;
  const auto sizes = [&] {
    std::vector<size_t> of;
    const std::vector<TrialTask> tasks = TasksOfRound(plan, 0, {});
    EXPECT_LE(tasks.size(), plan.trials);
    size_t all = 1;
    for (size_t a = 0; a < plan.axes.size(); ++a) {
      std::set<std::string> values;
      for (size_t i = 1; i < tasks.size(); ++i) {
        values.insert(tasks[i].values[a].second);
      }
      of.push_back(values.size());
      all *= values.size();
    }
    EXPECT_EQ(tasks.size(), all + 1);  // every combination
    return of;
  };
  using Sizes = std::vector<size_t>;
  plan.axes = {Log("lr", 1e-4, 1), Log("wd", 1e-6, 1e-2)};
  plan.trials = 10;
  EXPECT_EQ(sizes(), (Sizes{3, 3}));
  plan.trials = 9;  // 3 x 3 and the job as it was given are 10
  EXPECT_EQ(sizes(), (Sizes{3, 2}));
  plan.trials = 2;
  EXPECT_EQ(sizes(), (Sizes{1, 1}));
  plan.axes.push_back({"batch", Axis::Scale::kPower2, 8, 16, {}, 0});
  plan.trials = 100;  // no more batches than there are
  EXPECT_EQ(sizes(), (Sizes{7, 7, 2}));
  plan.axes.push_back({"s", Axis::Scale::kChoice, 0, 0, {"a", "b", "c"}, 0});
  plan.trials = 4;
  CheckPlan(plan);
  EXPECT_EQ(sizes(), (Sizes{1, 1, 1, 3}));
  plan.trials = 3;
  try {
    CheckPlan(plan);
    ADD_FAILURE() << "3 choices and the job as it was given are 4 trials";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.kind, ErrorKind::kUsage);
    EXPECT_NE(failure.message.find("--trials 4"), std::string::npos);
  }
}

TEST(Rounds, AGridHasEveryCombination) {
  const SearchPlan plan = PlanOf(13, SearchMethod::kGrid);
  const std::vector<TrialTask> tasks = TasksOfRound(plan, 0, {});
  ASSERT_EQ(tasks.size(), 13u);  // the job, and 4 rates x 3 schedules
  std::set<Values> different;
  for (size_t i = 1; i < tasks.size(); ++i) different.insert(tasks[i].values);
  EXPECT_EQ(different.size(), 12u);
  EXPECT_EQ(tasks[1].values[0].second, "0.0001");
  EXPECT_EQ(tasks[12].values[0].second, "1");
  EXPECT_EQ(tasks[2].values[1].second, "b");
}

TEST(SearchFile, ALineIsReadBack) {
  TrialResult r;
  r.number = 3, r.round = 1, r.rung = 2, r.epochs = 9;
  r.values = {{"lr", "0.01"}, {"model", "mlp?hidden=\"1\""}};
  r.score = 0.75, r.val_loss = INFINITY, r.val_accuracy = 0.75;
  r.curve = {1.5, INFINITY};
  const std::string line = JsonLine(ResultValue(r));
  EXPECT_EQ(line.find('\n'), line.npos);
  const TrialResult back = ReadResult(line);
  EXPECT_EQ(back.values, r.values);
  EXPECT_EQ(back.number, 3u);
  EXPECT_EQ(back.rung, 2u);
  EXPECT_EQ(back.score, 0.75);
  EXPECT_TRUE(std::isinf(back.val_loss));
  EXPECT_EQ(back.curve, r.curve);
  for (const char* bad :
       {"", "[]", "{}", "{\"trial\":1.5}", "{\"trial\":\"1\"}"}) {
    EXPECT_THROW(ReadResult(bad), Failure) << bad;
  }
}

// The file of a plan, and its text with other lines.
std::string FileOf(const SearchPlan& plan,
                   const std::vector<std::string>& lines) {
  std::string text = SearchHeader(plan, Value::object()) + "\n";
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(SearchFile, ALineThatIsNoTrialIsLeftOutAndNamed) {
  SearchPlan plan = PlanOf(24, SearchMethod::kHalving);
  plan.axes[1].choices = {"cosine", "constant"};
  std::vector<std::string> lines;
  for (const TrialTask& task : TasksOfRound(plan, 0, {})) {
    TrialResult r = ResultOf(task, 0.5);
    r.curve = {1.5};
    lines.push_back(JsonLine(ResultValue(r)));
  }
  const SearchFile whole = ParseSearch(FileOf(plan, lines), "f");
  EXPECT_EQ(whole.results.size(), 8u);
  EXPECT_TRUE(whole.notes.empty());
  EXPECT_EQ(whole.plan.method, SearchMethod::kHalving);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::vector<std::string> changed = lines;
    const size_t at = changed[3].find(from);
    EXPECT_NE(at, std::string::npos) << from;
    changed[3].replace(at, from.size(), to);
    return ParseSearch(FileOf(plan, changed), "f");
  };
  for (const auto& [from, to] :
       {std::pair{"[1.5]", "[\"a\"]"},
        {"[1.5]", "[[1]]"},
        {"[1.5]", "[1,2,3]"},
        {"[1.5]", "7"},
        {"\"trial\":3", "\"trial\":4000000000"},
        {"\"trial\":3", "\"trial\":24"},
        {"\"trial\":3", "\"trial\":-3"},
        {"\"round\":0", "\"round\":1"},
        {"\"rung\":0", "\"rung\":3"},
        {"\"rung\":0", "\"rung\":1"},
        {"\"epochs\":1", "\"epochs\":4000000000"},
        {"\"score\":0.5", "\"score\":99"},
        {"\"score\":0.5", "\"score\":null"},
        {"\"val_accuracy\":0.5", "\"val_accuracy\":1.5"},
        {"\"seconds\":0", "\"seconds\":-1"},
        {"\"lr\":\"", "\"lr\":\"9"},
        {"\"lr\":\"", "\"lr\":\"x"},
        {"\"lr\"", "\"speed\""},
        {"\"c", "\"z"},
        {"{", "["},
        {"{\"trial\":3", "\xff"}}) {
    const SearchFile file = with(from, to);
    EXPECT_EQ(file.results.size(), 7u) << from << " " << to;
    ASSERT_EQ(file.notes.size(), 1u) << from << " " << to;
    EXPECT_NE(file.notes[0].find("line 5"), std::string::npos) << file.notes[0];
  }
  // A trial that is there twice: the last line counts.
  std::vector<std::string> twice = lines;
  twice.push_back(lines[2]);
  const SearchFile file = ParseSearch(FileOf(plan, twice), "f");
  EXPECT_EQ(file.results.size(), 8u);
  ASSERT_EQ(file.notes.size(), 1u);
  EXPECT_NE(file.notes[0].find("line 4"), std::string::npos) << file.notes[0];
  // Many of them are not all told.
  const std::vector<std::string> nonsense(100, "nonsense");
  EXPECT_LT(ParseSearch(FileOf(plan, nonsense), "f").notes.size(), 10u);
  for (const char* none :
       {"", "\n", "{}\n", "{\"search\":1}\n", "[]\n", "{\"search\":1"}) {
    EXPECT_THROW(ParseSearch(none, "f"), Failure) << none;
  }
}

TEST(SearchFile, AFailureIsReadBack) {
  TrialResult r = ResultOf({3, 0, 0, 9, {{"lr", "0.01"}}}, 0);
  r.failed = "it does not fit\n  Use --arena 4";
  r.failure = ErrorKind::kDoesNotFit;
  r.val_loss = INFINITY;
  const TrialResult back = ReadResult(JsonLine(ResultValue(r)));
  EXPECT_EQ(back.failed, r.failed);
  EXPECT_EQ(back.failure, ErrorKind::kDoesNotFit);
  EXPECT_EQ(WhyNoTrial(PlanOf(8), back), "");
  r.score = 0.9;
  EXPECT_NE(WhyNoTrial(PlanOf(8), r), "");
  EXPECT_FALSE(IsTrialFailure(ErrorKind::kBug));
  EXPECT_FALSE(IsTrialFailure(ErrorKind::kIo));
}

TEST(Workers, GiveBackTextsAndFailures) {
  std::set<std::string> texts;
  const auto keep = [&](uint32_t i, std::string text) {
    EXPECT_EQ(text, std::string(10000 * i, 'x') + std::to_string(i));
    texts.insert(text);
  };
  const auto work = [](uint32_t i) {
    return std::string(10000 * i, 'x') + std::to_string(i);
  };
  EXPECT_TRUE(RunInProcesses(9, 3, work, keep, {}));
  EXPECT_EQ(texts.size(), 9u);
  try {
    RunInProcesses(
        4, 2,
        [](uint32_t i) -> std::string {
          if (i == 1) Fail(ErrorKind::kBadData, "what", "where", "why", "do");
          return "good";
        },
        [](uint32_t, std::string) {}, {});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.kind, ErrorKind::kBadData);
    EXPECT_NE(failure.message.find("why"), std::string::npos);
  }
  // One that is killed is begun anew once.
  const std::string mark = testing::TempDir() + "temper_worker_killed";
  unlink(mark.c_str());
  std::multiset<uint32_t> done, lost;
  const auto count = [&](uint32_t i, std::string) { done.insert(i); };
  const auto lose = [&](uint32_t i) { lost.insert(i); };
  EXPECT_TRUE(RunInProcesses(
      3, 2,
      [](uint32_t i) -> std::string {
        if (i == 1) raise(SIGKILL);
        return "good";
      },
      count, {}, lose));
  EXPECT_EQ(done, (std::multiset<uint32_t>{0, 2}));
  EXPECT_EQ(lost, (std::multiset<uint32_t>{1}));
  done.clear(), lost.clear();
  const auto first_time = [&](uint32_t) -> std::string {
    const int file = open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (file >= 0) raise(SIGKILL);
    return "good";
  };
  EXPECT_TRUE(RunInProcesses(1, 1, first_time, count, {}, lose));
  EXPECT_EQ(done.size(), 1u);
  EXPECT_TRUE(lost.empty());
  unlink(mark.c_str());
  // Without someone to tell.
  try {
    RunInProcesses(1, 1,
                   [](uint32_t) -> std::string {
                     raise(SIGKILL);
                     return "";
                   },
                   count, {});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.kind, ErrorKind::kDoesNotFit);
  }
  // A worker that dies without a word.
  EXPECT_THROW(RunInProcesses(
                   1, 2, [](uint32_t) -> std::string { _exit(0); },
                   [](uint32_t, std::string) {}, {}),
               Failure);
  // Whoever stops does not wait for the work.
  EXPECT_FALSE(RunInProcesses(
      2, 2,
      [](uint32_t) -> std::string {
        for (;;) pause();
      },
      [](uint32_t, std::string) {}, [] { return true; }));
}

}  // namespace
}  // namespace temper::host
