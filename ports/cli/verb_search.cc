// search: short trainings with other options, coarse to fine; which are best.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/cli/recipe_options.h"
#include "ports/cli/report_text.h"
#include "ports/cli/run_reporter.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/recipe/lab.h"
#include "ports/host/recipe/subset.h"
#include "ports/host/search/study.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostTokens = 1000;  // of a line that is told
constexpr size_t kMostLine = 64 << 10;  // its characters

struct Arguments {
  JobOptions options;
  std::string axes, ranges, method = "random";
  uint32_t trials = 24, workers = 1;
  double minutes = 0;
  bool ask = false, tell = false, quiet = false;
};

SearchMethod MethodOf(const std::string& name) {
  return name == "grid"      ? SearchMethod::kGrid
         : name == "halving" ? SearchMethod::kHalving
                             : SearchMethod::kRandom;
}

const char* ScaleName(Axis::Scale scale) {
  switch (scale) {
    case Axis::Scale::kLog:
      return "log";
    case Axis::Scale::kLinear:
      return "linear";
    case Axis::Scale::kPower2:
      return "powers of 2";
    case Axis::Scale::kChoice:
      return "choice";
  }
  return "";
}

Value AxisValue(const Axis& axis) {
  Value value = {{"axis", axis.name}, {"scale", ScaleName(axis.scale)}};
  if (axis.IsNumber()) {
    value["low"] = axis.low;
    value["high"] = axis.high;
  } else {
    value["choices"] = axis.choices;
  }
  value["round"] = axis.round;
  return value;
}

std::string ValuesText(const Values& values) {
  std::string text;
  for (const auto& [name, value] : values) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  }
  return text.empty() ? "the options as they were given" : text;
}

// What train's options of that name say against a value.
OptionCheck CheckOfTrain(Cli& cli) {
  struct Train {
    JobOptions options;
    Verb verb = Verb("train", "", {});
  };
  auto train = std::make_shared<Train>();
  AddJobOptions(cli, train->verb, &train->options);
  return [train](const std::string& option, const std::string& value) {
    return train->verb.At(option).set(value);
  };
}

// The study of the arguments: data in memory, axes with their ranges. held_out:
// whether the data brought no validation data of their own.
StudyOptions Prepare(Cli& cli, const Arguments& a,
                     std::vector<std::string>* notes, bool* held_out) {
  StudyOptions study;
  study.job = a.options;
  if (study.job.lr == 0.0) study.job.lr = DefaultRate(study.job);
  // What is wrong with them is said before anything is read.
  const OptionCheck check = CheckOfTrain(cli);
  study.plan.axes = ReadAxes(a.axes, a.ranges, study.job, {}, check);
  study.plan.method = MethodOf(a.method);
  study.plan.trials = a.trials;
  study.plan.epochs = a.options.epochs;
  study.plan.seed = a.options.seed;
  if (!a.ask && !a.tell) CheckPlan(study.plan);
  Job whole = PrepareJob(study.job);
  *notes = whole.data.train.notes;
  notes->insert(notes->end(), whole.notes.begin(), whole.notes.end());
  auto data = std::make_shared<TrainingData>(std::move(whole.data));
  *held_out = !data->val;
  if (*held_out) {
    data->val = HoldOutFifth(&data->train, study.job.seed);
    notes->push_back(fmt::format(
        "no validation data (val=, --val): a fifth of the training data, {} "
        "samples, is held out here",
        data->val->size()));
  }
  study.job.samples = [data] { return *data; };
  study.classes = models::IsClassifier(whole.info.graph);
  CheckChoices(study);
  std::optional<double> suggested;
  const bool ranged = a.ranges.find("lr=") != a.ranges.npos;
  const bool searched = a.axes.empty() || a.axes.find("lr") != a.axes.npos;
  if (searched && !ranged) {
    constexpr uint32_t kSteps = 100;
    Job job = PrepareJob(study.job);
    const uint64_t more = recipe::LrFindBytes(job.plan, kSteps);
    Lab lab(std::move(job), more);
    recipe::LrFindOptions finder;
    finder.steps = kSteps;
    const recipe::LrFindResult found = FindRateInTwo(lab, &finder);
    if (found.curve.verdict == recipe::LrVerdict::kFound) {
      suggested = found.curve.suggestion;
    }
  }
  study.plan.axes = ReadAxes(a.axes, a.ranges, study.job, suggested, check);
  study.workers = a.workers;
  study.seconds = a.minutes * 60;
  return study;
}

int Ask(const StudyOptions& study) {
  for (const Axis& axis : study.plan.axes) {
    PrintResult(JsonLine(AxisValue(axis)) + "\n");
  }
  return kExitOk;
}

// A line of another program: {"values": {"lr": 0.01}} or the object inside.
Values ReadValues(const std::string& line, const SearchPlan& plan) {
  Value value;
  try {
    value = ParseValue(line, kMostTokens);
  } catch (const std::exception& error) {
    Fail(ErrorKind::kBadData, "standard input", Printable(line), error.what(),
         "A line is {\"values\": {\"lr\": 0.01}}");
  }
  if (value.kind() == Value::Kind::kObject && value.contains("values")) {
    value = Value(value.at("values"));
  }
  if (value.kind() != Value::Kind::kObject) {
    Fail(ErrorKind::kBadData, "standard input", Printable(line),
         "it is no object", "A line is {\"values\": {\"lr\": 0.01}}");
  }
  Values values;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string& name = value.key(i);
    const auto axis =
        std::find_if(plan.axes.begin(), plan.axes.end(),
                     [&](const Axis& known) { return known.name == name; });
    if (axis == plan.axes.end()) {
      Fail(ErrorKind::kBadData, "standard input: no axis of this search",
           Printable(name), "", "`--ask` prints them");
    }
    const Value& v = value.at(i);
    std::string text;
    if (v.kind() == Value::Kind::kText) {
      text = v.AsText();
    } else if (v.kind() == Value::Kind::kNumber ||
               v.kind() == Value::Kind::kUnsigned ||
               v.kind() == Value::Kind::kSigned) {
      text = ValueText(*axis, v.AsDouble());
    }
    if (!IsValue(*axis, text)) {
      Fail(ErrorKind::kBadData, "standard input: outside the range",
           fmt::format("{}: {}", name, Printable(text)), RangeText(*axis), "");
    }
    values.emplace_back(name, text);
  }
  return values;
}

// Reads a line of bounded length. False at the end of the input.
bool ReadLine(std::streambuf& from, std::string* line) {
  using Traits = std::streambuf::traits_type;
  line->clear();
  for (;;) {
    const Traits::int_type c = from.sbumpc();
    if (Traits::eq_int_type(c, Traits::eof())) return !line->empty();
    if (Traits::to_char_type(c) == '\n') return true;
    if (line->size() == kMostLine) {
      Fail(ErrorKind::kBadData, "standard input",
           Printable(std::string_view(*line).substr(0, 64)),
           fmt::format("a line is longer than {} KiB", kMostLine >> 10),
           "A line is {\"values\": {\"lr\": 0.01}}");
    }
    line->push_back(Traits::to_char_type(c));
  }
}

int Tell(const StudyOptions& options) {
  Study study(options);
  std::string line;
  while (ReadLine(*std::cin.rdbuf(), &line)) {
    if (line.empty()) continue;
    const TrialResult result = study.Tell(ReadValues(line, options.plan));
    PrintResult(JsonLine(ResultValue(result)) + "\n");
    if (!FlushResults()) break;
  }
  return kExitOk;
}

// What a search alone has a use for.
void RefuseOfSearches(const Cli& cli, Verb& verb, const Arguments& a) {
  const char* const what = a.ask ? "--ask" : "--tell";
  static constexpr std::pair<const char*, const char*> kOthers[] = {
      {"--out", "the folder of a search: nothing is written here"},
      {"--trials", "how many trials a search has: who asks decides that"},
      {"--method", "how a search chooses values: who asks does that"},
      {"--minutes", "when a search ends: who asks decides that"},
      {"--workers",
       "trials of a search side by side: here they come one by "
       "one"}};
  const auto refuse = [&](const char* name, const char* why) {
    Fail(ErrorKind::kUsage, fmt::format("{} with {}", name, what), "",
         fmt::format("it is {}", why), fmt::format("Leave out {}", name));
  };
  for (const auto& [name, why] : kOthers) {
    if (verb.At(name).given()) refuse(name, why);
  }
  if (cli.output.json) {
    refuse("--json", "the report of a search: here every line is JSON");
  }
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

void AddTrials(const Study& study, const SearchPlan& plan, bool classes,
               Report* report) {
  std::vector<TrialResult> sorted = study.results();
  std::sort(sorted.begin(), sorted.end(), IsBetter);
  std::vector<Column> columns = {
      {"", "trial"},
      {"", "epochs"},
      {"", classes ? "accuracy" : "val loss", {}, classes ? kShare : kLoss}};
  for (const Axis& axis : plan.axes) {
    columns.push_back({"", axis.name, Column::kName});
  }
  Table& table = report->AddTable("", std::move(columns));
  constexpr size_t kMostRows = 20;
  for (const TrialResult& r : sorted) {
    std::vector<Value> row = {r.number, r.epochs};
    row.push_back(!r.failed.empty() ? Value("failed")
                  : r.diverged      ? Value("diverged")
                  : classes         ? Value(r.val_accuracy)
                                    : Value(r.val_loss));
    for (const Axis& axis : plan.axes) {
      const auto at = std::find_if(
          r.values.begin(), r.values.end(),
          [&](const auto& value) { return value.first == axis.name; });
      row.push_back(at == r.values.end() ? Value("-") : Value(at->second));
    }
    table.Add(std::move(row), table.rows.size() < kMostRows);
  }
  table.more = "use --json";
}

// Differences that so few validation samples do not show, and a job that learns
// nothing whatever the options.
void AddNoise(const Study& study, const StudyOptions& options, Report* report) {
  const TrainingData data = options.job.samples();
  const TrialResult* const best = BestOf(study.results());
  if (!options.classes || !data.val || best == nullptr) return;
  const double n = static_cast<double>(data.val->size());
  const double p = std::clamp(best->score, 0.02, 0.98);
  const double error = 2 * std::sqrt(p * (1 - p) / n);
  const std::vector<uint64_t> counts = data.val->ClassCounts();
  const double chance = counts.empty() ? 0
                                       : static_cast<double>(*std::max_element(
                                             counts.begin(), counts.end())) /
                                             n;
  if (best->score < chance + error) {
    report->Note(fmt::format(
        "the best trial is right in {:.1f} % of the validation samples, always "
        "saying the most frequent class in {:.1f} %: `temper check` looks for "
        "the reason",
        100 * best->score, 100 * chance));
  } else if (error > 0.01) {
    report->Note(fmt::format(
        "of {} validation samples, accuracies that differ by less than {:.0f} "
        "points may differ by chance",
        data.val->size(), std::ceil(100 * error)));
  }
}

// Of a search none of whose trials trained: the error of its first one.
void AddErrorOfNone(const std::vector<TrialResult>& results, Report* report) {
  const TrialResult& first = results.front();
  if (first.failed.empty()) {
    report->Error(kExitDiverged,
                  fmt::format("no trial trained: the first of {} diverged\n  "
                              "Search lower rates: --range lr=LOW..HIGH",
                              results.size()));
  } else {
    report->Error(ExitCodeOf(first.failure),
                  "no trial trained: the first one: " + first.failed);
  }
}

int Run(Cli& cli, const Arguments& a, Verb& verb) {
  if (const auto notes = NotTried(a.options); !notes.empty()) {
    throw Failure(ErrorKind::kUsage,
                  notes.front() +
                      "\n  Leave it out, and add it to the command that is "
                      "printed at the end");
  }
  if (a.ask && a.tell) {
    Fail(ErrorKind::kUsage, "--ask", "", "--tell does something else", "");
  }
  if (a.ask || a.tell) RefuseOfSearches(cli, verb, a);
  ChooseTarget(a.options.target);
  std::vector<std::string> notes;
  bool held_out = false;
  StudyOptions options = Prepare(cli, a, &notes, &held_out);
  if (a.ask) return Ask(options);
  if (a.tell) return Tell(options);
  options.folder = a.options.out.empty() ? "runs/search" : a.options.out;
  RunReporter reporter(a.quiet);
  Study study(options);
  const SearchPlan& plan = options.plan;
  const auto say = [&](const std::string& text) {
    if (!a.quiet && !cli.output.json) reporter.OnNote(text);
  };
  if (study.kept() > 0) {
    say(fmt::format("goes on after {} trials that are in {}", study.kept(),
                    options.folder));
  }
  const std::vector<Axis> opened = AxesOfRound(plan, 0, {});
  for (const Axis& axis : plan.axes) {
    const bool open =
        std::any_of(opened.begin(), opened.end(),
                    [&](const Axis& other) { return other.name == axis.name; });
    say(fmt::format("{}: {} ({}){}", axis.name, RangeText(axis),
                    ScaleName(axis.scale),
                    open ? "" : ", from a later round on"));
  }
  study.on_trial = [&](const TrialResult& r) {
    say(fmt::format("trial {:3}  {}  {}", r.number,
                    !r.failed.empty() ? "failed: " + FirstLine(r.failed)
                    : r.diverged      ? std::string("diverged")
                    : options.classes
                        ? fmt::format("{:.2f} %", 100 * r.val_accuracy)
                        : fmt::format("loss {:.4f}", r.val_loss),
                    ValuesText(r.values)));
  };
  study.on_round = [&](uint32_t round, const std::vector<Axis>& next) {
    if (next.empty()) return;
    say(fmt::format("after round {}: {}", round + 1,
                    RoundText(plan, round, study.results(), next)));
  };
  study.stop = [&] { return reporter.StopRequested(); };
  const StudyEnd end = study.Run();
  const bool finished = end == StudyEnd::kFinished;
  const bool stopped = end == StudyEnd::kStopped;
  reporter.Release(stopped ? SessionEnd::kStopped : SessionEnd::kFinished);

  Report report(cli.verb);
  AddTrials(study, plan, options.classes, &report);
  const TrialResult* const best = BestOf(study.results());
  report.Line("");
  report.Data("method", a.method);
  report.Data("finished", finished);
  report.Fact("run", "folder", options.folder, kVerbatim);
  report.Data("counted_epochs", study.counted_epochs());
  report.Data("trials_done", study.trials());
  report.Data("trials_planned", study.planned());
  report.Text("trials",
              fmt::format("{}, {} epochs in all",
                          finished ? fmt::format("{}", study.trials())
                                   : fmt::format("{} of {}", study.trials(),
                                                 study.planned()),
                          study.counted_epochs()));
  Value trials = Value::array();
  for (const TrialResult& r : study.results()) trials.push_back(ResultValue(r));
  Value axes = Value::array();
  for (const Axis& axis : plan.axes) axes.push_back(AxisValue(axis));
  report.Data("axes", axes);
  report.Data("trials", trials);
  report.Data("best", best == nullptr ? Value() : ResultValue(*best));
  AddMachine(a.options, &report);
  report.Notes(notes);
  report.Notes(study.notes());
  if (const uint32_t repeated = study.repeated(); repeated > 0) {
    report.Note(fmt::format(
        "{} trials have the values of earlier ones and their results: the axes "
        "have no more values",
        repeated));
  }
  AddNoise(study, options, &report);
  if (end == StudyEnd::kTimeUp) {
    report.Note(fmt::format(
        "--minutes ended it after {} of {} trials; the same command goes on",
        study.trials(), study.planned()));
  }
  const auto failed = [](const TrialResult& r) { return !r.failed.empty(); };
  if (const auto first =
          std::find_if(study.results().begin(), study.results().end(), failed);
      first != study.results().end()) {
    report.Note(fmt::format(
        "{} trials failed; the first of them, trial {}: {}",
        std::count_if(study.results().begin(), study.results().end(), failed),
        first->number, FirstLine(first->failed)));
  }
  if (best != nullptr) {
    report.Text("best", fmt::format("trial {}: {}", best->number,
                                    ValuesText(best->values)));
    if (!stopped) {
      JobOptions job = held_out ? WithFifthHeldOut(a.options) : a.options;
      job.model = WithValues(a.options, best->values).model;
      report.Next(
          TrainCommand(cli, verb, job, OptionsOf(a.options, best->values)));
    }
  }
  if (!stopped && best == nullptr && !study.results().empty()) {
    AddErrorOfNone(study.results(), &report);
  }
  const int code = cli.output.Print(report);
  return stopped ? ExitCodeOf(SessionEnd::kStopped) : code;
}

}  // namespace

void AddSearchVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  auto place = std::make_shared<Verb*>(nullptr);
  Verb& verb =
      cli.Add("search", "Search for options that train better, in short runs",
              [&cli, a, place] { return Run(cli, *a, **place); });
  *place = &verb;
  verb.example = "temper search resnet8 'idx:DIR?val=0.1' --trials 24";
  AddRecipeOptions(cli, verb, &a->options);
  verb.Add("--trials", &a->trials, "N",
           "Trainings; rounds of 8, of which each goes by the ones before")
      .Whole(1, 10000)
      .NotInFiles()
      .Group("Search");
  verb.Add("--method", &a->method, "NAME",
           "random, halving (bad ones are cut early) or grid")
      .Check([](const std::string& name) -> std::string {
        if (name == "random" || name == "halving" || name == "grid") return "";
        return "must be random, halving or grid";
      })
      .NotInFiles()
      .Group("Search");
  std::string names;
  for (const AxisInfo& info : Axes()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", info.name);
  }
  verb.Add("--axes", &a->axes, "A,B,...", "What is searched: " + names)
      .Default("lr,wd,momentum,schedule")
      .NotInFiles()
      .Group("Search");
  verb.Add("--range", &a->ranges, "A=LOW..HIGH,B=X|Y",
           "Ranges in place of the usual ones")
      .Default("of lr around what lr-find says")
      .NotInFiles()
      .Group("Search");
  verb.Add("--minutes", &a->minutes, "M", "No round begins after so long")
      .Range(0, 1e6)
      .Default("all rounds")
      .NotInFiles()
      .Group("Search");
  verb.Add("--workers", &a->workers, "N",
           "Trials side by side, each in a process with one thread")
      .Whole(1, 64)
      .NotInFiles()
      .Group("Search");
  verb.Flag("--ask", &a->ask,
            "Print the axes as JSON lines, for a program that searches")
      .NotInFiles()
      .Group("Search");
  verb.Flag("--tell", &a->tell,
            "Read values as JSON lines, answer each with its result")
      .NotInFiles()
      .Group("Search");
  verb.Add("--out", &a->options.out, "DIR", "The folder of the search")
      .Default("runs/search")
      .NotInFiles()
      .Group("Output");
  verb.Flag("--quiet,-q", &a->quiet, "Say nothing while it runs")
      .Group("Output");
}

}  // namespace temper::host
