// The loop over epochs. See temper/fit.h.
#include "temper/fit.h"

#include <cmath>

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

bool Fit::TrainEpoch(FitResult* result) {
  train_.start(train_.context, state_.epoch, state_.batch);
  while (state_.batch < options_.batches_per_epoch) {
    if (!MayContinue()) {
      *result = Stopped();
      return false;
    }
    const Batch* const next = train_.next(train_.context);
    if (next == nullptr) break;
    const double rate = LearningRate(options_.schedule, state_.step);
    Batch batch = *next;
    if (batch.sample_ids != nullptr && !batch.random) {
      batch.random = RandomKey{options_.seed, state_.epoch};
    }
    const StepResult r = trainer_.Step(batch, static_cast<float>(rate));
    if (!r.status.ok()) {
      *result = Failed(r.status, false);
      return false;
    }
    state_.loss_sum += double{r.loss} * r.rows;
    state_.correct += r.correct;
    state_.samples += r.rows;
    ++state_.batch;
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
    loss += double{r.loss} * r.rows;
    absolute += double{r.absolute_error} * r.rows;
    correct += r.correct;
    means->samples += r.rows;
  }
  const double n = static_cast<double>(means->samples);
  means->loss = loss / n;
  means->accuracy = static_cast<double>(correct) / n;
  means->absolute_error = absolute / n;
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
  report.epoch = ++state_.epoch;
  report.step = state_.step;
  report.learning_rate = LearningRate(options_.schedule, state_.step - 1);
  report.train.loss = state_.loss_sum / n;
  report.train.accuracy = static_cast<double>(state_.correct) / n;
  report.train.samples = state_.samples;
  state_.batch = 0;
  state_.loss_sum = 0;
  state_.correct = state_.samples = 0;
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
  if (val && !std::isfinite(val->loss)) return;
  const bool better = !val || epoch == 0 || val->accuracy > accuracy ||
                      (val->accuracy == accuracy && val->loss < loss);
  if (!better) return;
  epoch = report.epoch;
  if (val) {
    accuracy = val->accuracy;
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
