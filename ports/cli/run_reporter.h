// RunReporter: how the command watches a run: progress, notes and warnings on
// stderr, and Ctrl-C, SIGTERM and SIGHUP as the request to stop.
// Next: progress.h, ports/host/os/signals.h.
#ifndef TEMPER_PORTS_CLI_RUN_REPORTER_H_
#define TEMPER_PORTS_CLI_RUN_REPORTER_H_

#include <string_view>

#include "ports/cli/progress.h"
#include "ports/host/train/run_observer.h"
#include "ports/host/train/session.h"

namespace temper::host {

class RunReporter : public RunObserver {
 public:
  // From now on the first signal is answered between two batches, and nothing
  // ends with the reader of the output: results are files. `quiet`: warnings
  // alone.
  explicit RunReporter(bool quiet);
  // The run has ended so: signals end the process again. One that came too late
  // for the run to stop ends it now.
  void Release(SessionEnd end);

  bool StopRequested() override;
  void OnStep(const ProgressState& state) override { progress_.Update(state); }
  void OnEpoch(const ProgressState& state, double val_loss, double val_accuracy,
               double val_mae) override {
    progress_.EndEpoch(state, val_loss, val_accuracy, val_mae);
  }
  void OnNote(std::string_view text) override { progress_.Line(text); }
  void OnWarning(std::string_view text) override;
  void OnEnd() override { progress_.Clear(); }

 private:
  Progress progress_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_RUN_REPORTER_H_
