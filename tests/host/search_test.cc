// Which values the trials of a search get, and what of a search is kept in its
// file. Trials themselves: tests/host/cli_search_test.py.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <set>
#include <string>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/os/workers.h"
#include "ports/host/search/rounds.h"
#include "ports/host/search/space.h"
#include "ports/host/search/study.h"

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
  const auto options = OptionsOf(job, values);
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
