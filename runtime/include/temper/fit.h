// Fit: the loop over epochs, batches and validations, without files, clocks,
// threads or heap. Saving, logs, early stopping and keeping the best weights
// are observers.
//
// Example, after trainer.h's:
//
//   struct Samples {  // yours: batch k of an epoch
//     uint64_t next = 0;
//     temper::Batch batch;
//   } source;
//   source.batch = {.input = samples, .labels = labels, .rows = 32};
//   const temper::BatchSource train = {
//       &source,
//       [](void* s, uint32_t, uint64_t first) {
//         static_cast<Samples*>(s)->next = first;
//       },
//       [](void* s) -> const temper::Batch* {
//         Samples& of = *static_cast<Samples*>(s);
//         return of.next++ < 10 ? &of.batch : nullptr;
//       }};
//   temper::FitOptions options;
//   options.epochs = 3;
//   options.batches_per_epoch = 10;
//   options.schedule.base_lr = 0.1;
//   options.schedule.total_steps = 30;
//   temper::Fit fit(trainer, train, options);
//   if (fit.Run().end != temper::FitEnd::kFinished) return 4;
//
// Next: runtime/fit.cc, ports/host/train/session.cc (a run with a folder).
#ifndef TEMPER_FIT_H_
#define TEMPER_FIT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "temper/schedules.h"
#include "temper/status.h"
#include "temper/trainer.h"

namespace temper {

// Where batches come from.
struct BatchSource {
  void* context = nullptr;
  // Begins (again) at batch `first` of an epoch, from 0.
  void (*start)(void* context, uint32_t epoch, uint64_t first) = nullptr;
  // The next batch, valid until the next call of either; null at the end.
  const Batch* (*next)(void* context) = nullptr;
};

struct FitOptions {
  Schedule schedule;
  uint32_t epochs = 1;
  uint64_t batches_per_epoch = 1;
  // Batches of a step: their gradients add up (Trainer::Accumulate), and a short
  // last group of an epoch is a step, too. Above 1 the plan needs
  // GradientMode::kAccumulated. total_steps = epochs * StepsPerEpoch().
  uint64_t accumulate = 1;
  // Trainer::StatisticsCount floats: then a fit stops between the batches of a
  // step, too. It drops what they have gathered, and the next Run makes the step
  // again, with the same bits. Null: it stops between steps alone.
  float* statistics = nullptr;
  uint64_t StepsPerEpoch() const {
    return (batches_per_epoch + accumulate - 1) / accumulate;
  }
  // Key of the random draws of batches that carry sample ids: with the number
  // of the epoch it gives a run's dropout masks (RandomKey).
  uint64_t seed = 0;
};

// The position of a fit: what must be saved to continue from the same batch.
struct FitState {
  uint32_t epoch = 0;  // finished epochs
  uint64_t batch = 0;  // batches done in the current one
  uint64_t step = 0;   // steps since the start
  // Of the current epoch.
  double loss_sum = 0;  // losses times rows
  uint64_t correct = 0, samples = 0;
  uint64_t clipped = 0;    // steps whose gradients a hook has made smaller
  ScheduleState schedule;  // what it remembers
  // Epochs and steps of the fits before this one, where several follow each
  // other: reports count them, the fit itself does not.
  uint32_t first_epoch = 0;
  uint64_t first_step = 0;
};

// Means over the samples of an epoch.
struct FitMeans {
  double loss = 0;
  double accuracy = 0;        // of losses that tell rows right or wrong
  double absolute_error = 0;  // of losses of values; validation alone
  // What an observer has measured (OnValidated); higher is better.
  double score = 0;
  uint64_t samples = 0;
  double clipped = 0;  // of training: share of steps that were clipped
};

struct EpochReport {
  uint32_t epoch = 0;        // from 1
  uint64_t step = 0;         // steps since the start
  double learning_rate = 0;  // of its last step
  FitMeans train;
  std::optional<FitMeans> validation;
};

class Fit;

// Called by a fit between its steps, in the order of the list. They must not
// throw: a fit is compiled without exceptions.
class FitObserver {
 public:
  virtual ~FitObserver() = default;
  // Before every batch of training (of those of one step, where FitOptions has
  // statistics; else before the step) and of validation. False stops the fit: a
  // step or a validation that was cut short is made again by the next Run.
  virtual bool Continue(const Fit&) { return true; }
  // Before the first batch of a validation. May put other weights in place. False
  // stops the fit as Continue does.
  virtual bool OnValidation(Fit&) { return true; }
  // After a batch of validation: Trainer::Output is its prediction.
  virtual void OnEvaluated(Fit&, const Batch&) {}
  // After the last one. May set the score.
  virtual void OnValidated(Fit&, FitMeans*) {}
  // After a step. False stops.
  virtual bool OnStep(const Fit&, const StepResult&, double /*learning_rate*/) {
    return true;
  }
  // After an epoch and its validation; Fit::state counts the epoch already. May
  // change the weights (Trainer::RestoreSnapshot). False stops.
  virtual bool OnEpoch(Fit&, const EpochReport&) { return true; }
};

enum class FitEnd : uint32_t {
  kFinished,  // all epochs are done
  kStopped,   // an observer wanted it
  kFailed,    // a step or a validation failed: FitResult::status
};
struct FitResult {
  FitEnd end = FitEnd::kFinished;
  Status status;  // of the step that failed; its node, if one is to blame
  bool validating = false;  // it was one of the validation
};

class Fit {
 public:
  // The arguments must outlive the fit. `validation`: null pointers for none.
  Fit(Trainer& trainer, const BatchSource& train, const FitOptions& options,
      const BatchSource& validation = {},
      std::span<FitObserver* const> observers = {})
      : trainer_(trainer),
        train_(train),
        validation_(validation),
        options_(options),
        observers_(observers) {}

  // Trains to the end of the last epoch, or until an observer stops it; another
  // call continues from there. A loss that is not finite, or an update that
  // made a weight so, fails (Trainer::Step describes the state after that).
  FitResult Run();

  // To be set before Run where an earlier fit is continued.
  FitState& state() { return state_; }
  const FitState& state() const { return state_; }
  Trainer& trainer() { return trainer_; }
  const Trainer& trainer() const { return trainer_; }
  const FitOptions& options() const { return options_; }

 private:
  bool MayContinue();
  bool TrainEpoch(FitResult* result);  // false: ended
  double Rate() const;                 // of the next step
  StepOptions OptionsOfStep() const;
  std::optional<Batch> NextBatch();
  void Count(const StepResult& r);
  // One step. rows 0: the epoch has no more batches.
  StepResult TrainBatch(const StepOptions& options);
  StepResult TrainGroup(const StepOptions& options, bool* stopped);
  bool EndEpoch(FitResult* result);
  bool Validate(FitMeans* means, FitResult* result);

  Trainer& trainer_;
  const BatchSource train_, validation_;
  const FitOptions options_;
  const std::span<FitObserver* const> observers_;
  FitState state_;
};

// What decides which epoch is better.
enum class Monitor : uint32_t {
  kAccuracy,  // of validation; among equals the lowest loss. For patience with
              // models that have no classes, take kLoss
  kLoss,      // of validation
  kScore,     // FitMeans::score, as accuracy
};

// Which epoch was best by `monitor`. Of a fit without validation the last one. An
// epoch whose validation is not finite never is. With memory it keeps the
// trainer's state of that epoch. With patience it stops the fit: when so many
// validations in a row were not better by more than min_delta than the last one
// that was (Keras' EarlyStopping).
class BestKeeper : public FitObserver {
 public:
  BestKeeper() = default;
  // Trainer::SnapshotBytes bytes, or null.
  explicit BestKeeper(void* snapshot) : snapshot_(snapshot) {}

  // In here, as all virtual functions: the runtime is compiled without run-time
  // types, which a caller's build may want.
  bool OnEpoch(Fit& fit, const EpochReport& report) override {
    Look(fit.trainer(), report);
    return !ShouldStop();
  }
  // `patience` validations in a row were no better.
  bool ShouldStop() const { return patience != 0 && waited >= patience; }
  // Puts the best epoch's state back. False without one.
  bool Restore(Trainer& trainer) const;

  uint32_t epoch = 0;              // 0: none yet, the next two say nothing
  double accuracy = -1, loss = 0;  // of kScore the score in place of accuracy
  uint32_t waited = 0;  // validations since the monitored value became better
  double mark = 0;      // what it was then

  Monitor monitor = Monitor::kAccuracy;
  double min_delta = 0;   // of patience; >= 0
  uint32_t patience = 0;  // 0: never stop

 private:
  void Look(const Trainer& trainer, const EpochReport& report);

  void* snapshot_ = nullptr;
};

}  // namespace temper

#endif  // TEMPER_FIT_H_
