// Trial: a short training of a job on samples in memory, without a folder: what
// comes of these options in so many epochs.
// Next: lab.h, checkup.h (who compares trials).
#ifndef TEMPER_PORTS_HOST_RECIPE_TRIAL_H_
#define TEMPER_PORTS_HOST_RECIPE_TRIAL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "ports/host/train/job.h"

namespace temper::host {

struct TrialEpoch {
  double loss = 0, accuracy = 0;  // running means in training mode
  double val_loss = 0, val_accuracy = 0;
  double rate = 0;  // of its last step
};

struct Trial {
  bool diverged = false;            // a loss or a weight was not finite
  uint64_t steps = 0, samples = 0;  // that were trained on
  double first_loss = 0;
  std::vector<TrialEpoch> epochs;  // that were finished
  // In evaluation mode, on training samples, as many as there are of validation.
  double train_loss = 0, train_accuracy = 0;
  double seconds = 0;
  uint64_t arena_bytes = 0, outside_bytes = 0;  // Lab's

  // What it is judged by: validation accuracy, or for values 1 - loss /
  // `baseline`; of one that diverged 0.
  double Score(double baseline) const;
  double ValLoss() const { return epochs.empty() ? 0 : epochs.back().val_loss; }
};

// `options.samples` brings the data, validation with it. Only an error of the
// job itself throws; a training that diverges is a result.
Trial RunTrial(const JobOptions& options);

// A training on one batch, all samples of options.samples: until all of them are
// right in training mode, or for values the loss is `enough` times the first one;
// or until `most_steps`, or after `seconds`, but not before kLeastMemorySteps.
inline constexpr uint32_t kLeastMemorySteps = 100;
struct Memorised {
  bool done = false, diverged = false;
  uint32_t steps = 0;
  double first_loss = 0, loss = 0, accuracy = 0;
  double evaluated_accuracy = 0;  // in evaluation mode, after it
};
Memorised Memorise(const JobOptions& options, uint32_t most_steps,
                   double enough, double seconds);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RECIPE_TRIAL_H_
