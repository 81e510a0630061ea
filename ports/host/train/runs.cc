// See runs.h.
#include "ports/host/train/runs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "models/spec.h"
#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/run/run_folder.h"
#include "ports/host/train/checkpoint.h"
#include "ports/host/train/session.h"

namespace temper::host {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLevels = 4;

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
bool IsFolder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool IsRunFolder(const std::string& path) {
  return IsFolder(path) &&
         (IsFile(path + "/config.json") || IsFolder(path + "/weights"));
}

// Who trains in a run holds its lock (run_folder.cc). Asking for it would keep
// others from it; the kernel's list does not.
bool IsLocked(const std::string& run) {
  struct stat info;
  if (stat(run.c_str(), &info) != 0) return false;
  std::ifstream locks("/proc/locks");
  const std::string inode = fmt::format(":{} ", info.st_ino);
  for (std::string line; std::getline(locks, line);) {
    if (line.find("FLOCK") != line.npos && line.find("WRITE") != line.npos &&
        line.find(inode) != line.npos) {
      return true;
    }
  }
  return false;
}

// The kind of the last whole event (run_log.h).
std::string LastEvent(const std::string& run) {
  constexpr std::streamoff kTail = 8192;
  std::ifstream file(run + "/events.jsonl", std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff end = file.tellg();
  if (!file || end <= 0) return "";
  file.seekg(std::max<std::streamoff>(0, end - kTail));
  std::string text(static_cast<size_t>(std::min(end, kTail)), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  text.erase(text.rfind('\n') == text.npos ? 0 : text.rfind('\n'));
  constexpr std::string_view kKey = "\"event\":\"";
  const size_t key = text.rfind(kKey);
  if (key == text.npos) return "";
  const size_t begin = key + kKey.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

struct Found {
  std::vector<std::string> runs, searches;
};

void Collect(const fs::path& folder, int levels, Found* to) {
  if (IsFile((folder / "config.json").string())) {
    to->runs.push_back(folder.lexically_normal().string());
    return;
  }
  if (IsFile((folder / kSearchFile).string())) {
    to->searches.push_back(folder.lexically_normal().string());
    return;
  }
  if (levels == 0) return;
  std::error_code error;  // a folder that may not be read has no runs to show
  for (fs::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (!at->is_symlink(ignored) && at->is_directory(ignored)) {
      Collect(at->path(), levels - 1, to);
    }
  }
}

}  // namespace

std::string WeightsFile(const std::string& path) {
  if (IsFolder(path) && !IsRunFolder(path)) FailNoRun(path);
  if (!IsRunFolder(path)) return path;
  std::string run = path;
  while (run.size() > 1 && run.back() == '/') run.pop_back();
  for (const std::string& file : {BestWeights(run), LastCheckpoint(run)}) {
    if (IsFile(file)) return file;
  }
  Fail(ErrorKind::kNotFound, "the run has no weights", run,
       fmt::format("neither {} nor {} is in its weights/", kBestWeights,
                   kLastCheckpoint),
       "`temper list runs` shows runs");
}

std::optional<uint64_t> PlannedArena(const std::string& run) {
  constexpr uint64_t kMostBytes = uint64_t{16} << 20;
  std::vector<uint8_t> text;
  if (!ReadWholeFile(run + "/plan.json", kMostBytes, &text).ok()) return {};
  return JsonMember({reinterpret_cast<const char*>(text.data()), text.size()},
                    "arena_bytes");
}

RunSummary SummaryOf(const std::string& run) {
  RunSummary s;
  s.path = run;
  s.arena_bytes = PlannedArena(run);
  bool finished = false;
  try {
    const JobOptions options = ReadRunOptions(run);
    s.model = options.model;
    s.optimizer = BriefSpec(options.optimizer, OptimizerCatalogue());
    s.schedule = BriefSpec(options.schedule, ScheduleCatalogue());
    if (options.lr > 0) s.lr = options.lr;
    s.epochs_total = options.epochs;
    const ModelSource last(LastCheckpoint(run));
    const std::optional<Counters> counters = StoredCounters(last.header());
    if (!counters) Fail(ErrorKind::kBadData, "no counters", run, "", "");
    finished = HasFinished(*counters, options);
    s.epochs = counters->Epochs();
    // Without validation data the best epoch is the last one, by no number.
    if (counters->best_epoch != 0 && counters->best_accuracy >= 0.0) {
      if (!last.header().classes.empty()) {
        s.best_accuracy = counters->best_accuracy;
      }
      s.best_epoch = counters->best_epoch;
      s.best_loss = counters->best_loss;
    }
  } catch (const Failure&) {
    s.state = "damaged";
    return s;
  }
  s.state = finished                       ? "finished"
            : IsLocked(run)                ? "running"
            : LastEvent(run) == "diverged" ? "diverged"
                                           : "stopped";
  return s;
}

std::string DivergedNote(const std::string& path) {
  if (!IsRunFolder(path) || IsLocked(path) || LastEvent(path) != "diverged") {
    return "";
  }
  return fmt::format(
      "{} has diverged: these are the weights of before that, `temper diagnose "
      "{}` says more",
      Printable(path), Printable(path));
}

RunList ListRuns(const std::string& folder) {
  if (!IsFolder(folder)) {
    Fail(ErrorKind::kNotFound, "cannot list runs", Printable(folder),
         "there is no such folder",
         "Name the folder that runs are in: temper list runs DIR");
  }
  Found found;
  Collect(folder, kMostLevels, &found);
  std::sort(found.runs.begin(), found.runs.end());
  std::sort(found.searches.begin(), found.searches.end());
  RunList list;
  for (const std::string& run : found.runs) list.runs.push_back(SummaryOf(run));
  list.searches = std::move(found.searches);
  return list;
}

void FailNoRun(const std::string& folder) {
  const auto holds = [&](const std::string& name) {
    std::error_code ignored;
    return std::filesystem::exists(folder + name, ignored);
  };
  std::string why = "it has no config.json",
              what = "`temper list runs` shows runs";
  if (holds(std::string("/") + kSearchFile)) {
    why = "it is the folder of a search, whose trials are no runs";
    what =
        "`temper report` shows it, alone; its best options are those of "
        "`temper search` with the same words";
  } else if (holds(std::string("/") + kSeriesFile)) {
    why = "it is a series of runs";
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder, ignored)) {
      if (std::filesystem::exists(entry.path() / kConfigFile, ignored)) {
        names.push_back(entry.path().filename().string());
      }
    }
    std::sort(names.begin(), names.end());
    what = "Name one of its runs";
    if (!names.empty())
      what += ", such as " + Printable(folder + "/" + names[0]);
  }
  Fail(ErrorKind::kNotFound, "no run folder", Printable(folder), why, what);
}

}  // namespace temper::host
