// See study.h.
#include "ports/host/search/study.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <new>
#include <optional>
#include <set>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/os/workers.h"
#include "ports/host/recipe/trial.h"

namespace temper::host {
namespace {

// Why a job with these values cannot be prepared.
std::optional<Failure> FailureOf(const StudyOptions& options,
                                 const Values& values) {
  try {
    JobOptions job = WithValues(options.job, values);
    job.epochs = RungEpochs(options.plan).front();
    PrepareJob(job);
    return {};
  } catch (const Failure& failure) {
    return failure;
  }
}

// True for what a trial with other values may not have. `models`: the search has
// several, of which one may lack layers, or have a batch norm.
bool DependsOnOthers(ErrorKind kind, bool models) {
  return kind == ErrorKind::kDoesNotFit || kind == ErrorKind::kUnsupported ||
         (models && kind == ErrorKind::kConfiguration);
}

}  // namespace

void CheckChoices(const StudyOptions& options) {
  // Others are checked whole as options and specs.
  constexpr std::string_view kOfTheJob[] = {"schedule", "augment", "freeze",
                                            "model"};
  const std::vector<Axis>& axes = options.plan.axes;
  const auto find = [&](const char* name) {
    return std::find_if(axes.begin(), axes.end(),
                        [&](const Axis& a) { return a.name == name; });
  };
  const auto batch = find("batch");
  const bool models = find("model") != axes.end();
  for (const Axis& axis : axes) {
    if (std::find(std::begin(kOfTheJob), std::end(kOfTheJob), axis.name) ==
        std::end(kOfTheJob)) {
      continue;
    }
    for (const Values& probe : ProbesOf(options.plan.axes, axis, options.job)) {
      // Small batches have more steps, which a warm-up may need.
      std::vector<Values> tries = {probe};
      if (batch != axes.end()) {
        tries.push_back(probe);
        tries.back().insert(tries.back().begin(),
                            {batch->name, ValueAt(*batch, 0)});
      }
      std::optional<Failure> failed;
      for (const Values& values : tries) {
        const std::optional<Failure> failure = FailureOf(options, values);
        if (!failure || DependsOnOthers(failure->kind, models)) {
          failed.reset();
          break;
        }
        if (!failed) failed = failure;
      }
      if (failed) FailAxis(*failed, axis, probe);
    }
  }
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
  Lock();
  const std::string path = options_.folder + "/" + kSearchFile;
  const std::string header = Header();
  std::string text;
  const bool there = ReadSearchText(options_.folder, &text);
  if (text.find('\n') == text.npos) {
    if (!std::filesystem::is_empty(options_.folder, error) && !there) {
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
  SearchFile file = ParseSearch(text, path);
  if (file.header != header) {
    Fail(ErrorKind::kUsage, "the folder holds another search",
         Printable(options_.folder),
         "model, data, options, axes, seed or the number of trials are not "
         "those that it began with",
         "Repeat the command that began it, or choose another --out");
  }
  results_ = std::move(file.results);
  notes_ = std::move(file.notes);
  // Memory may be another now: those are tried again.
  std::erase_if(results_, [](const TrialResult& r) {
    return !r.failed.empty() && r.failure == ErrorKind::kDoesNotFit;
  });
  kept_ = static_cast<uint32_t>(results_.size());
  // A line that was cut goes away before more follow.
  if (file.bytes != text.size() &&
      truncate(path.c_str(), static_cast<off_t>(file.bytes)) != 0) {
    Fail(ErrorKind::kIo, "cannot go on with the search", Printable(path),
         std::strerror(errno), "");
  }
}

Study::~Study() {
  if (folder_ >= 0) close(folder_);
}

// As a run's folder is: file systems without locks go unlocked.
void Study::Lock() {
  folder_ = open(options_.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) {
    FailErrno(ErrorKind::kCannotCreate, errno, "the folder of the search",
              Printable(options_.folder), "Choose another --out");
  }
  if (flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(std::exchange(folder_, -1));
    Fail(ErrorKind::kCannotCreate, "the folder of the search",
         Printable(options_.folder), "another process is writing into it",
         "Wait for it to end, or choose another --out");
  }
}

// What decides the results: not where, nor on how many threads they are computed.
std::string Study::Header() const {
  const TrainingData samples = options_.job.samples();
  std::string data = fmt::format("{:016x}", Fingerprint(samples.train));
  if (samples.val) data += fmt::format("{:016x}", Fingerprint(*samples.val));
  return SearchHeader(options_.plan,
                      {{"model", options_.job.model},
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

const TrialResult* Study::Same(const TrialTask& task) const {
  for (const TrialResult& r : results_) {
    if (r.values == task.values && r.rung == task.rung &&
        r.epochs == task.epochs && r.failed.empty()) {
      return &r;
    }
  }
  return nullptr;
}

// The same training again has the same result.
void Study::KeepCopy(const TrialTask& task) {
  TrialResult copy = *Same(task);
  copy.number = task.number;
  copy.round = task.round;
  copy.seconds = 0;
  Keep(std::move(copy));
}

TrialResult Study::Failed(const TrialTask& task, ErrorKind kind,
                          const std::string& why) const {
  TrialResult r;
  r.number = task.number;
  r.round = task.round;
  r.rung = task.rung;
  r.epochs = task.epochs;
  r.values = task.values;
  r.failed = why;
  r.failure = kind;
  r.score = WorstScore(options_.classes);
  r.val_loss = r.train_loss = INFINITY;
  return r;
}

TrialResult Study::RunTask(const TrialTask& task, uint32_t threads) const {
  try {
    return Train(task, threads);
  } catch (const Failure& failure) {
    if (!IsTrialFailure(failure.kind)) throw;
    return Failed(task, failure.kind, failure.message);
  } catch (const std::bad_alloc&) {
    return Failed(task, ErrorKind::kDoesNotFit, "out of memory in a trial");
  }
}

TrialResult Study::Train(const TrialTask& task, uint32_t threads) const {
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
  if (!trial.epochs.empty()) {
    r.val_loss = trial.epochs.back().val_loss;
    r.val_accuracy = trial.epochs.back().val_accuracy;
  }
  r.diverged =
      trial.diverged || trial.epochs.empty() || !std::isfinite(r.val_loss);
  r.score = r.diverged         ? WorstScore(options_.classes)
            : options_.classes ? r.val_accuracy
                               : -r.val_loss;
  r.train_loss = trial.train_loss;
  r.train_accuracy = trial.train_accuracy;
  r.seconds = trial.seconds;
  for (const TrialEpoch& epoch : trial.epochs) {
    r.curve.push_back(epoch.val_loss);
    r.train_curve.push_back(epoch.loss);
  }
  return r;
}

std::vector<TrialTask> Study::Tasks(
    uint32_t round, const std::vector<TrialResult>& earlier) const {
  std::vector<TrialTask> tasks;
  for (TrialTask& task : TasksOfRound(options_.plan, round, earlier)) {
    task.values = UsedValues(options_.job, task.values);
    // Combinations that differ in what the optimizer lacks are one.
    const bool again =
        options_.plan.method == SearchMethod::kGrid &&
        std::any_of(tasks.begin(), tasks.end(), [&](const TrialTask& other) {
          return other.number != 0 && other.values == task.values;
        });
    if (!again) tasks.push_back(std::move(task));
  }
  return tasks;
}

std::vector<TrialResult> Study::RunTasks(const std::vector<TrialTask>& tasks) {
  std::vector<TrialTask> left, repeated;
  for (const TrialTask& task : tasks) {
    // A line that was changed has the number of a trial, but not its values.
    const size_t before = results_.size();
    std::erase_if(results_, [&](const TrialResult& r) {
      return r.number == task.number && r.rung == task.rung &&
             r.values != task.values;
    });
    if (results_.size() != before) {
      notes_.push_back(
          fmt::format("{}: the values of trial {} are not those that this "
                      "search gives it: it is trained again",
                      kSearchFile, task.number));
    }
    if (Known(task) != nullptr) continue;
    const bool again =
        Same(task) != nullptr ||
        std::any_of(left.begin(), left.end(), [&](const TrialTask& other) {
          return other.values == task.values && other.rung == task.rung;
        });
    (again ? repeated : left).push_back(task);
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
        [&](uint32_t i) {
          // The lock is the search's, and goes with it.
          if (folder_ >= 0) close(folder_);
          return JsonLine(ResultValue(RunTask(left[i], 1)));
        },
        [&](uint32_t, std::string text) { Keep(ReadResult(text)); }, stop,
        [&](uint32_t i) {
          Keep(Failed(left[i], ErrorKind::kDoesNotFit,
                      "its process was killed twice, for want of memory or by "
                      "somebody. Use fewer --workers"));
        });
  }
  if (!all) return {};
  for (const TrialTask& task : repeated) {
    if (Same(task) != nullptr) {
      KeepCopy(task);
    } else {  // the other one failed
      Keep(RunTask(task, 0));
    }
  }
  std::vector<TrialResult> results;
  for (const TrialTask& task : tasks) results.push_back(*Known(task));
  return results;
}

StudyEnd Study::Run() {
  const StudyEnd end = RunRounds();
  std::sort(results_.begin(), results_.end(),
            [](const TrialResult& a, const TrialResult& b) {
              return a.number != b.number ? a.number < b.number
                                          : a.rung < b.rung;
            });
  return end;
}

StudyEnd Study::RunRounds() {
  const SearchPlan& plan = options_.plan;
  std::vector<TrialResult> earlier;
  const uint32_t rounds = RoundCount(plan);
  for (uint32_t round = 0; round < rounds; ++round) {
    if (options_.seconds > 0 && round > 0) {
      const double spent = std::chrono::duration<double>(
                               std::chrono::steady_clock::now() - began_)
                               .count();
      if (spent >= options_.seconds) return StudyEnd::kTimeUp;
    }
    std::vector<TrialTask> tasks = Tasks(round, earlier);
    std::vector<TrialResult> of_round;
    while (!tasks.empty()) {
      const std::vector<TrialResult> done = RunTasks(tasks);
      if (done.size() < tasks.size()) return StudyEnd::kStopped;
      of_round.insert(of_round.end(), done.begin(), done.end());
      tasks = NextRung(plan, round, of_round);
    }
    earlier.insert(earlier.end(), of_round.begin(), of_round.end());
    if (on_round) {
      on_round(round, round + 1 < rounds ? AxesOfRound(plan, round + 1, earlier)
                                         : std::vector<Axis>());
    }
  }
  // What no round has, such as a rung that its trial did not come to.
  const size_t before = results_.size();
  std::erase_if(results_, [&](const TrialResult& r) {
    return std::none_of(earlier.begin(), earlier.end(),
                        [&](const TrialResult& e) {
                          return e.number == r.number && e.rung == r.rung;
                        });
  });
  if (results_.size() != before) {
    notes_.push_back(fmt::format(
        "{}: {} results are of no trial of this search: they are left out",
        kSearchFile, before - results_.size()));
  }
  return StudyEnd::kFinished;
}

TrialResult Study::Tell(const Values& values) {
  TrialTask task;
  for (const TrialResult& r : results_) {
    task.number = std::max(task.number, r.number + 1);
  }
  task.epochs = options_.plan.epochs;
  task.values = UsedValues(options_.job, values);
  const TrialResult result = RunTask(task, 0);
  Keep(result);
  return result;
}

uint32_t Study::planned() const {
  return options_.plan.method == SearchMethod::kGrid
             ? static_cast<uint32_t>(Tasks(0, {}).size())
             : options_.plan.trials;
}

uint32_t Study::trials() const {
  std::set<uint32_t> numbers;
  for (const TrialResult& r : results_) numbers.insert(r.number);
  return static_cast<uint32_t>(numbers.size());
}

uint64_t Study::counted_epochs() const {
  uint64_t sum = 0;
  std::set<std::pair<Values, uint32_t>> trained;
  for (const TrialResult& r : results_) {
    if (!r.failed.empty()) continue;
    if (trained.insert({r.values, r.rung}).second) sum += r.epochs;
  }
  return sum;
}

uint32_t Study::repeated() const {
  std::set<std::pair<Values, uint32_t>> trained;
  uint32_t count = 0;
  for (const TrialResult& r : results_) {
    count += r.failed.empty() && !trained.insert({r.values, r.rung}).second;
  }
  return count;
}

}  // namespace temper::host
