// See series_runs.h.
#include "ports/cli/series_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/cli/run_reporter.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/session.h"
#include "simd/target.h"

namespace temper::host {
namespace {

struct Done {
  std::string run;
  uint32_t epochs = 0;  // planned
  SessionResult result;
  std::string diverged;                // why; empty: it did not
  std::map<std::string, double> last;  // of metrics.csv

  bool Counts() const {
    return diverged.empty() && result.end == SessionEnd::kFinished;
  }
  const char* State() const {
    return !diverged.empty() ? "diverged" : Counts() ? "finished" : "stopped";
  }
};

// What is measured of a run, and how it stands in the table.
struct Measure {
  const char* name;
  Format format;
};
constexpr Measure kMeasures[] = {{"val_accuracy", kShare},
                                 {"val_loss", kLoss},
                                 {"val_mae", {}},
                                 {"val_rmse", {}}};

std::optional<double> Find(const Done& done, const char* name) {
  const auto at = done.last.find(name);
  if (!done.Counts() || at == done.last.end()) return std::nullopt;
  return at->second;
}

// One that diverged ends here, not the series.
void TrainOne(Session& session, Done* done) {
  SessionResult& result = done->result;
  done->diverged = session.diverged();  // before: it would once more
  if (done->diverged.empty()) {
    try {
      result = session.Run();
      if (result.end == SessionEnd::kDiverged) {
        done->diverged = "the validation loss of the last epoch is not finite";
      }
      return;
    } catch (const Failure& failure) {
      if (failure.kind != ErrorKind::kDiverged) throw;
      constexpr std::string_view kSaid = "training diverged: ";
      std::string_view why = failure.message;
      if (why.starts_with(kSaid)) why.remove_prefix(kSaid.size());
      done->diverged = why.substr(0, why.find('\n'));
    }
  }
  const Counters at = session.counters();
  result.end = SessionEnd::kDiverged;
  result.epochs_done = at.Epochs();
  result.best_epoch = at.best_epoch;
}

// Run i of the series: a new one, or one that is there already.
Done RunOne(const Series& series, uint32_t i, RunFolder& of,
            RunObserver& observer, std::unique_ptr<ThreadPool>* pool) {
  const JobOptions options = OptionsOfRun(series, i);
  std::unique_ptr<RunFolder> folder;
  std::optional<Job> job;
  if (HoldsRun(options.out)) {
    folder = std::make_unique<RunFolder>(options.out, FolderMode::kResume);
    const JobOptions own = ReadRunOptions(*folder);
    CheckRunOfSeries(series, i, own);
    job.emplace(PrepareResume(
        own, std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint))));
  } else {
    job.emplace(PrepareJob(options));
  }
  // The machine may have other CPUs than when the first run began.
  if (*pool == nullptr ||
      (*pool)->runner().threads != job->plan.options.threads) {
    *pool = MakeThreadPool(job->plan.options.threads);
  }
  const uint32_t epochs = job->options.epochs;
  Session session(std::move(*job), std::move(folder), &observer, nullptr,
                  pool->get());
  of.Keep();  // a run of it is on the disk
  Done done;
  done.run = options.out;
  done.epochs = epochs;
  TrainOne(session, &done);
  if (!done.diverged.empty()) {
    observer.OnWarning(
        fmt::format("{} {} diverged: {}", series.noun(), i + 1, done.diverged));
  }
  done.last = LastMetrics(options.out);
  return done;
}

void AddRuns(const std::vector<Done>& runs, uint32_t wanted, Report* report) {
  std::vector<Measure> measures;
  for (const Measure& one : kMeasures) {
    if (std::any_of(runs.begin(), runs.end(), [&](const Done& done) {
          return Find(done, one.name).has_value();
        })) {
      measures.push_back(one);
    }
  }
  const auto count = static_cast<uint32_t>(
      std::count_if(runs.begin(), runs.end(),
                    [](const Done& done) { return done.Counts(); }));
  std::vector<Column> columns = {
      {"run", "run", Column::kName},
      {"state", count < runs.size() ? "state" : "", Column::kText},
      {"epochs", "epochs"},
      {"best_epoch", "best epoch"}};
  for (const Measure& one : measures) {
    columns.push_back({one.name, one.name, Column::kNumber, one.format});
  }
  columns.push_back({"weights_sha256", ""});
  Table& table = report->AddTable("runs", std::move(columns));
  for (const Done& done : runs) {
    std::vector<Value> row = {done.run, done.State(), done.result.epochs_done,
                              done.result.best_epoch};
    for (const Measure& one : measures) row.push_back(Find(done, one.name));
    row.push_back(done.diverged.empty() ? Value(done.result.Sha256())
                                        : Value());
    table.Add(std::move(row));
  }
  if (std::any_of(runs.begin(), runs.end(), [&](const Done& done) {
        return done.epochs != runs[0].epochs;
      })) {
    report->Note(
        "one was made longer or shorter than the others: a mean over different "
        "lengths says little");
  }
  if (measures.empty() && count > 0) {
    report->Note(
        "without validation data (val= in --data, --val) nothing is measured");
  }
  report->Fact("mean_of", count < wanted ? "mean of" : "", count,
               fmt::format("{} of {} runs", count, wanted));
  for (const Measure& one : measures) {
    std::vector<double> values;
    for (const Done& done : runs) {
      if (const std::optional<double> value = Find(done, one.name)) {
        values.push_back(*value);
      }
    }
    const Spread spread = SpreadOf(values);
    report->Fact(std::string("mean.") + one.name, one.name, spread.mean,
                 values.size() < 2
                     ? fmt::format("{} (one run has no spread)",
                                   FormatValue(spread.mean, one.format))
                     : fmt::format("{} (spread {})",
                                   FormatValue(spread.mean, one.format),
                                   FormatValue(spread.deviation, one.format)));
    report->Data(std::string("spread.") + one.name,
                 values.size() < 2 ? Value() : Value(spread.deviation));
  }
}

// Those that diverged; empty: none.
std::string DivergedText(const Series& series, const std::vector<Done>& runs) {
  std::string names;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].diverged.empty()) continue;
    names +=
        fmt::format("{}{} {}", names.empty() ? "" : ", ", series.noun(), i + 1);
  }
  return names;
}

int Run(Cli& cli, const Series& series, RunFolder& folder,
        RunReporter& reporter, bool quiet) {
  std::unique_ptr<ThreadPool> pool;
  std::vector<Done> runs;
  bool stopped = false;
  for (uint32_t i = 0; i < series.count() && !stopped; ++i) {
    if (!quiet) {
      Message("{} {} of {}", series.noun(), i + 1, series.count());
    }
    runs.push_back(RunOne(series, i, folder, reporter, &pool));
    stopped = runs.back().result.end == SessionEnd::kStopped;
  }
  const std::string diverged = DivergedText(series, runs);
  const SessionEnd end = stopped            ? SessionEnd::kStopped
                         : diverged.empty() ? SessionEnd::kFinished
                                            : SessionEnd::kDiverged;
  reporter.Release(end);
  Report report(cli.verb);
  if (stopped) {
    report.Line(fmt::format("stopped in {} {} of {}", series.noun(),
                            runs.size(), series.count()));
  }
  report.Data("series", series.options.out);
  report.Data("finished", !stopped);
  AddRuns(runs, series.count(), &report);
  report.Text("folder", series.options.out, kVerbatim);
  if (stopped) report.Next({"resume", series.options.out});
  if (end == SessionEnd::kDiverged) {
    report.Error(ExitCodeOf(end),
                 fmt::format("training diverged: {} of {} runs ({})\n  Start a "
                             "new series with a smaller --lr, or with --warmup",
                             std::count_if(runs.begin(), runs.end(),
                                           [](const Done& done) {
                                             return !done.diverged.empty();
                                           }),
                             series.count(), diverged));
  }
  cli.output.Print(report);
  return ExitCodeOf(end);
}

}  // namespace

void AddSeriesOptions(Verb& verb, Series* series) {
  verb.Add("--folds", &series->folds, "K",
           "Cross-validation: K runs, each validated on another K-th of the "
           "data; mean and spread")
      .Whole(2, kMostRuns)
      .Default("none")
      .Group("Run folder");
  verb.Add("--seeds", &series->seeds, "N",
           "N runs with the seed and those after it; mean and spread")
      .Whole(1, kMostRuns)
      .Default("none")
      .Group("Run folder");
}

int RunSeries(Cli& cli, Series series, bool quiet) {
  ChooseTarget(series.options.target);
  RunReporter reporter(quiet);
  const std::unique_ptr<RunFolder> folder = BeginSeries(series);
  return Run(cli, series, *folder, reporter, quiet);
}

int ResumeSeries(Cli& cli, const std::string& folder, bool quiet) {
  const Series series = ReadSeries(folder);
  ChooseTarget(series.options.target);
  RunReporter reporter(quiet);
  const std::unique_ptr<RunFolder> lock = OpenSeries(series);
  return Run(cli, series, *lock, reporter, quiet);
}

}  // namespace temper::host
