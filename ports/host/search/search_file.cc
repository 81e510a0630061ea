// See search_file.h.
#include "ports/host/search/search_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "ports/files/files.h"
#include "ports/host/base/json_text.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostBytes = uint64_t{256} << 20;
constexpr uint64_t kMostTokens = 100000;  // of a line
constexpr uint32_t kMostTrials = 10000;
constexpr uint32_t kMostEpochs = 1000000;
constexpr size_t kMostNotes = 5;

// Text and number of each kind of failure that a trial may have.
constexpr std::pair<const char*, ErrorKind> kFailures[] = {
    {"usage", ErrorKind::kUsage},
    {"configuration", ErrorKind::kConfiguration},
    {"unsupported", ErrorKind::kUnsupported},
    {"mismatch", ErrorKind::kMismatch},
    {"does not fit", ErrorKind::kDoesNotFit},
};

[[noreturn]] void BadLine(std::string_view line, const std::string& why) {
  Fail(ErrorKind::kBadData, "a line of a search",
       Printable(std::string(line.substr(0, 80))), why,
       "It was changed: begin a new search in another folder");
}

std::optional<double> NumberOf(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:  // what is not finite
      return INFINITY;
    case Value::Kind::kUnsigned:
    case Value::Kind::kSigned:
    case Value::Kind::kNumber:
      return value.AsDouble();
    default:
      return {};
  }
}

double NumberAt(const Value& of, const char* key, std::string_view line) {
  const Value* const value = of.Find(key);
  if (value == nullptr) BadLine(line, fmt::format("it lacks {}", key));
  const std::optional<double> number = NumberOf(*value);
  if (!number) BadLine(line, fmt::format("{} is no number", key));
  return *number;
}

uint32_t WholeAt(const Value& of, const char* key, std::string_view line) {
  const double value = NumberAt(of, key, line);
  if (!(value >= 0 && value <= UINT32_MAX) || value != std::floor(value)) {
    BadLine(line, fmt::format("{} is no whole number", key));
  }
  return static_cast<uint32_t>(value);
}

std::vector<double> NumbersAt(const Value& of, const char* key,
                              std::string_view line) {
  std::vector<double> numbers;
  const Value* const value = of.Find(key);
  if (value == nullptr || value->kind() != Value::Kind::kArray) {
    BadLine(line, fmt::format("{} is no list", key));
  }
  for (const Value& v : *value) {
    const std::optional<double> number = NumberOf(v);
    if (!number) BadLine(line, fmt::format("{} has what is no number", key));
    numbers.push_back(*number);
  }
  return numbers;
}

std::string TextAt(const Value& of, const char* key, std::string_view line) {
  const Value* const value = of.Find(key);
  if (value == nullptr || value->kind() != Value::Kind::kText) {
    BadLine(line, fmt::format("{} is no text", key));
  }
  return value->AsText();
}

const char* MethodName(SearchMethod method) {
  return method == SearchMethod::kGrid      ? "grid"
         : method == SearchMethod::kHalving ? "halving"
                                            : "random";
}

// An axis from the text of its range.
Axis AxisOf(const std::string& name, const std::string& range,
            std::string_view line) {
  const auto& known = Axes();
  const auto at = std::find_if(known.begin(), known.end(),
                               [&](const auto& a) { return a.name == name; });
  if (at == known.end()) BadLine(line, "an axis has no known name");
  Axis axis = at->usual;
  if (axis.IsNumber()) {
    const size_t dots = range.find("..");
    const auto number = [&](std::string_view text) {
      double value = 0;
      const auto parsed =
          std::from_chars(text.data(), text.data() + text.size(), value);
      if (parsed.ec != std::errc() || !std::isfinite(value) ||
          parsed.ptr != text.data() + text.size()) {
        BadLine(line, fmt::format("the range of {} is none", name));
      }
      return value;
    };
    const std::string_view text = range;
    axis.low = number(text.substr(0, dots));
    axis.high = dots == range.npos ? axis.low : number(text.substr(dots + 2));
    if (axis.low > axis.high ||
        (axis.scale != Axis::Scale::kLinear && axis.low <= 0)) {
      BadLine(line, fmt::format("the range of {} is none", name));
    }
    return axis;
  }
  axis.choices.clear();
  for (size_t from = 0; from <= range.size();) {
    const size_t end = std::min(range.find('|', from), range.size());
    axis.choices.push_back(range.substr(from, end - from));
    from = end + 1;
  }
  return axis;
}

SearchPlan ReadHeader(std::string_view line) {
  const Value value = ParseValue(line, kMostTokens);
  if (value.kind() != Value::Kind::kObject) BadLine(line, "it is no object");
  SearchPlan plan;
  if (WholeAt(value, "search", line) != 1) BadLine(line, "it is of no search");
  const std::string method = TextAt(value, "method", line);
  bool known = false;
  for (const SearchMethod m :
       {SearchMethod::kRandom, SearchMethod::kHalving, SearchMethod::kGrid}) {
    if (method == MethodName(m)) plan.method = m, known = true;
  }
  if (!known) BadLine(line, "there is no such method");
  plan.trials = WholeAt(value, "trials", line);
  plan.epochs = WholeAt(value, "epochs", line);
  if (plan.trials == 0 || plan.trials > kMostTrials || plan.epochs == 0 ||
      plan.epochs > kMostEpochs) {
    BadLine(line, "trials or epochs are none");
  }
  const Value* const axes = value.Find("axes");
  if (axes == nullptr || axes->kind() != Value::Kind::kObject) {
    BadLine(line, "it lacks axes");
  }
  for (size_t i = 0; i < axes->size(); ++i) {
    const Value& of = axes->at(i);
    if (of.kind() != Value::Kind::kObject) BadLine(line, "an axis is none");
    plan.axes.push_back(AxisOf(axes->key(i), TextAt(of, "range", line), line));
    plan.axes.back().round = WholeAt(of, "round", line);
  }
  return plan;
}

}  // namespace

bool IsTrialFailure(ErrorKind kind) {
  return std::any_of(std::begin(kFailures), std::end(kFailures),
                     [&](const auto& f) { return f.second == kind; });
}

double WorstScore(bool classes) { return classes ? 0.0 : -1e30; }

Value ResultValue(const TrialResult& r) {
  Value values = Value::object();
  for (const auto& [name, value] : r.values) values[name] = value;
  Value result = {{"trial", r.number},
                  {"round", r.round},
                  {"rung", r.rung},
                  {"epochs", r.epochs},
                  {"values", values},
                  {"score", r.score},
                  {"diverged", r.diverged},
                  {"val_loss", r.val_loss},
                  {"val_accuracy", r.val_accuracy},
                  {"train_loss", r.train_loss},
                  {"train_accuracy", r.train_accuracy},
                  {"seconds", r.seconds},
                  {"curve", r.curve},
                  {"train_curve", r.train_curve}};
  if (!r.failed.empty()) {
    result["failed"] = r.failed;
    for (const auto& [name, kind] : kFailures) {
      if (kind == r.failure) result["failure"] = name;
    }
  }
  return result;
}

TrialResult ReadResult(std::string_view line) {
  Value value;
  try {
    value = ParseValue(line, kMostTokens);
  } catch (const std::exception& error) {
    BadLine(line, error.what());
  }
  if (value.kind() != Value::Kind::kObject) BadLine(line, "it is no object");
  TrialResult r;
  r.number = WholeAt(value, "trial", line);
  r.round = WholeAt(value, "round", line);
  r.rung = WholeAt(value, "rung", line);
  r.epochs = WholeAt(value, "epochs", line);
  r.score = NumberAt(value, "score", line);
  r.val_loss = NumberAt(value, "val_loss", line);
  r.val_accuracy = NumberAt(value, "val_accuracy", line);
  r.train_loss = NumberAt(value, "train_loss", line);
  r.train_accuracy = NumberAt(value, "train_accuracy", line);
  r.seconds = NumberAt(value, "seconds", line);
  const Value* const diverged = value.Find("diverged");
  if (diverged == nullptr || diverged->kind() != Value::Kind::kBool) {
    BadLine(line, "diverged is neither true nor false");
  }
  r.diverged = diverged->AsBool();
  if (value.contains("failed")) {
    r.failed = TextAt(value, "failed", line);
    const std::string kind = TextAt(value, "failure", line);
    const auto at =
        std::find_if(std::begin(kFailures), std::end(kFailures),
                     [&](const auto& f) { return f.first == kind; });
    if (r.failed.empty() || at == std::end(kFailures)) {
      BadLine(line, "the failure has no known kind");
    }
    r.failure = at->second;
  }
  const Value* const values = value.Find("values");
  if (values == nullptr || values->kind() != Value::Kind::kObject) {
    BadLine(line, "it lacks values");
  }
  for (size_t i = 0; i < values->size(); ++i) {
    if (values->at(i).kind() != Value::Kind::kText) {
      BadLine(line, "a value is no text");
    }
    r.values.emplace_back(values->key(i), values->at(i).AsText());
  }
  r.curve = NumbersAt(value, "curve", line);
  r.train_curve = NumbersAt(value, "train_curve", line);
  return r;
}

std::string WhyNoTrial(const SearchPlan& plan, const TrialResult& r) {
  if (r.number >= plan.trials) {
    return fmt::format("trial is {}, the search has {} from 0", r.number,
                       plan.trials);
  }
  const bool grid = plan.method == SearchMethod::kGrid;
  if (r.round != (grid ? 0 : r.number / kRoundTrials)) {
    return fmt::format("round {} does not have trial {}", r.round, r.number);
  }
  const std::vector<uint32_t> rungs = RungEpochs(plan);
  if (r.rung >= rungs.size()) return fmt::format("there is no rung {}", r.rung);
  if (r.epochs != rungs[r.rung]) {
    return fmt::format("epochs are {}, not {}", r.epochs, rungs[r.rung]);
  }
  if (r.number == 0 && !r.values.empty()) {
    return "trial 0 is the job as it was given, without values";
  }
  for (const auto& [name, value] : r.values) {
    const auto axis = std::find_if(
        plan.axes.begin(), plan.axes.end(),
        [&wanted = name](const Axis& known) { return known.name == wanted; });
    if (axis == plan.axes.end()) {
      return fmt::format("{} is no axis of the search", Printable(name));
    }
    if (!IsValue(*axis, value)) {
      return fmt::format("{} {} is outside {}", name, Printable(value),
                         RangeText(*axis));
    }
  }
  const auto share = [](double v) { return v >= 0 && v <= 1; };
  if (!share(r.val_accuracy) || !share(r.train_accuracy)) {
    return "an accuracy is not between 0 and 1";
  }
  if (!(r.seconds >= 0 && r.seconds <= 1e12)) return "seconds are none";
  if (r.curve.size() > r.epochs || r.train_curve.size() > r.epochs) {
    return "a curve has more epochs than the trial";
  }
  if (r.diverged && !r.failed.empty()) return "it failed and diverged";
  // Of classes the accuracy, of values the negative loss.
  const bool right =
      r.Trained() ? std::isfinite(r.val_loss) &&
                        (r.score == r.val_accuracy || r.score == -r.val_loss)
                  : r.score == WorstScore(true) || r.score == WorstScore(false);
  return right ? "" : "score is neither val_accuracy nor -val_loss";
}

std::string SearchHeader(const SearchPlan& plan, const Value& job) {
  Value axes = Value::object();
  for (const Axis& axis : plan.axes) {
    axes[axis.name] =
        Value({{"range", RangeText(axis)}, {"round", axis.round}});
  }
  Value header = {{"search", 1},           {"method", MethodName(plan.method)},
                  {"trials", plan.trials}, {"epochs", plan.epochs},
                  {"seed", plan.seed},     {"axes", axes}};
  for (size_t i = 0; i < job.size(); ++i) header[job.key(i)] = job.at(i);
  return JsonLine(header);
}

SearchFile ParseSearch(std::string_view text, const std::string& where) {
  SearchFile file;
  size_t left_out = 0;
  const auto note = [&](size_t line, const std::string& why) {
    if (++left_out > kMostNotes) return;
    file.notes.push_back(fmt::format("{}, line {}: {}; it is left out",
                                     Printable(where), line, why));
  };
  // A trial and its rung: which of the results, and its line.
  std::map<std::pair<uint32_t, uint32_t>, std::pair<size_t, size_t>> known;
  std::vector<bool> counts;
  size_t number = 0;
  for (size_t end; (end = text.find('\n', file.bytes)) != text.npos;) {
    const std::string_view line = text.substr(file.bytes, end - file.bytes);
    file.bytes = end + 1;
    if (++number == 1) {
      file.header = line;
      try {
        file.plan = ReadHeader(line);
      } catch (const std::exception&) {
        number = 0;
        break;
      }
      continue;
    }
    TrialResult r;
    try {
      r = ReadResult(line);
    } catch (const Failure&) {
      note(number, "it is no result of a trial");
      continue;
    }
    if (const std::string why = WhyNoTrial(file.plan, r); !why.empty()) {
      note(number, why);
      continue;
    }
    const std::pair<uint32_t, uint32_t> key = {r.number, r.rung};
    if (const auto at = known.find(key); at != known.end()) {
      // One that failed may have been tried again.
      if (file.results[at->second.first].failed.empty()) {
        note(at->second.second,
             fmt::format("trial {} stands there again in line {}", r.number,
                         number));
      }
      counts[at->second.first] = false;
    }
    known[key] = {file.results.size(), number};
    file.results.push_back(std::move(r));
    counts.push_back(true);
  }
  if (number == 0) {
    Fail(ErrorKind::kBadData, "no file of a search", Printable(where),
         "its first line is none of a search", "");
  }
  size_t kept = 0;
  for (size_t i = 0; i < file.results.size(); ++i) {
    if (!counts[i]) continue;
    if (kept != i) file.results[kept] = std::move(file.results[i]);
    ++kept;
  }
  file.results.resize(kept);
  if (left_out > kMostNotes) {
    file.notes.push_back(fmt::format("{}: {} more lines are left out",
                                     Printable(where), left_out - kMostNotes));
  }
  return file;
}

bool ReadSearchText(const std::string& folder, std::string* text) {
  const std::string path = folder + "/" + kSearchFile;
  std::vector<uint8_t> bytes;
  const FileError error = ReadWholeFile(path, kMostBytes, &bytes);
  if (!error.ok()) return false;
  text->assign(bytes.begin(), bytes.end());
  return true;
}

SearchFile ReadSearch(const std::string& folder) {
  std::string text;
  if (!ReadSearchText(folder, &text)) {
    Fail(ErrorKind::kNotFound, "no search", Printable(folder),
         fmt::format("there is no {} in it", kSearchFile), "");
  }
  return ParseSearch(text, folder + "/" + kSearchFile);
}

}  // namespace temper::host
