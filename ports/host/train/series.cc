// See series.h.
#include "ports/host/train/series.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/data/data_spec.h"
#include "ports/host/data/text_file.h"
#include "ports/host/train/runs.h"

namespace temper::host {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr uint64_t kMostBytes = 1u << 20;
constexpr uint64_t kMostTokens = 3000;

std::string FileOf(const std::string& folder) {
  return folder + "/" + kSeriesFile;
}

void Check(const Series& s) {
  if (s.folds != 0 && s.seeds != 0) {
    Fail(ErrorKind::kUsage, "--folds", "", "it excludes --seeds",
         "Use one of the two");
  }
  if (s.seeds != 0 && s.options.seed > UINT64_MAX - (s.seeds - 1)) {
    Fail(ErrorKind::kUsage, "--seeds", fmt::format("{}", s.seeds),
         fmt::format("seeds from {} on would exceed the largest number",
                     s.options.seed),
         "Give a smaller --seed");
  }
  if (s.folds == 0) return;
  const DataSpec spec = ParseDataSpec(s.options.data);
  if (spec.HoldsOutVal() || !s.options.val.empty()) {
    Fail(ErrorKind::kUsage, "--folds", Printable(s.options.data),
         "each fold is the validation data of a run, and there are others",
         "Leave out val= and --val");
  }
}

}  // namespace

JobOptions OptionsOfRun(const Series& series, uint32_t i) {
  JobOptions o = series.options;
  o.out = fmt::format("{}/{}-{}", o.out, series.noun(), i + 1);
  o.numbered = false;
  if (series.folds != 0) {
    const bool options = o.data.rfind('?') != std::string::npos;
    o.data += fmt::format("{}folds={}&fold={}", options ? '&' : '?',
                          series.folds, i + 1);
  } else {
    o.seed += i;
  }
  return o;
}

std::unique_ptr<RunFolder> BeginSeries(Series& series) {
  Check(series);
  JobOptions& o = series.options;
  auto folder = std::make_unique<RunFolder>(
      o.out, o.numbered ? FolderMode::kNumbered : FolderMode::kNew,
      FolderHolds::kSeries);
  o.out = folder->path();
  o.numbered = o.overwrite = false;
  JobOptions stored = o;
  stored.model = WeightsFile(o.model);  // of a run folder, which may change
  const Json json = {{"version", 1},
                     {"folds", series.folds},
                     {"seeds", series.seeds},
                     {"options", Json::parse(OptionsJson(stored))}};
  folder->WriteFile(kSeriesFile, json.dump(1) + "\n");
  return folder;
}

std::unique_ptr<RunFolder> OpenSeries(const Series& series) {
  return std::make_unique<RunFolder>(series.options.out, FolderMode::kResume,
                                     FolderHolds::kSeries);
}

void CheckRunOfSeries(const Series& series, uint32_t i, const JobOptions& own) {
  const JobOptions want = OptionsOfRun(series, i);
  const auto check = [&](const char* name, const auto& is, const auto& was) {
    if (is == was) return;
    Fail(ErrorKind::kMismatch, "not a run of this series", Printable(want.out),
         fmt::format("its {} is {}, that of the series {}", name,
                     Printable(fmt::format("{}", is)),
                     Printable(fmt::format("{}", was))),
         "Move the folder away; `temper resume` makes the run anew");
  };
  check("model", own.model, want.model);
  check("seed", own.seed, want.seed);
  check("batch", own.batch, want.batch);
  check("finetune", own.finetune, want.finetune);
  check("optimizer", own.optimizer, want.optimizer);
  check("schedule", own.schedule, want.schedule);
  check("init", own.init, want.init);
  check("augment", own.augment, want.augment);
  if (want.lr != 0.0) check("lr", own.lr, want.lr);
  const DataSpec is = ParseDataSpec(own.data), was = ParseDataSpec(want.data);
  check("folds=", is.folds, was.folds);
  check("fold=", is.fold, was.fold);
}

bool IsSeries(const std::string& folder) {
  std::error_code ignored;
  return fs::is_regular_file(FileOf(folder), ignored);
}

Series ReadSeries(const std::string& folder) {
  const std::string path = FileOf(folder);
  const auto fail = [&](std::string_view why) {
    Fail(ErrorKind::kConfiguration, "not the file of a series", Printable(path),
         why, "It is written by `temper train --folds`");
  };
  Series series;
  try {
    const Json json = ParseJson(ReadTextFile(path, kMostBytes), kMostTokens);
    series.folds = json.at("folds").get<uint32_t>();
    series.seeds = json.at("seeds").get<uint32_t>();
    series.options = OptionsFromJson(json.at("options").dump(), path);
  } catch (const Failure&) {
    throw;
  } catch (const std::exception& error) {
    fail(Printable(error.what()));
  }
  if ((series.folds == 0) == (series.seeds == 0) || series.folds == 1 ||
      series.count() > kMostRuns) {
    fail("it has no folds and no seeds, or too many");
  }
  series.options.out = folder;
  // Not stored with options: runs that are still to begin choose their phases.
  series.options.head_first = series.options.finetune;
  return series;
}

std::map<std::string, double> LastMetrics(const std::string& run) {
  std::ifstream file(run + "/metrics.csv");
  std::string header, line, last;
  std::getline(file, header);
  while (std::getline(file, line)) {
    if (!line.empty()) last = line;
  }
  std::map<std::string, double> values;
  std::istringstream names(header), fields(last);
  std::string name, field;
  while (std::getline(names, name, ',') && std::getline(fields, field, ',')) {
    double value = 0;
    const char* const end = field.data() + field.size();
    const auto [at, error] = std::from_chars(field.data(), end, value);
    if (error == std::errc() && at == end) values[name] = value;
  }
  return values;
}

Spread SpreadOf(const std::vector<double>& values) {
  Spread s;
  if (values.empty()) return s;
  for (const double value : values) s.mean += value;
  s.mean /= static_cast<double>(values.size());
  if (values.size() == 1) return s;
  double squares = 0;
  for (const double value : values) {
    squares += (value - s.mean) * (value - s.mean);
  }
  s.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return s;
}

}  // namespace temper::host
