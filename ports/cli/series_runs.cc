// See series_runs.h.
#include "ports/cli/series_runs.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

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
  SessionResult result;
  std::map<std::string, double> last;  // of metrics.csv
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
  if (at == done.last.end()) return std::nullopt;
  return at->second;
}

// A run of the series: a new one, or one that is there already.
Done RunOne(const JobOptions& options, RunObserver& observer,
            std::unique_ptr<ThreadPool>* pool) {
  std::unique_ptr<RunFolder> folder;
  std::optional<Job> job;
  std::error_code ignored;
  if (std::filesystem::exists(options.out + "/" + kConfigFile, ignored) &&
      !options.overwrite) {
    folder = std::make_unique<RunFolder>(options.out, FolderMode::kResume);
    const JobOptions own = ReadRunOptions(*folder);
    job.emplace(PrepareResume(
        own, std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint))));
  } else {
    job.emplace(PrepareJob(options));
  }
  if (*pool == nullptr) *pool = MakeThreadPool(job->plan.options.threads);
  Session session(std::move(*job), std::move(folder), &observer, nullptr,
                  pool->get());
  Done done;
  done.result = session.Run();
  done.run = options.out;
  done.last = LastMetrics(options.out);
  return done;
}

void AddRuns(const std::vector<Done>& runs, Report* report) {
  std::vector<Measure> measures;
  for (const Measure& one : kMeasures) {
    if (!runs.empty() && Find(runs[0], one.name)) measures.push_back(one);
  }
  std::vector<Column> columns = {{"run", "run", Column::kName},
                                 {"epochs", "epochs"},
                                 {"best_epoch", "best epoch"}};
  for (const Measure& one : measures) {
    columns.push_back({one.name, one.name, Column::kNumber, one.format});
  }
  columns.push_back({"weights_sha256", ""});
  Table& table = report->AddTable("runs", std::move(columns));
  for (const Done& done : runs) {
    std::vector<Value> row = {done.run, done.result.epochs_done,
                              done.result.best_epoch};
    for (const Measure& one : measures) row.push_back(Find(done, one.name));
    row.push_back(done.result.Sha256());
    table.Add(std::move(row));
  }
  for (const Measure& one : measures) {
    std::vector<double> values;
    for (const Done& done : runs) {
      if (const std::optional<double> value = Find(done, one.name)) {
        values.push_back(*value);
      }
    }
    const Spread spread = SpreadOf(values);
    report->Fact(
        std::string("mean.") + one.name, one.name, spread.mean,
        fmt::format("{} (spread {})", FormatValue(spread.mean, one.format),
                    FormatValue(spread.deviation, one.format)));
    report->Data(std::string("spread.") + one.name, spread.deviation);
  }
}

int Run(Cli& cli, const Series& series, bool quiet) {
  ChooseTarget(series.options.target);
  RunReporter reporter(quiet);
  std::unique_ptr<ThreadPool> pool;
  std::vector<Done> runs;
  SessionEnd end = SessionEnd::kFinished;
  for (uint32_t i = 0; i < series.count() && end != SessionEnd::kStopped; ++i) {
    if (!quiet) {
      Message("{} {} of {}", series.noun(), i + 1, series.count());
    }
    runs.push_back(RunOne(OptionsOfRun(series, i), reporter, &pool));
    if (runs.back().result.end != SessionEnd::kFinished) {
      end = runs.back().result.end;
    }
  }
  reporter.Release(end);
  Report report(cli.verb);
  const bool all = end != SessionEnd::kStopped;
  if (!all) {
    report.Line(fmt::format("stopped in {} {} of {}", series.noun(),
                            runs.size(), series.count()));
  }
  report.Data("series", series.options.out);
  report.Data("finished", all);
  AddRuns(runs, &report);
  report.Text("folder", series.options.out, kVerbatim);
  if (!all) report.Next({"resume", series.options.out});
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
  BeginSeries(series);
  return Run(cli, series, quiet);
}

int ResumeSeries(Cli& cli, const std::string& folder, bool quiet) {
  return Run(cli, ReadSeries(folder), quiet);
}

}  // namespace temper::host
