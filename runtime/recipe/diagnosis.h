// Diagnosis: what the curves of a training say. Pure functions of a few numbers
// per epoch; the rules, each with its reason, are in docs/check.md.
// Next: ports/host/recipe/run_curves.h (the curves of a run folder).
#ifndef TEMPER_RUNTIME_RECIPE_DIAGNOSIS_H_
#define TEMPER_RUNTIME_RECIPE_DIAGNOSIS_H_

#include <cstdint>
#include <span>

#include "runtime/recipe/cause.h"

namespace temper::recipe {

// Of one epoch. Negative: not known (no validation, no classes).
struct CurvePoint {
  uint32_t epoch = 0;  // from 1
  double rate = 0;     // of its last step
  double train_loss = -1, train_accuracy = -1;
  double val_loss = -1, val_accuracy = -1;
};

// What is known of the run beside its epochs. 0: not known.
struct CurveFacts {
  double first_loss = 0, expected_loss = 0;
  double peak_loss = 0;      // the highest of the first steps
  double update_ratio = 0;   // median of the first steps
  double gradient_norm = 0;  // the same
  // Accuracy of guessing the most frequent class; of values, which have none, 0.
  double chance = 0;
  double val_samples = 0;
  uint64_t steps = 0;       // of the whole run so far
  uint32_t epochs = 0;      // planned
  uint32_t best_epoch = 0;  // whose weights are kept
  bool diverged = false;    // it ended at a number that is not finite
};

struct Diagnosis {
  Cause cause = Cause::kCount;
  // Where it shows, or to which something should move. Overfitting: 0 if only the
  // gap at the end says it. Labels: 0 if the training data are learnt. A rate that
  // is too low or too high: 0 if something is learnt all the same. Slow: 0 if the
  // schedule lowered the rate too soon.
  uint32_t epoch = 0;
  // The numbers that say so. Overfitting: the validation loss then and now; of a
  // gap the accuracies of training and validation; labels: those, or the best
  // one and that of guessing. init_small: the norm of the gradient and 0, or the
  // first loss and its expectation. rate_low: the size of steps and the loss; of
  // values 0 and the share of the loss that is gone. rate_high: the peak and the
  // last loss; a loss that rose again: its lowest, in `epoch`, and the
  // last (from < to). slow with epoch 0: the fall per epoch before, and the last.
  double from = 0, to = 0;
};

// Steps change weights by a thousandth to a hundredth of themselves in most
// trainings that work; below this the rate is what holds one up.
inline constexpr double kSmallUpdate = 2e-4;
inline constexpr double kUsualUpdate = 2e-3;

// Writes the diagnoses that are certain, the likeliest first, and returns how
// many. `to` has room for kMostDiagnoses.
inline constexpr uint32_t kMostDiagnoses = 8;
uint32_t Diagnose(std::span<const CurvePoint> points, const CurveFacts& facts,
                  std::span<Diagnosis> to);

}  // namespace temper::recipe

#endif  // TEMPER_RUNTIME_RECIPE_DIAGNOSIS_H_
