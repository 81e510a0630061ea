// Series: the same job several times, each a run with a folder of its own: one
// for each fold of the data (k-fold cross-validation) or for each of several
// seeds. The folder of the series holds series.json, what the runs have in common,
// and fold-1, fold-2, ... or seed-1, seed-2, ...
// Next: ports/cli/series_runs.cc (runs them), session.h (one run).
#ifndef TEMPER_PORTS_HOST_TRAIN_SERIES_H_
#define TEMPER_PORTS_HOST_TRAIN_SERIES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ports/host/run/run_folder.h"
#include "ports/host/train/job.h"

namespace temper::host {

inline constexpr uint32_t kMostRuns = 1000;  // of a series

struct Series {
  // Seeds go on from the job's; folds have the same one.
  uint32_t folds = 0, seeds = 0;  // one of them
  JobOptions options;             // `out`: the folder of the series

  uint32_t count() const { return folds != 0 ? folds : seeds; }
  bool any() const { return count() != 0; }
  const char* noun() const { return folds != 0 ? "fold" : "seed"; }
};

// The options of run i, from 0.
JobOptions OptionsOfRun(const Series& series, uint32_t i);

// Makes the folder with its series.json; of several (JobOptions::numbered) the
// first that is free, whose name options.out becomes. It is locked, and gone again
// with the RunFolder unless that is told to Keep() it. kUsage: options that make no
// series; kCannotCreate, kIo.
std::unique_ptr<RunFolder> BeginSeries(Series& series);
// True if this is the folder of a series. ReadSeries: kConfiguration.
bool IsSeries(const std::string& folder);
Series ReadSeries(const std::string& folder);
// Locks the folder of a series against other processes. kCannotCreate.
std::unique_ptr<RunFolder> OpenSeries(const Series& series);
// That run i, which is in the folder already, was begun by this series. `own`: its
// options. What a run may be given when it is resumed is its own matter: its
// length, the place of its data, the machine. kMismatch.
void CheckRunOfSeries(const Series& series, uint32_t i, const JobOptions& own);

// The last row of a run's metrics.csv by column; empty where there is none.
std::map<std::string, double> LastMetrics(const std::string& run);

// Mean and spread: the standard deviation of a sample, with n - 1; 0 of one.
struct Spread {
  double mean = 0, deviation = 0;
};
Spread SpreadOf(const std::vector<double>& values);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_SERIES_H_
