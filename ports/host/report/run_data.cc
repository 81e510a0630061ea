// See run_data.h.
#include "ports/host/report/run_data.h"

#include <fmt/format.h>

#include <filesystem>

#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/base/lines.h"
#include "ports/host/recipe/run_curves.h"
#include "ports/host/train/checkpoint.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/runs.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostBytes = uint64_t{64} << 20;
constexpr uint64_t kMostTokens = 2u << 20;
constexpr size_t kMostEvents = 200;

// "" if it is not there or too large.
std::string TextOf(const std::string& path) {
  std::vector<uint8_t> bytes;
  if (!ReadWholeFile(path, kMostBytes, &bytes).ok()) return "";
  return {bytes.begin(), bytes.end()};
}

Value ParsedOrNull(const std::string& text) {
  if (text.empty()) return {};
  try {
    return ParseValue(text, kMostTokens);
  } catch (const std::exception&) {
    return {};
  }
}

std::vector<std::string> DiagnosesOf(const std::string& run) {
  std::vector<std::string> said;
  try {
    const RunCurves curves = ReadRunCurves(run);
    recipe::Diagnosis found[recipe::kMostDiagnoses];
    const uint32_t count = recipe::Diagnose(curves.points, curves.facts, found);
    for (uint32_t i = 0; i < count; ++i) {
      const Advice advice = AdviceOf(found[i], curves.facts, curves.options);
      said.push_back(fmt::format("{}: {}. {}.",
                                 recipe::CauseName(found[i].cause),
                                 advice.evidence, advice.action));
    }
  } catch (const Failure&) {
    // A damaged run: its state says so.
  }
  return said;
}

}  // namespace

std::vector<SvgPoint> PointsOf(const NumberTable& table, std::string_view x,
                               std::string_view y) {
  std::vector<SvgPoint> points;
  const std::vector<double>* const xs = table.Column(x);
  const std::vector<double>* const ys = table.Column(y);
  if (xs == nullptr || ys == nullptr) return points;
  for (size_t i = 0; i < table.rows; ++i) {
    points.push_back({(*xs)[i], (*ys)[i]});
  }
  return points;
}

RunData ReadRun(const std::string& folder) {
  RunData run;
  run.path = folder;
  while (run.path.size() > 1 && run.path.back() == '/') run.path.pop_back();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(run.path + "/" + kConfigFile,
                                        ignored)) {
    FailNoRun(run.path);
  }
  run.options = ReadRunOptions(run.path);
  run.config = ParsedOrNull(TextOf(run.path + "/" + kConfigFile));
  run.metrics = ReadNumbers(run.path + "/metrics.csv");
  run.steps = ReadNumbers(run.path + "/steps.csv");
  run.layers = ReadNumbers(run.path + "/layers.csv");
  run.lr_find = ReadNumbers(run.path + "/lr_find.csv");
  run.plan = ParsedOrNull(TextOf(run.path + "/plan.json"));
  const std::string events = TextOf(run.path + "/events.jsonl");
  std::string_view rest = events;
  while (const std::optional<std::string_view> line = NextLine(&rest)) {
    Value event = ParsedOrNull(std::string(*line));
    if (event.kind() != Value::Kind::kObject) break;
    if (run.events.size() == kMostEvents) run.events.erase(run.events.begin());
    run.events.push_back(std::move(event));
  }
  run.diagnoses = DiagnosesOf(run.path);
  const RunSummary summary = SummaryOf(run.path);
  run.state = summary.state;
  run.epochs_done = summary.epochs.value_or(0);
  run.best_accuracy = summary.best_accuracy;
  run.best_loss = summary.best_loss;
  run.best_epoch = summary.best_epoch;
  try {
    run.weights = WeightsFile(run.path);
    run.weights_sha256 = ModelSource(run.weights).WeightsSha256();
  } catch (const Failure&) {
    // `state` says it.
  }
  return run;
}

}  // namespace temper::host
