// Run folders from outside: which weights one stands for, and what
// `temper list runs` tells of it. Read only: a run that is being trained is
// never disturbed. Next: ports/host/run/run_folder.h (what is in one).
#ifndef TEMPER_PORTS_HOST_TRAIN_RUNS_H_
#define TEMPER_PORTS_HOST_TRAIN_RUNS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace temper::host {

// A run folder, which has config.json or weights/ in it, stands for its best weights, or its last where there are no best
// ones. Anything else is returned as it is. kNotFound: a folder without
// either.
std::string WeightsFile(const std::string& model_or_run);

// Of a run folder whose training has diverged: what its weights are then; else "".
std::string DivergedNote(const std::string& model_or_run);

// What the plan.json of a run says it needs; nothing if there is none.
std::optional<uint64_t> PlannedArena(const std::string& run);

struct RunSummary {
  std::string path;
  std::string state;  // finished, running, stopped, diverged, damaged
  // As they were given, but for fields that have their defaults. Of several phases
  // those of the run.
  std::string model, optimizer, schedule;
  std::optional<double> lr;
  std::optional<uint32_t> epochs, epochs_total;
  // Of the best epoch on validation data.
  uint32_t best_epoch = 0;  // 0: none yet
  std::optional<double> best_accuracy, best_loss;
  std::optional<uint64_t> arena_bytes;
};

// Of one run folder; "damaged" where it cannot be read.
RunSummary SummaryOf(const std::string& run);

// kNotFound: the folder is none of a run; what it is, and what to name.
[[noreturn]] void FailNoRun(const std::string& folder);

struct RunList {
  std::vector<RunSummary> runs;
  std::vector<std::string> searches;  // folders of `temper search`
};

// What is in `folder` and below it, up to four levels deep, by path.
// kNotFound: there is no such folder.
RunList ListRuns(const std::string& folder);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_RUNS_H_
