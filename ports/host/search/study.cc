// See study.h.
#include "ports/host/search/study.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>

#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/os/workers.h"
#include "ports/host/recipe/trial.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostBytes = uint64_t{256} << 20;
constexpr uint64_t kMostTokens = 100000;  // of a line

[[noreturn]] void BadLine(std::string_view line, const std::string& why) {
  Fail(ErrorKind::kBadData, "a line of a search",
       Printable(std::string(line.substr(0, 80))), why,
       "It was changed: begin a new search in another folder");
}

double NumberAt(const Value& of, const char* key, std::string_view line) {
  const Value* const value = of.Find(key);
  if (value == nullptr) BadLine(line, fmt::format("it lacks {}", key));
  switch (value->kind()) {
    case Value::Kind::kNull:  // what is not finite
      return INFINITY;
    case Value::Kind::kUnsigned:
    case Value::Kind::kSigned:
    case Value::Kind::kNumber:
      return value->AsDouble();
    default:
      BadLine(line, fmt::format("{} is no number", key));
  }
}

uint32_t WholeAt(const Value& of, const char* key, std::string_view line) {
  const double value = NumberAt(of, key, line);
  if (!(value >= 0 && value <= 4e9) || value != std::floor(value)) {
    BadLine(line, fmt::format("{} is no whole number", key));
  }
  return static_cast<uint32_t>(value);
}

std::vector<double> NumbersAt(const Value& of, const char* key) {
  std::vector<double> numbers;
  const Value* const value = of.Find(key);
  if (value == nullptr || value->kind() != Value::Kind::kArray) return numbers;
  for (const Value& v : *value) {
    numbers.push_back(v.is_null() ? INFINITY : v.AsDouble());
  }
  return numbers;
}

std::optional<std::string> TextOf(const std::string& path) {
  std::vector<uint8_t> bytes;
  const FileError error = ReadWholeFile(path, kMostBytes, &bytes);
  if (!error.ok()) return {};
  return std::string(bytes.begin(), bytes.end());
}

// Whole lines; the bytes of a last one that was cut are left out.
std::vector<std::string_view> WholeLines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t end; (end = text.find('\n')) != text.npos;) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

const char* MethodName(SearchMethod method) {
  return method == SearchMethod::kGrid      ? "grid"
         : method == SearchMethod::kHalving ? "halving"
                                            : "random";
}

}  // namespace

Value ResultValue(const TrialResult& r) {
  Value values = Value::object();
  for (const auto& [name, value] : r.values) values[name] = value;
  return {{"trial", r.number},
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
  r.curve = NumbersAt(value, "curve");
  r.train_curve = NumbersAt(value, "train_curve");
  return r;
}

std::vector<TrialResult> ReadResults(const std::string& folder) {
  const std::string path = folder + "/" + kSearchFile;
  const std::optional<std::string> text = TextOf(path);
  if (!text) {
    Fail(ErrorKind::kNotFound, "no search", Printable(folder),
         fmt::format("there is no {} in it", kSearchFile), "");
  }
  const std::vector<std::string_view> lines = WholeLines(*text);
  if (lines.empty() || lines[0].find("\"search\":1") == lines[0].npos) {
    Fail(ErrorKind::kBadData, "no file of a search", Printable(path), "", "");
  }
  std::vector<TrialResult> results;
  for (size_t i = 1; i < lines.size(); ++i) {
    results.push_back(ReadResult(lines[i]));
  }
  return results;
}

Study::Study(const StudyOptions& options)
    : options_(options), began_(std::chrono::steady_clock::now()) {
  if (options_.folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(options_.folder, error);
  if (error) {
    Fail(ErrorKind::kCannotCreate, "the folder of the search",
         Printable(options_.folder), error.message(), "Choose another --out");
  }
  const std::string path = options_.folder + "/" + kSearchFile;
  const std::string header = Header();
  const std::optional<std::string> text = TextOf(path);
  const std::vector<std::string_view> lines =
      text ? WholeLines(*text) : std::vector<std::string_view>();
  if (lines.empty()) {
    if (!std::filesystem::is_empty(options_.folder, error) && !text) {
      Fail(ErrorKind::kCannotCreate, "the folder of the search",
           Printable(options_.folder), "it is there and holds something else",
           "Choose another --out");
    }
    if (truncate(path.c_str(), 0) != 0 && errno != ENOENT) {
      Fail(ErrorKind::kIo, "cannot begin the search", Printable(path),
           std::strerror(errno), "");
    }
    Write(header);
    return;
  }
  if (lines[0] != header) {
    Fail(ErrorKind::kUsage, "the folder holds another search",
         Printable(options_.folder),
         "model, data, options, axes or seed are not those that it began with",
         "Repeat the command that began it, or choose another --out");
  }
  results_ = ReadResults(options_.folder);
  kept_ = static_cast<uint32_t>(results_.size());
  // A line that was cut goes away before more follow.
  uint64_t whole = 0;
  for (const std::string_view line : lines) whole += line.size() + 1;
  if (whole != text->size() &&
      truncate(path.c_str(), static_cast<off_t>(whole)) != 0) {
    Fail(ErrorKind::kIo, "cannot go on with the search", Printable(path),
         std::strerror(errno), "");
  }
}

// What decides the results: not where, nor on how many threads they are computed.
std::string Study::Header() const {
  const TrainingData samples = options_.job.samples();
  std::string data = fmt::format("{:016x}", Fingerprint(samples.train));
  if (samples.val) data += fmt::format("{:016x}", Fingerprint(*samples.val));
  Value axes = Value::object();
  for (const Axis& axis : options_.plan.axes) {
    axes[axis.name] =
        Value({{"range", RangeText(axis)}, {"round", axis.round}});
  }
  return JsonLine({{"search", 1},
                   {"method", MethodName(options_.plan.method)},
                   {"trials", options_.plan.trials},
                   {"epochs", options_.plan.epochs},
                   {"seed", options_.plan.seed},
                   {"axes", axes},
                   {"model", options_.job.model},
                   {"options", OptionsFingerprint(options_.job)},
                   {"data", data}});
}

void Study::Write(const std::string& line) {
  const std::string path = options_.folder + "/" + kSearchFile;
  const std::string text = line + "\n";
  const int file =
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  const bool good = file >= 0 &&
                    write(file, text.data(), text.size()) ==
                        static_cast<ssize_t>(text.size()) &&
                    fdatasync(file) == 0;
  const int error = errno;
  if (file >= 0) close(file);
  if (!good) {
    Fail(ErrorKind::kIo, "cannot write a result", Printable(path),
         std::strerror(error), "The same command goes on from the last one");
  }
}

void Study::Keep(TrialResult result) {
  if (!options_.folder.empty()) Write(JsonLine(ResultValue(result)));
  results_.push_back(result);
  if (on_trial) on_trial(result);
}

const TrialResult* Study::Known(const TrialTask& task) const {
  for (const TrialResult& r : results_) {
    if (r.number == task.number && r.rung == task.rung) return &r;
  }
  return nullptr;
}

TrialResult Study::RunTask(const TrialTask& task, uint32_t threads) const {
  JobOptions job = WithValues(options_.job, task.values);
  job.epochs = task.epochs;
  if (threads != 0) job.threads = threads;
  const Trial trial = RunTrial(job);
  TrialResult r;
  r.number = task.number;
  r.round = task.round;
  r.rung = task.rung;
  r.epochs = task.epochs;
  r.values = task.values;
  r.diverged = trial.diverged;
  if (!trial.epochs.empty()) {
    r.val_loss = trial.epochs.back().val_loss;
    r.val_accuracy = trial.epochs.back().val_accuracy;
  }
  const bool bad =
      r.diverged || trial.epochs.empty() || !std::isfinite(r.val_loss);
  r.score = options_.classes ? (bad ? 0.0 : r.val_accuracy)
                             : (bad ? -1e30 : -r.val_loss);
  r.train_loss = trial.train_loss;
  r.train_accuracy = trial.train_accuracy;
  r.seconds = trial.seconds;
  for (const TrialEpoch& epoch : trial.epochs) {
    r.curve.push_back(epoch.val_loss);
    r.train_curve.push_back(epoch.loss);
  }
  return r;
}

std::vector<TrialResult> Study::RunTasks(const std::vector<TrialTask>& tasks) {
  std::vector<TrialTask> left;
  for (const TrialTask& task : tasks) {
    if (Known(task) == nullptr) left.push_back(task);
  }
  bool all = true;
  if (options_.workers <= 1) {
    for (const TrialTask& task : left) {
      if (stop && stop()) {
        all = false;
        break;
      }
      Keep(RunTask(task, 0));
    }
  } else {
    all = RunInProcesses(
        static_cast<uint32_t>(left.size()), options_.workers,
        [&](uint32_t i) { return JsonLine(ResultValue(RunTask(left[i], 1))); },
        [&](uint32_t, std::string text) { Keep(ReadResult(text)); }, stop);
  }
  if (!all) return {};
  std::vector<TrialResult> results;
  for (const TrialTask& task : tasks) results.push_back(*Known(task));
  return results;
}

bool Study::Run() {
  const SearchPlan& plan = options_.plan;
  std::vector<TrialResult> earlier;
  const uint32_t rounds = RoundCount(plan);
  for (uint32_t round = 0; round < rounds; ++round) {
    if (options_.seconds > 0 && round > 0) {
      const double spent = std::chrono::duration<double>(
                               std::chrono::steady_clock::now() - began_)
                               .count();
      if (spent >= options_.seconds) return true;
    }
    std::vector<TrialTask> tasks = TasksOfRound(plan, round, earlier);
    std::vector<TrialResult> of_round;
    while (!tasks.empty()) {
      const std::vector<TrialResult> done = RunTasks(tasks);
      if (done.size() < tasks.size()) return false;
      of_round.insert(of_round.end(), done.begin(), done.end());
      tasks = NextRung(plan, round, of_round);
    }
    earlier.insert(earlier.end(), of_round.begin(), of_round.end());
    if (on_round) {
      on_round(round, round + 1 < rounds ? AxesOfRound(plan, round + 1, earlier)
                                         : std::vector<Axis>());
    }
  }
  std::sort(results_.begin(), results_.end(),
            [](const TrialResult& a, const TrialResult& b) {
              return a.number != b.number ? a.number < b.number
                                          : a.rung < b.rung;
            });
  return true;
}

TrialResult Study::Tell(const Values& values) {
  TrialTask task;
  for (const TrialResult& r : results_) {
    task.number = std::max(task.number, r.number + 1);
  }
  task.epochs = options_.plan.epochs;
  task.values = values;
  const TrialResult result = RunTask(task, 0);
  Keep(result);
  return result;
}

uint64_t Study::counted_epochs() const {
  uint64_t sum = 0;
  for (const TrialResult& r : results_) sum += r.epochs;
  return sum;
}

}  // namespace temper::host
