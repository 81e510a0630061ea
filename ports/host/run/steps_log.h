// StepsLog: steps.csv, what single steps were like: the first 100, and of the
// later ones every so manieth, at most 1,000. Curves within the first epoch are
// made of it. A log: it is never ahead of what training does, and decides nothing.
// Next: run_log.h, the file below it; ports/host/train/step_watch.h.
#ifndef TEMPER_PORTS_HOST_RUN_STEPS_LOG_H_
#define TEMPER_PORTS_HOST_RUN_STEPS_LOG_H_

#include <cstdint>
#include <string_view>

#include "ports/host/run/run_log.h"

namespace temper::host {

inline constexpr uint64_t kFirstSteps = 100, kLaterSteps = 1000;

struct StepsRow {
  uint64_t step = 0;  // from 1
  float loss = 0, rate = 0;
  double gradient_norm = 0;  // of the mean gradient, as the optimizer gets it
  double update_ratio = 0;   // |change of the weights| / |weights|
};

class StepsLog {
 public:
  // A new file, or, of a run that goes on after `step`, the rows up to it.
  StepsLog(const FilePlace& place, bool resume, uint64_t step);
  void Append(const StepsRow& row);
  void Sync() { file_.Sync(); }
  std::string_view TakeWarning() { return file_.TakeWarning(); }

 private:
  AppendFile file_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RUN_STEPS_LOG_H_
