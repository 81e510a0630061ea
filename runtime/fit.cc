// The loop over epochs. See temper/fit.h.
#include "temper/fit.h"

#include <cmath>

#include "runtime/optimizer.h"

namespace temper {
namespace {

FitResult Failed(const Status& status, bool validating) {
  FitResult result;
  result.end = FitEnd::kFailed;
  result.status = status;
  result.validating = validating;
  return result;
}
FitResult Stopped() {
  FitResult result;
  result.end = FitEnd::kStopped;
  return result;
}

}  // namespace

bool Fit::MayContinue() {
  bool go = true;
  for (FitObserver* const observer : observers_) {
    go = observer->Continue(*this) && go;
  }
  return go;
}

FitResult Fit::Run() {
  FitResult result;
  while (state_.epoch < options_.epochs) {
    if (!TrainEpoch(&result) || !EndEpoch(&result)) return result;
  }
  return result;
}

double Fit::Rate() const {
  return LearningRate(options_.schedule, state_.step, state_.schedule);
}

// One-cycle schedules move the momentum, too.
StepOptions Fit::OptionsOfStep() const {
  StepOptions options;
  options.learning_rate = static_cast<float>(Rate());
  const double momentum = Momentum(options_.schedule, state_.step);
  const Optimizer& planned = trainer_.plan().options.optimizer;
  const OptimizerOp& op = OpOf(planned.kind);
  if (momentum < 0.0 || op.momentum == nullptr) return options;
  const Field& field = *op.fields.Find(op.momentum);
  // Without momentum there is no state for it.
  if (ReadField(field, planned.params) == 0.0) return options;
  options.optimizer = planned;
  WriteField(field, momentum, options.optimizer->params);
  return options;
}

// The next batch with its key; none at the end.
std::optional<Batch> Fit::NextBatch() {
  const Batch* const next = train_.next(train_.context);
  if (next == nullptr) return std::nullopt;
  Batch batch = *next;
  if (batch.sample_ids != nullptr && !batch.random) {
    batch.random = RandomKey{options_.seed, state_.epoch};
  }
  return batch;
}

void Fit::Count(const StepResult& r) {
  state_.loss_sum += double{r.loss} * r.rows;
  state_.correct += r.correct;
  state_.samples += r.rows;
  ++state_.batch;
}

StepResult Fit::TrainBatch(const StepOptions& options) {
  const std::optional<Batch> batch = NextBatch();
  if (!batch) return {};
  const StepResult r = trainer_.Step(*batch, options);
  if (r.status.ok()) Count(r);
  return r;
}

// Several batches and one update. What is returned is about all of them.
StepResult Fit::TrainGroup(const StepOptions& options, bool* stopped) {
  StepResult all;
  double loss = 0, error = 0;
  const FitState before = state_;
  if (options_.statistics != nullptr) {
    trainer_.TakeStatistics(options_.statistics);
  }
  for (uint64_t i = 0;
       i < options_.accumulate && state_.batch < options_.batches_per_epoch;
       ++i) {
    if (i > 0 && options_.statistics != nullptr && !MayContinue()) {
      trainer_.DropGathered();
      trainer_.RestoreStatistics(options_.statistics);
      state_ = before;
      *stopped = true;
      return {};
    }
    const std::optional<Batch> batch = NextBatch();
    if (!batch) break;
    const StepResult r = trainer_.Accumulate(*batch);
    if (!r.status.ok()) return r;
    Count(r);
    loss += double{r.loss} * r.rows;
    error += double{r.absolute_error} * r.rows;
    all.rows += r.rows;
    all.correct += r.correct;
  }
  if (all.rows == 0) return all;
  all.loss = static_cast<float>(loss / all.rows);
  all.absolute_error = static_cast<float>(error / all.rows);
  all.status = trainer_.Apply(options);
  return all;
}

bool Fit::TrainEpoch(FitResult* result) {
  train_.start(train_.context, state_.epoch, state_.batch);
  while (state_.batch < options_.batches_per_epoch) {
    if (!MayContinue()) {
      *result = Stopped();
      return false;
    }
    const StepOptions options = OptionsOfStep();
    bool stopped = false;
    const StepResult r = options_.accumulate > 1 ? TrainGroup(options, &stopped)
                                                 : TrainBatch(options);
    if (stopped) {
      *result = Stopped();
      return false;
    }
    if (!r.status.ok()) {
      *result = Failed(r.status, false);
      return false;
    }
    if (r.rows == 0) break;
    const double rate = Rate();
    state_.clipped += trainer_.clipped();
    ++state_.step;
    bool go = true;
    for (FitObserver* const observer : observers_) {
      go = observer->OnStep(*this, r, rate) && go;
    }
    if (!go) {
      *result = Stopped();
      return false;
    }
  }
  return true;
}

bool Fit::Validate(FitMeans* means, FitResult* result) {
  for (FitObserver* const observer : observers_) {
    if (observer->OnValidation(*this)) continue;
    *result = Stopped();
    return false;
  }
  validation_.start(validation_.context, 0, 0);
  uint64_t correct = 0;
  double loss = 0, absolute = 0;
  while (const Batch* const batch = validation_.next(validation_.context)) {
    if (!MayContinue()) {
      *result = Stopped();
      return false;
    }
    const StepResult r = trainer_.Evaluate(*batch);
    if (!r.status.ok()) {
      *result = Failed(r.status, true);
      return false;
    }
    for (FitObserver* const observer : observers_) {
      observer->OnEvaluated(*this, *batch);
    }
    loss += double{r.loss} * r.rows;
    absolute += double{r.absolute_error} * r.rows;
    correct += r.correct;
    means->samples += r.rows;
  }
  const double n = static_cast<double>(means->samples);
  means->loss = loss / n;
  means->accuracy = static_cast<double>(correct) / n;
  means->absolute_error = absolute / n;
  for (FitObserver* const observer : observers_) {
    observer->OnValidated(*this, means);
  }
  return true;
}

bool Fit::EndEpoch(FitResult* result) {
  EpochReport report;
  // Before anything is counted: a stop in here leaves all batches done and the
  // epoch unfinished, and the next Run validates again.
  if (validation_.next != nullptr &&
      !Validate(&report.validation.emplace(), result)) {
    return false;
  }
  const double n = static_cast<double>(state_.samples);
  report.epoch = state_.first_epoch + ++state_.epoch;
  report.step = state_.first_step + state_.step;
  report.learning_rate =
      LearningRate(options_.schedule, state_.step - 1, state_.schedule);
  report.train.loss = state_.loss_sum / n;
  report.train.accuracy = static_cast<double>(state_.correct) / n;
  report.train.samples = state_.samples;
  report.train.clipped = static_cast<double>(state_.clipped) /
                         static_cast<double>(options_.StepsPerEpoch());
  // An epoch of the warm-up says nothing of the rate.
  if (state_.step > options_.schedule.warmup) {
    ObserveLoss(options_.schedule,
                report.validation ? report.validation->loss : report.train.loss,
                &state_.schedule);
  }
  state_.batch = 0;
  state_.loss_sum = 0;
  state_.correct = state_.samples = state_.clipped = 0;
  bool go = true;
  for (FitObserver* const observer : observers_) {
    go = observer->OnEpoch(*this, report) && go;
  }
  if (!go && state_.epoch < options_.epochs) {
    *result = Stopped();
    return false;
  }
  return true;
}

void BestKeeper::Look(const Trainer& trainer, const EpochReport& report) {
  const std::optional<FitMeans>& val = report.validation;
  if (val && !std::isfinite(val->loss)) {
    ++waited;
    return;
  }
  const bool by_loss = monitor == Monitor::kLoss;
  const double now = !val                         ? 0
                     : monitor == Monitor::kScore ? val->score
                                                  : val->accuracy;
  // Among equal accuracies the loss decides.
  const bool best =
      !val || epoch == 0 ||
      (by_loss ? val->loss < loss
               : now > accuracy || (now == accuracy && val->loss < loss));
  // Patience has a mark of its own: many small gains in a row are one large one.
  const bool enough = !val || epoch == 0 ||
                      (min_delta == 0.0 ? best
                       : by_loss        ? val->loss < mark - min_delta
                                        : now > mark + min_delta);
  waited = enough ? 0 : waited + 1;
  if (enough && val) mark = by_loss ? val->loss : now;
  if (!best) return;
  epoch = report.epoch;
  if (val) {
    accuracy = now;
    loss = val->loss;
  }
  if (snapshot_ != nullptr) trainer.TakeSnapshot(snapshot_);
}

bool BestKeeper::Restore(Trainer& trainer) const {
  if (snapshot_ == nullptr || epoch == 0) return false;
  trainer.RestoreSnapshot(snapshot_);
  return true;
}

}  // namespace temper
