// See trial.h.
#include "ports/host/recipe/trial.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "ports/host/recipe/lab.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

using Clock = std::chrono::steady_clock;

class Watch : public FitObserver {
 public:
  explicit Watch(Trial* to) : trial_(*to) {}
  bool OnStep(const Fit&, const StepResult& r, double) override {
    if (trial_.steps++ == 0) trial_.first_loss = double{r.loss};
    trial_.samples += r.rows;
    return true;
  }
  bool OnEpoch(Fit&, const EpochReport& report) override {
    TrialEpoch epoch;
    epoch.loss = report.train.loss;
    epoch.accuracy = report.train.accuracy;
    epoch.rate = report.learning_rate;
    if (report.validation) {
      epoch.val_loss = report.validation->loss;
      epoch.val_accuracy = report.validation->accuracy;
    }
    trial_.epochs.push_back(epoch);
    return true;
  }

 private:
  Trial& trial_;
};

}  // namespace

double Trial::Score(double baseline) const {
  if (diverged || epochs.empty()) return 0;
  const TrialEpoch& last = epochs.back();
  if (!std::isfinite(last.val_loss)) return 0;
  if (baseline <= 0) return last.val_accuracy;
  return std::max(0.0, 1.0 - last.val_loss / baseline);
}

Trial RunTrial(const JobOptions& options) {
  Trial trial;
  const auto start = Clock::now();
  Lab lab(PrepareJob(options), 0);
  const Job& job = lab.job();
  trial.arena_bytes = lab.arena_bytes();
  trial.outside_bytes = lab.outside_bytes();
  Loader val(*job.data.val, {job.options.batch, 0, false, false, {}});
  FitOptions fit_options;
  fit_options.schedule = job.schedule;
  fit_options.epochs = job.options.epochs;
  fit_options.batches_per_epoch = job.batches_per_epoch;
  fit_options.accumulate = job.accumulate;
  fit_options.seed = job.options.seed;
  Watch watch(&trial);
  trial.epochs.reserve(job.options.epochs);
  FitObserver* const observers[] = {&watch};
  Fit fit(lab.trainer(), SourceOf(&lab.loader()), fit_options, SourceOf(&val),
          observers);
  const FitResult end = fit.Run();
  if (end.end == FitEnd::kFailed) {
    if (end.status.code != StatusCode::kNotFinite) {
      FailStatus(end.status, job.info.graph, "trial");
    }
    trial.diverged = true;
  } else {
    // Training samples, in the same mode and number as those of validation.
    Loader again(job.data.train, {job.options.batch, 1, true, false, {}});
    again.StartEpoch(0);
    uint64_t samples = 0;
    double loss = 0, correct = 0;
    while (const Batch* const batch = again.Next()) {
      if (samples >= job.data.val->size()) break;
      const StepResult r = lab.trainer().Evaluate(*batch);
      samples += r.rows;
      loss += double{r.loss} * r.rows;
      correct += r.correct;
    }
    const double n = static_cast<double>(std::max<uint64_t>(1, samples));
    trial.train_loss = loss / n;
    trial.train_accuracy = correct / n;
  }
  trial.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return trial;
}

Memorised Memorise(const JobOptions& options, uint32_t most_steps,
                   double enough, double seconds) {
  Memorised m;
  const auto start = Clock::now();
  Lab lab(PrepareJob(options), 0);
  const Job& job = lab.job();
  const bool classes = models::IsClassifier(job.info.graph);
  lab.loader().StartEpoch(0);
  const Batch* const batch = lab.loader().Next();
  const float rate = static_cast<float>(job.options.lr);
  for (; m.steps < most_steps && !m.done; ++m.steps) {
    if (m.steps >= kLeastMemorySteps &&
        std::chrono::duration<double>(Clock::now() - start).count() > seconds) {
      break;
    }
    Batch keyed = *batch;
    keyed.random = RandomKey{job.options.seed, m.steps};
    const StepResult r = lab.trainer().Step(keyed, rate);
    if (r.status.code == StatusCode::kNotFinite) {
      m.diverged = true;
      return m;
    }
    if (!r.status.ok()) FailStatus(r.status, job.info.graph, "trial");
    m.loss = double{r.loss};
    m.accuracy = static_cast<double>(r.correct) / r.rows;
    if (m.steps == 0) m.first_loss = m.loss;
    m.done = classes ? r.correct == r.rows
                     : m.loss < enough * m.first_loss && m.steps > 0;
  }
  const StepResult r = lab.trainer().Evaluate(*batch);
  m.evaluated_accuracy = static_cast<double>(r.correct) / batch->rows;
  return m;
}

}  // namespace temper::host
