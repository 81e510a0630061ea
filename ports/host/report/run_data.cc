// See run_data.h.
#include "ports/host/report/run_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
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

// The next line without its end; nothing after the last whole one.
std::optional<std::string_view> NextLine(std::string_view* text) {
  const size_t end = text->find('\n');
  if (end == text->npos) return {};
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == line.npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

Value ParsedOrNull(const std::string& text) {
  if (text.empty()) return {};
  try {
    return ParseValue(text, kMostTokens);
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

const std::vector<double>* NumberTable::Column(std::string_view name) const {
  const auto at = columns.find(name);
  if (at == columns.end()) return nullptr;
  const bool any = std::any_of(at->second.begin(), at->second.end(),
                               [](double v) { return !std::isnan(v); });
  return any ? &at->second : nullptr;
}

std::vector<SvgPoint> NumberTable::Points(std::string_view x,
                                          std::string_view y) const {
  std::vector<SvgPoint> points;
  const std::vector<double>* const xs = Column(x);
  const std::vector<double>* const ys = Column(y);
  if (xs == nullptr || ys == nullptr) return points;
  for (size_t i = 0; i < rows; ++i) points.push_back({(*xs)[i], (*ys)[i]});
  return points;
}

std::optional<double> NumberTable::Last(std::string_view name) const {
  const std::vector<double>* const values = Column(name);
  if (values == nullptr) return {};
  for (size_t i = values->size(); i-- > 0;) {
    if (!std::isnan((*values)[i])) return (*values)[i];
  }
  return {};
}

NumberTable ParseNumbers(std::string_view text, size_t most_rows) {
  NumberTable table;
  const std::optional<std::string_view> header = NextLine(&text);
  if (!header || header->empty()) return table;
  std::vector<std::vector<double>*> order;
  for (const std::string_view name : Fields(*header)) {
    std::vector<double>& column = table.columns[std::string(name)];
    if (std::find(order.begin(), order.end(), &column) != order.end()) {
      return {};  // a name twice: no table of ours
    }
    order.push_back(&column);
    table.names.emplace_back(name);
  }
  std::vector<double> row(order.size());
  while (table.rows < most_rows) {
    const std::optional<std::string_view> line = NextLine(&text);
    if (!line) break;
    const std::vector<std::string_view> fields = Fields(*line);
    if (fields.size() != order.size()) break;
    bool good = true;
    for (size_t i = 0; i < fields.size() && good; ++i) {
      row[i] = std::numeric_limits<double>::quiet_NaN();
      if (fields[i].empty()) continue;
      const char* const end = fields[i].data() + fields[i].size();
      const auto parsed = std::from_chars(fields[i].data(), end, row[i]);
      good = parsed.ec == std::errc() && parsed.ptr == end;
    }
    if (!good) break;
    for (size_t i = 0; i < order.size(); ++i) order[i]->push_back(row[i]);
    ++table.rows;
  }
  return table;
}

RunData ReadRun(const std::string& folder) {
  RunData run;
  run.path = folder;
  while (run.path.size() > 1 && run.path.back() == '/') run.path.pop_back();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(run.path + "/" + kConfigFile,
                                        ignored)) {
    Fail(ErrorKind::kNotFound, "no run folder", Printable(run.path),
         "it has no config.json", "`temper list runs` shows runs");
  }
  run.options = ReadRunOptions(run.path);
  run.config = ParsedOrNull(TextOf(run.path + "/" + kConfigFile));
  run.metrics = ParseNumbers(TextOf(run.path + "/metrics.csv"));
  run.steps = ParseNumbers(TextOf(run.path + "/steps.csv"));
  run.layers = ParseNumbers(TextOf(run.path + "/layers.csv"));
  run.lr_find = ParseNumbers(TextOf(run.path + "/lr_find.csv"));
  run.plan = ParsedOrNull(TextOf(run.path + "/plan.json"));
  const std::string events = TextOf(run.path + "/events.jsonl");
  std::string_view rest = events;
  while (const std::optional<std::string_view> line = NextLine(&rest)) {
    Value event = ParsedOrNull(std::string(*line));
    if (event.kind() != Value::Kind::kObject) break;
    if (run.events.size() == kMostEvents) run.events.erase(run.events.begin());
    run.events.push_back(std::move(event));
  }
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
