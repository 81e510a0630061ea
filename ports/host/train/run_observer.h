// RunObserver: what a run tells while it goes on, and how it is asked to stop.
// The host library installs no signal handler and prints nothing: the command
// hands in an observer that does (ports/cli/run_reporter.h), another program
// one of its own, or none.
#ifndef TEMPER_PORTS_HOST_TRAIN_RUN_OBSERVER_H_
#define TEMPER_PORTS_HOST_TRAIN_RUN_OBSERVER_H_

#include <cstdint>
#include <string_view>

namespace temper::host {

struct ProgressState {
  uint32_t epoch = 0, epochs = 0;           // epoch counts from 1
  uint64_t step = 0, steps = 0;             // within the epoch, done / all
  uint64_t samples = 0, samples_total = 0;  // of the whole run, done / all
  // Accuracy in [0, 1]; negative: the model has no classes.
  double loss = 0.0, accuracy = 0.0, lr = 0;
};

// Called by the thread that calls Session::Run. What a call throws ends the
// run, without another save. Texts hold what files and users wrote: whoever
// prints them escapes (models/files/text.h).
class RunObserver {
 public:
  virtual ~RunObserver() = default;

  // Before every batch, of training and of validation. True: the run saves its
  // state and ends as SessionEnd::kStopped.
  virtual bool StopRequested() { return false; }
  virtual void OnStep(const ProgressState&) {}
  // After an epoch and its validation. A negative number: there is none.
  virtual void OnEpoch(const ProgressState&, double /*val_loss*/,
                       double /*val_accuracy*/, double /*val_mae*/) {}
  // After a checkpoint of so many bytes, which took so many seconds.
  virtual void OnSave(uint64_t /*bytes*/, double /*seconds*/) {}
  // What the user should know of data and job, once, before the first step.
  virtual void OnNote(std::string_view) {}
  virtual void OnWarning(std::string_view) {}
  // No step follows: all are done, the run was stopped, or it has diverged.
  virtual void OnEnd() {}
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_RUN_OBSERVER_H_
