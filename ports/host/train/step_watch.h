// StepWatch: measures single steps of a training from outside: the norm of the
// gradient, and how far a sample of the weights has moved. It changes no bit of
// them and allocates nothing after construction.
// Next: ports/host/run/steps_log.h (where it is written).
#ifndef TEMPER_PORTS_HOST_TRAIN_STEP_WATCH_H_
#define TEMPER_PORTS_HOST_TRAIN_STEP_WATCH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "ports/host/run/steps_log.h"
#include "temper/trainer.h"

namespace temper::host {

class StepWatch {
 public:
  // `total_steps`: of the whole run; which steps are measured follows from it.
  StepWatch(Trainer& trainer, uint64_t total_steps);

  // Before step number `step`, from 1. May be called again.
  void Before(uint64_t step);
  // After it: a row, if it was measured.
  std::optional<StepsRow> After(uint64_t step, float loss, float rate);

 private:
  // At most so many weights are looked at: their part of a norm is that of all.
  static constexpr uint64_t kMostWeights = 4096;

  Trainer& trainer_;
  const uint64_t every_;   // of the later steps
  uint64_t stride_ = 1;    // between weights
  uint64_t measured_ = 0;  // the step that is
  std::vector<float> before_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_STEP_WATCH_H_
