// The training loop. See session.h.
#include "ports/host/train/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "ports/host/base/failure.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/job_classes.h"
#include "ports/host/train/model_source.h"
#include "ports/host/train/signal_text.h"
#include "ports/host/train/specs.h"
#include "ports/host/train/training_loader.h"
#include "ports/host/train/weights.h"
#include "runtime/exact_math.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The share of dense and convolution weights that are exactly 0.
double Sparsity(const Trainer& trainer) {
  uint64_t zeros = 0, all = 0;
  for (const TensorView& view : trainer.Tensors()) {
    if (view.spec->role != WeightRole::kKernel) continue;
    zeros += static_cast<uint64_t>(
        std::count(view.data, view.data + view.count, 0.0f));
    all += view.count;
  }
  return static_cast<double>(zeros) /
         static_cast<double>(std::max<uint64_t>(1, all));
}

FitOptions OptionsOf(const Job& job, const JobPhase& phase, float* statistics) {
  FitOptions options;
  options.schedule = phase.schedule;
  options.epochs = phase.epochs;
  options.batches_per_epoch = phase.batches_per_epoch;
  options.accumulate = phase.accumulate;
  options.statistics = statistics;
  options.seed = job.options.seed;
  return options;
}

// From one plan's places to the other's, in the same arena, where the two may
// overlap: both list the weights in ascending order without gaps.
void MoveWeights(const Trainer& from, Trainer& to) {
  const std::vector<TensorView>& source = from.Tensors();
  const std::vector<TensorView>& target = to.Tensors();
  const auto move = [&](size_t i) {
    std::memmove(target[i].data, source[i].data,
                 source[i].count * sizeof(float));
  };
  if (!source.empty() && target[0].data > source[0].data) {
    for (size_t i = source.size(); i-- > 0;) move(i);
  } else {
    for (size_t i = 0; i < source.size(); ++i) move(i);
  }
}

RunObserver& Silent() {
  static RunObserver silent;  // has no state
  return silent;
}

}  // namespace

Session::Session(Job job, std::unique_ptr<RunFolder> resumed,
                 RunObserver* observer, const Counters* from, ThreadPool* pool)
    : job_(std::move(job)),
      observer_(observer != nullptr ? *observer : Silent()),
      regressor_(models::IsRegressor(job_.info.graph)),
      arena_(job_.arena_bytes),
      own_pool_(pool != nullptr
                    ? nullptr
                    : MakeThreadPool(job_.run_threads != 0
                                         ? job_.run_threads
                                         : job_.plan.options.threads)),
      pool_(pool != nullptr ? *pool : *own_pool_),
      loader_(job_.data.train, TrainingLoader(job_)),
      val_loader_(
          job_.data.val
              ? std::make_unique<Loader>(
                    *job_.data.val,
                    LoaderOptions{job_.options.batch, 0, false, false, {}})
              : nullptr),
      metrics_(job_) {
  std::optional<Counters> at;
  if (resumed) {
    at = from != nullptr ? *from : ReadCounters(job_.source->header(), job_);
    phase_ = at->phase;
  }
  stages_.resize(job_.PhaseCount());
  // Each writes its first values into the arena: the one that runs comes last.
  for (uint32_t k = 0; k < job_.PhaseCount(); ++k) {
    if (k != phase_) MakeStage(k);
  }
  MakeStage(phase_);
  curves_ =
      std::make_unique<CurveWatch>(job_.options, ExpectedLoss(), ChanceOf(job_),
                                   job_.data.val ? job_.data.val->size() : 0);
  layers_ = std::make_unique<LayerWatch>(stages_[0].trainer);
  const JobOptions& o = job_.options;
  best_epoch_.patience = o.early_stop;
  best_epoch_.min_delta = o.min_delta;
  best_epoch_.monitor = regressor_ || o.monitor == "val_loss" ||
                                (o.monitor.empty() && o.early_stop != 0)
                            ? Monitor::kLoss
                        : o.monitor == "val_balanced_accuracy"
                            ? Monitor::kScore
                            : Monitor::kAccuracy;
  if (resumed) {
    Resume(std::move(resumed), *at);
    PrepareSegments(trainer(), "backend");
  } else {
    // All that can fail without a folder comes before there is one.
    SetWeights(job_, trainer());
    PrepareSegments(trainer(), "backend");
    recorder_ = std::make_unique<RunRecorder>(job_, Trainers(), observer_);
    if (!job_.source) {  // a model file's weights have been trained
      judge_signal_ = true;
      trainer().WatchSignal(layers_->rms());
      result_.signals.resize(4);
      result_.signals.resize(FindAlike(trainer(), result_.signals.data(), 1));
    }
  }
  saved_ = true;
  // What a model file says is in the trainer now.
  job_.source.reset();
  job_.statistics = {};
  for (const std::string& note : job_.notes) recorder_->Note(note);
  for (const std::string& line : job_.findings) recorder_->Note(line);
}

void Session::MakeStage(uint32_t k) {
  const JobPhase& phase = job_.Phase(k);
  Stage& stage = stages_[k];
  const Status status = stage.trainer.Create(phase.plan, arena_.data(),
                                             arena_.size(), pool_.runner());
  if (!status.ok()) FailStatus(status, job_.info.graph, "arena");
  stage.average = std::make_unique<Averaging>(
      stage.trainer, loader_, FirstAveragedStep(phase.plan.options.hooks),
      job_.options.seed);
  // Never empty: a model without statistics is stopped between batches, too.
  if (phase.accumulate > 1) {
    stage.statistics.resize(1 + stage.trainer.StatisticsCount());
  }
  stage.fit = std::make_unique<Fit>(
      stage.trainer, SourceOf(&loader_),
      OptionsOf(job_, phase,
                phase.accumulate > 1 ? stage.statistics.data() : nullptr),
      SourceOf(val_loader_.get()), observers_);
  uint64_t steps = 0;
  for (uint32_t i = 0; i < job_.PhaseCount(); ++i) {
    steps += job_.Phase(i).schedule.total_steps;
  }
  stage.watch = std::make_unique<StepWatch>(stage.trainer, steps);
}

RunRecorder::Trainers Session::Trainers() const {
  RunRecorder::Trainers trainers;
  for (const Stage& stage : stages_) trainers.push_back(&stage.trainer);
  return trainers;
}

void Session::EnterNextPhase() {
  const Counters done = counters();
  const Trainer& before = trainer();
  ++phase_;
  MoveWeights(before, trainer());
  for (const StateView& state : trainer().States()) {
    std::fill_n(state.data, state.count, 0.0f);
  }
  trainer().SetStepCount(0);
  fit().state() = FitState();
  fit().state().first_epoch = done.Epochs();
  fit().state().first_step = done.Steps();
  best_epoch_.waited = 0;
  recorder_->EnterPhase(phase_);
  Save("phase");
}

void Session::Resume(std::unique_ptr<RunFolder> folder, const Counters& from) {
  RestoreState(*job_.source, trainer());
  if (job_.average_begins) now().average->Start();
  trainer().SetStepCount(from.step);
  fit().state() = from;
  best_epoch_.epoch = from.best_epoch;
  best_epoch_.accuracy = from.best_accuracy;
  best_epoch_.loss = from.best_loss;
  best_epoch_.waited = from.waited;
  best_epoch_.mark = from.mark;
  recorder_ = std::make_unique<RunRecorder>(job_, Trainers(), observer_,
                                            std::move(folder), from);
  result_.was_finished = Finished();
  CheckBest();
  const EventLog& events = recorder_->events();
  const std::optional<uint64_t> step = events.diverged_step();
  if (!result_.was_finished && step && *step >= from.Steps()) {
    diverged_ = fmt::format("step {} ({})", *step, events.diverged_why());
  }
  // As it was said when the run ended.
  const MetricsLog& metrics = recorder_->metrics();
  result_.val_diverged =
      result_.was_finished && val_loader_ &&
      (best_epoch_.epoch == 0 ||
       (metrics.kept_epoch() == from.Epochs() && !metrics.kept_validation()));
}

// What is wrong with the file of the best weights; "" if nothing is.
std::string Session::WrongBest() const {
  if (!val_loader_) return "";
  if (!have_best_) {
    return best_epoch_.epoch == 0
               ? ""
               : fmt::format("of epoch {} is not there any more",
                             best_epoch_.epoch);
  }
  // A process that was killed between saving the best weights and the epoch leaves
  // those of an epoch that is made again, to the same bits: unless the run ends
  // before it now, or has another length.
  if (!result_.was_finished && job_.options.lengthened_from == 0) return "";
  std::optional<Counters> stored;
  try {
    const ModelSource best(recorder_->BestPlace());
    stored = StoredCounters(best.header());
  } catch (const Failure&) {
    // Damaged: who reads its weights says so.
  }
  if (!stored || stored->Epochs() <= counters().Epochs()) return "";
  return fmt::format("is of epoch {}, which this run does not have",
                     stored->Epochs());
}

// Without the weights of the best epoch, the best of the following epochs
// replaces them.
void Session::CheckBest() {
  have_best_ = recorder_->HasBest();
  const std::string wrong = WrongBest();
  if (wrong.empty()) return;
  observer_.OnWarning(fmt::format(
      "{} {}{}", recorder_->BestPath(), wrong,
      result_.was_finished
          ? ""
          : "; the best of the epochs that follow takes its place"));
  if (result_.was_finished) return;
  best_epoch_.epoch = 0;
  best_epoch_.accuracy = -1;
  best_epoch_.loss = 0;
}

// After the first step, or what it failed in.
void Session::JudgeSignal() {
  if (!judge_signal_) return;
  judge_signal_ = false;
  SignalFinding found[3];
  const uint32_t count = FindSignals(job_.plan, layers_->rms(), found, 3);
  result_.signals.insert(result_.signals.end(), found, found + count);
  trainer().WatchSignal(nullptr);
  for (const SignalFinding& finding : result_.signals) {
    const std::string text =
        SignalText(job_.plan.graph, finding, job_.options.init);
    recorder_->Note(text);
    observer_.OnWarning(text);
  }
}

SessionResult Session::Run() {
  const auto start = Clock::now();
  for (const std::string& note : job_.data.train.notes) observer_.OnNote(note);
  for (const std::string& note : job_.notes) observer_.OnNote(note);
  recorder_->WarnOfLogs();
  saved_at_ = start;
  FitResult end;
  while (!result_.was_finished) {
    if (!PhaseHasFinished(counters(), job_.options)) end = fit().Run();
    now().average->End();  // of a validation that was stopped
    if (failure_ || end.end == FitEnd::kFailed || Finished() ||
        !PhaseHasFinished(counters(), job_.options)) {
      break;
    }
    EnterNextPhase();
    end = {};
  }
  if (failure_) std::rethrow_exception(failure_);
  if (end.end == FitEnd::kFailed) {
    if (end.validating) {
      FailStatus(end.status, job_.info.graph, "validation");
    }
    Diverged(end.status);
  }
  bool finished = Finished();
  observer_.OnEnd();
  if (finished && !val_loader_ && !(result_.was_finished && have_best_)) {
    // Without validation data nobody can say which epoch was best: the last.
    finished = now().average->Begin([&] { return !observer_.StopRequested(); });
    if (finished) recorder_->SaveBest(counters());
    now().average->End();
  }
  result_.finished = finished;
  result_.stopped_early =
      finished && fit().state().epoch < fit().options().epochs;
  if (!finished) {
    if (!saved_) Save("stop");
    result_.end = SessionEnd::kStopped;
  } else if (now().average->waits() && !result_.was_finished) {
    const char* const said =
        "--average: the run ended before the average began (its start=); what "
        "was validated and kept are the weights themselves";
    recorder_->Note(said);
    observer_.OnWarning(said);
  }
  if (result_.val_diverged && finished) result_.end = SessionEnd::kDiverged;
  recorder_->End(finished ? "end" : "stop", counters().Steps());
  result_.epochs_done = counters().Epochs();
  result_.steps_done = counters().Steps();
  result_.best_epoch = best_epoch_.epoch;
  result_.has_best_weights = recorder_->HasBest();
  result_.best_accuracy = best_epoch_.accuracy;
  result_.best_loss = best_epoch_.loss;
  result_.seconds = Since(start);
  result_.images_per_second =
      train_seconds_ > 0
          ? static_cast<double>(trained_samples_) / train_seconds_
          : 0.0;
  result_.peak_bytes = arena_.TouchedBytes();
  result_.weights_sha256 = recorder_->WeightsSha256();
  result_.saves = recorder_->saves();
  result_.save_seconds = recorder_->save_seconds();
  return result_;
}

bool Session::Finished() const { return HasFinished(counters(), job_.options); }

Counters Session::counters() const {
  Counters counters;
  static_cast<FitState&>(counters) = fit().state();
  counters.phase = phase_;
  counters.best_epoch = best_epoch_.epoch;
  counters.best_accuracy = best_epoch_.accuracy;
  counters.best_loss = best_epoch_.loss;
  counters.waited = best_epoch_.waited;
  counters.mark = best_epoch_.mark;
  return counters;
}

template <class Body>
bool Session::Guarded(Body&& body) {
  try {
    body();
    return true;
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
}

// Also between the batches of one step.
bool Session::Continue(const Fit& of) {
  if (!in_step_) {
    now().watch->Before(of.state().first_step + of.state().step + 1);
    // The last step of an epoch; unless it is the first of all, which is watched.
    const uint64_t batches = of.options().batches_per_epoch;
    if (of.state().batch < batches &&
        of.state().batch + of.options().accumulate >= batches &&
        !judge_signal_) {
      trainer().WatchSignal(layers_->rms());
    }
    step_began_ = Clock::now();
    in_step_ = true;
  }
  return !observer_.StopRequested();
}

bool Session::OnValidation(Fit&) {
  metrics_.Begin();
  return now().average->Begin([&] { return !observer_.StopRequested(); });
}

void Session::OnEvaluated(Fit&, const Batch& batch) {
  metrics_.Add(batch, trainer().Output());
}

void Session::OnValidated(Fit&, FitMeans* means) {
  means->score = metrics_.BalancedAccuracy().value_or(0.0);
}

bool Session::OnStep(const Fit&, const StepResult& r, double learning_rate) {
  saved_ = false;
  trained_samples_ += r.rows;
  train_seconds_ += Since(step_began_);
  in_step_ = false;
  return Guarded([&] {
    JudgeSignal();
    const FitState& at = fit().state();
    const uint64_t step = at.first_step + at.step;
    if (step == 1) TellFirstLoss(double{r.loss});
    if (const auto row = now().watch->After(
            step, r.loss, static_cast<float>(learning_rate))) {
      recorder_->Append(*row);
      curves_->Step(*row);
    }
    const double n = static_cast<double>(at.samples);
    ProgressState shown = Progress();
    shown.epoch = at.first_epoch + at.epoch + 1;
    shown.step = at.batch;
    shown.samples += at.samples;
    shown.loss = at.loss_sum / n;
    shown.accuracy =
        job_.classes.empty() ? -1 : static_cast<double>(at.correct) / n;
    shown.lr = learning_rate;
    observer_.OnStep(shown);
    const double every = job_.options.save_seconds;
    if (every > 0 && Since(saved_at_) >= every) Save("interval");
  });
}

double Session::ExpectedLoss() const {
  // Of weighted classes it depends on which of them the first batch has.
  if (!job_.options.class_weights.empty()) return 0;
  const LossTraits& traits = *LossOf(job_.info.graph.nodes.back().kind);
  if (traits.expected == nullptr || job_.classes.empty()) return 0;
  return traits.expected(1, job_.plan.shapes.back(), nullptr);
}

// Beside what a model that knows nothing has: far above it, inputs or first
// weights have the wrong scale.
void Session::TellFirstLoss(double loss) {
  const double expected = ExpectedLoss();
  if (expected <= 0) return;
  const Shape& out = job_.plan.shapes.back();
  const bool log = expected == exact::Log(static_cast<double>(out.c));
  char text[96], name[32] = "expected";
  if (log) *fmt::format_to_n(name, sizeof(name) - 1, "ln({})", out.c).out = 0;
  const auto end =
      fmt::format_to_n(text, sizeof(text), "first loss {:.2f}, {} {:.2f}", loss,
                       static_cast<const char*>(name), expected);
  observer_.OnNote({text, std::min(sizeof(text), end.size)});
}

// At the end of the last epoch that is finished.
ProgressState Session::Progress() const {
  const uint64_t samples = job_.data.train.size();
  ProgressState shown;
  const FitState& at = fit().state();
  shown.epoch = at.first_epoch + at.epoch;
  shown.epochs = job_.options.epochs;
  shown.step = shown.steps = fit().options().batches_per_epoch;
  shown.samples = shown.epoch * samples;
  shown.samples_total = job_.options.epochs * samples;
  return shown;
}

bool Session::OnEpoch(Fit&, const EpochReport& report) {
  in_step_ = false;  // Continue is asked in a validation, too
  return Guarded([&] { EndEpoch(report); });
}

void Session::EndEpoch(const EpochReport& report) {
  MetricsRow row;
  row.epoch = report.epoch;
  row.step = report.step;
  row.lr = static_cast<float>(report.learning_rate);
  row.train_loss = static_cast<float>(report.train.loss);
  const bool classes = !job_.classes.empty();
  if (classes) {
    row.train_accuracy = static_cast<float>(report.train.accuracy);
  }
  row.clipped = static_cast<float>(report.train.clipped);
  row.seconds = recorder_->earlier_seconds() + train_seconds_;
  row.images_per_second =
      train_seconds_ > 0
          ? static_cast<double>(trained_samples_) / train_seconds_
          : 0.0;
  result_.trained = true;
  result_.train_loss = row.train_loss;
  result_.train_accuracy = row.train_accuracy;
  const std::optional<FitMeans>& val = report.validation;
  if (val) {
    Validated(*val, &row);
  } else {
    row.best = report.epoch == job_.options.epochs;
  }
  ProgressState shown = Progress();
  shown.loss = row.train_loss;
  shown.accuracy = row.train_accuracy.value_or(-1.0f);
  shown.lr = row.lr;
  observer_.OnEpoch(shown, val ? val->loss : -1,
                    val && classes ? val->accuracy : -1,
                    val && regressor_ ? val->absolute_error : -1);
  if (val && result_.val_diverged) {
    char text[160];
    const auto end = fmt::format_to_n(
        text, sizeof(text),
        "epoch {}: the validation loss is not finite ({}): never the best one",
        report.epoch, val->loss);
    observer_.OnWarning({text, std::min(sizeof(text), end.size)});
  }
  // Best first: if the power fails in between, the epoch is made again, and
  // with it the same best.
  if (row.best && val_loader_) recorder_->SaveBest(counters());
  now().average->End();
  row.penalty = static_cast<float>(trainer().Penalty());
  if (job_.options.l1 > 0) {
    row.sparsity = static_cast<float>(Sparsity(trainer()));
  }
  recorder_->Append(report.epoch, layers_->Values(trainer()));
  layers_->Forget();
  recorder_->Append(row);  // the checkpoint must never be ahead of its row
  if (const std::string_view said = curves_->Epoch(row, best_epoch_.epoch);
      !said.empty()) {
    observer_.OnNote(said);
    recorder_->Diagnosis(curves_->last(), report.epoch);
  }
  Save("epoch");
}

void Session::Validated(const FitMeans& validation, MetricsRow* row) {
  result_.val_diverged = !std::isfinite(validation.loss);
  result_.val_loss.reset();
  result_.val_accuracy.reset();
  result_.val_mae.reset();
  result_.val_rmse.reset();
  result_.val_balanced_accuracy.reset();
  result_.val_f1.reset();
  result_.val_auc.reset();
  if (result_.val_diverged) return;
  result_.val_loss = validation.loss;
  row->val_loss = static_cast<float>(validation.loss);
  if (!job_.classes.empty()) {
    result_.val_accuracy = validation.accuracy;
    row->val_accuracy = static_cast<float>(validation.accuracy);
  }
  if (regressor_) {
    // Of the mean squared error the loss is the mean of the squares.
    const bool squares = LossOf(job_.info.graph.nodes.back().kind)->squares;
    const double rmse =
        squares ? std::sqrt(validation.loss) : metrics_.Rmse().value_or(0.0);
    result_.val_mae = validation.absolute_error;
    result_.val_rmse = rmse;
    row->val_mae = static_cast<float>(validation.absolute_error);
    row->val_rmse = static_cast<float>(rmse);
  }
  if (metrics_.measures_classes()) {
    const auto keep = [](std::optional<double> value,
                         std::optional<double>* result,
                         std::optional<float>* column) {
      *result = value;
      if (value) *column = static_cast<float>(*value);
    };
    keep(metrics_.BalancedAccuracy(), &result_.val_balanced_accuracy,
         &row->val_balanced_accuracy);
    keep(metrics_.MacroF1(), &result_.val_f1, &row->val_f1);
    keep(metrics_.Auc(), &result_.val_auc, &row->val_auc);
  }
  row->best = best_epoch_.epoch == row->epoch;
}

void Session::Save(const char* why) {
  recorder_->Save(why, counters(), train_seconds_);
  saved_ = true;
  saved_at_ = Clock::now();
}

void Session::Diverged(const Status& status) {
  if (status.code != StatusCode::kNotFinite) {
    FailStatus(status, job_.info.graph,
               fmt::format("step {}", counters().Steps()));
  }
  JudgeSignal();
  std::string why = status.message;
  if (status.node < job_.info.graph.nodes.size()) {
    why = fmt::format("layer {}: {}", job_.info.graph.nodes[status.node].name,
                      why);
  }
  const Counters at = counters();
  if (const std::string_view said =
          curves_->Exploded(at.Steps(), job_.options.lr);
      !said.empty()) {
    observer_.OnNote(said);
    recorder_->Diagnosis(curves_->last(), at.Epochs() + 1);
  }
  recorder_->FailDiverged(at, why);
}

}  // namespace temper::host
