// The training loop. See session.h.
#include "ports/host/train/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "models/files/graph_json.h"
#include "models/files/json.h"
#include "models/graph_edit.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/text_file.h"
#include "ports/host/os/file_io.h"
#include "ports/host/os/messages.h"
#include "ports/host/os/signals.h"
#include "ports/host/train/weights.h"
#include "simd/target.h"

namespace temper::host {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

BatchSource SourceOf(Loader* loader) {
  if (loader == nullptr) return {};
  return {loader,
          [](void* from, uint32_t epoch, uint64_t first) {
            static_cast<Loader*>(from)->StartEpoch(epoch, first);
          },
          [](void* from) { return static_cast<Loader*>(from)->Next(); }};
}

FitOptions OptionsOf(const Job& job) {
  FitOptions options;
  options.schedule = job.schedule;
  options.epochs = job.options.epochs;
  options.batches_per_epoch = job.steps_per_epoch;
  options.seed = job.options.seed;
  return options;
}

}  // namespace

Session::Session(Job job, std::unique_ptr<RunFolder> resumed, bool quiet)
    : job_(std::move(job)),
      quiet_(quiet),
      regressor_(models::IsRegressor(job_.info.graph)),
      arena_(job_.arena_bytes),
      pool_(MakeThreadPool(job_.run_threads != 0 ? job_.run_threads
                                                 : job_.plan.options.threads)),
      loader_(job_.data.train, {job_.options.batch, job_.options.seed, true,
                                job_.dropped_per_epoch != 0, job_.augment}),
      val_loader_(
          job_.data.val
              ? std::make_unique<Loader>(
                    *job_.data.val,
                    LoaderOptions{job_.options.batch, 0, false, false, {}})
              : nullptr),
      folder_(std::move(resumed)),
      progress_(quiet ? Progress::Style::kQuiet : Progress::Style::kAuto),
      fit_(trainer_, SourceOf(&loader_), OptionsOf(job_),
           SourceOf(val_loader_.get()), observers_) {
  const Status status =
      trainer_.Create(job_.plan, arena_.data(), arena_.size(), pool_->runner());
  if (!status.ok()) FailStatus(status, job_.info.graph, "arena");
  folder_ ? Resume() : Begin();
  saved_ = true;
  // What a model file says is in the trainer now.
  job_.source.reset();
  job_.statistics = {};
  for (const std::string& note : job_.notes) {
    events_->Begin("note").Field("text", note).Write();
  }
}

void Session::Begin() {
  // All that can fail without a folder comes before there is one.
  SetWeights(job_, trainer_);
  folder_ = std::make_unique<RunFolder>(
      job_.options.out, job_.options.numbered    ? FolderMode::kNumbered
                        : job_.options.overwrite ? FolderMode::kOverwrite
                                                 : FolderMode::kNew);
  job_.options.out = folder_->path();
  folder_->WriteFile("config.json", OptionsJson(job_.options));
  folder_->WriteFile("plan.json", PlanJson(job_.plan));
  OpenLogs(false);
  // From the first moment there is something to go on from; and an older run is
  // only replaced when that is on the disk.
  Write(*last_);
  metrics_->Sync();
  events_->Sync();
  folder_->Publish();
  last_->MoveTo(folder_->weights_fd());
  best_->MoveTo(folder_->weights_fd());
}

void Session::Resume() {
  const Counters counters = ReadCounters(job_.source->header(), job_);
  RestoreState(*job_.source, trainer_);
  trainer_.SetStepCount(counters.step);
  fit_.state() = counters;
  best_epoch_.epoch = counters.best_epoch;
  best_epoch_.accuracy = counters.best_accuracy;
  best_epoch_.loss = counters.best_loss;
  OpenLogs(true);
  earlier_seconds_ =
      events_->SecondsAt(fit_.state().step).value_or(metrics_->kept_seconds());
  result_.was_finished = fit_.state().epoch == job_.options.epochs;
  CheckBest();
  const std::optional<uint64_t> step = events_->diverged_step();
  if (!result_.was_finished && step && *step >= fit_.state().step) {
    diverged_ = fmt::format("step {} ({})", *step, events_->diverged_why());
  }
  // As it was said when the run ended.
  result_.val_diverged = result_.was_finished && val_loader_ &&
                         (best_epoch_.epoch == 0 ||
                          (metrics_->kept_epoch() == fit_.state().epoch &&
                           !metrics_->kept_validation()));
}

// The weights of the best epoch may have been deleted: the best of what is
// still to come takes their place.
void Session::CheckBest() {
  have_best_ = faccessat(folder_->weights_fd(), kBestWeights, R_OK, 0) == 0;
  if (have_best_ || !val_loader_ || best_epoch_.epoch == 0) return;
  Warn(fmt::format(
      "{} of epoch {} is not there any more{}",
      folder_->Weights(kBestWeights).shown, best_epoch_.epoch,
      result_.was_finished
          ? ""
          : "; the best of the epochs that follow takes its place"));
  if (result_.was_finished) return;
  best_epoch_ = BestKeeper();
}

void Session::OpenLogs(bool resume) {
  last_ = std::make_unique<Checkpoint>(job_, trainer_,
                                       folder_->Weights(kLastCheckpoint), true);
  best_ = std::make_unique<Checkpoint>(job_, trainer_,
                                       folder_->Weights(kBestWeights), false);
  const FilePlace metrics = folder_->Place("metrics.csv");
  const auto columns = MetricsColumns(regressor_);
  metrics_ = resume ? std::make_unique<MetricsLog>(metrics, fit_.state().epoch,
                                                   columns)
                    : std::make_unique<MetricsLog>(metrics, columns);
  events_ = std::make_unique<EventLog>(folder_->Place("events.jsonl"), resume);
  events_->Begin(resume ? "resume" : "start")
      .Field("epoch", fit_.state().epoch)
      .Field("step", fit_.state().step)
      .Field("target", simd::CurrentTarget().name)
      .Field("threads", job_.plan.options.threads)
      .Field("arena_bytes", job_.plan.arena_bytes)
      .Write();
}

SessionResult Session::Run() {
  const auto start = Clock::now();
  for (const std::string& note : job_.data.train.notes) progress_.Line(note);
  for (const std::string& note : job_.notes) progress_.Line(note);
  WarnOfLogs();
  saved_at_ = start;
  const FitResult end = fit_.Run();
  if (failure_) std::rethrow_exception(failure_);
  if (end.end == FitEnd::kFailed) {
    if (end.validating) {
      FailStatus(end.status, job_.info.graph, "validation");
    }
    Diverged(end.status);
  }
  const bool finished = end.end == FitEnd::kFinished;
  progress_.Clear();
  if (!finished) {
    if (!saved_) Save("stop");
    result_.end = SessionEnd::kStopped;
  } else if (!val_loader_ && !(result_.was_finished && have_best_)) {
    // Without validation data nobody can say which epoch was best: the last.
    SaveBest();
  }
  if (result_.val_diverged && finished) result_.end = SessionEnd::kDiverged;
  events_->Begin(finished ? "end" : "stop")
      .Field("step", fit_.state().step)
      .Write();
  events_->Sync();
  metrics_->Sync();
  WarnOfLogs();
  result_.epochs_done = fit_.state().epoch;
  result_.steps_done = fit_.state().step;
  result_.best_epoch = best_epoch_.epoch;
  result_.best_accuracy = best_epoch_.accuracy;
  result_.best_loss = best_epoch_.loss;
  result_.seconds = Since(start);
  result_.images_per_second =
      train_seconds_ > 0
          ? static_cast<double>(trained_samples_) / train_seconds_
          : 0.0;
  result_.peak_bytes = arena_.TouchedBytes();
  result_.weights_sha256 = last_->WeightsSha256();
  return result_;
}

Counters Session::counters() const {
  Counters counters;
  static_cast<FitState&>(counters) = fit_.state();
  counters.best_epoch = best_epoch_.epoch;
  counters.best_accuracy = best_epoch_.accuracy;
  counters.best_loss = best_epoch_.loss;
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

bool Session::Continue(const Fit&) {
  batch_began_ = Clock::now();
  return !StopRequested();
}

bool Session::OnStep(const Fit&, const StepResult& r, double learning_rate) {
  saved_ = false;
  trained_samples_ += r.rows;
  train_seconds_ += Since(batch_began_);
  return Guarded([&] {
    Show(learning_rate);
    const double every = job_.options.save_seconds;
    if (every > 0 && Since(saved_at_) >= every) Save("interval");
  });
}

void Session::Show(double learning_rate) {
  const FitState& at = fit_.state();
  const uint64_t samples = job_.data.train.size();
  const double n = static_cast<double>(at.samples);
  ProgressState shown;
  shown.epoch = at.epoch + 1;
  shown.epochs = job_.options.epochs;
  shown.step = at.batch;
  shown.steps = job_.steps_per_epoch;
  shown.samples = at.epoch * samples + at.samples;
  shown.samples_total = samples * job_.options.epochs;
  shown.loss = at.loss_sum / n;
  shown.accuracy =
      job_.classes.empty() ? -1 : static_cast<double>(at.correct) / n;
  shown.lr = learning_rate;
  shown.arena_used = job_.plan.arena_bytes;
  shown.arena_total = arena_.size();
  progress_.Update(shown);
}

bool Session::OnEpoch(Fit&, const EpochReport& report) {
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
  row.penalty = static_cast<float>(trainer_.Penalty());
  row.seconds = earlier_seconds_ + train_seconds_;
  row.images_per_second =
      train_seconds_ > 0
          ? static_cast<double>(trained_samples_) / train_seconds_
          : 0.0;
  result_.trained = true;
  result_.train_loss = row.train_loss;
  result_.train_accuracy = row.train_accuracy;
  // Shown; negative: none.
  double val_loss = -1, val_accuracy = -1, val_mae = -1;
  const std::optional<FitMeans>& val = report.validation;
  if (val) {
    val_loss = val->loss;
    val_accuracy = val->accuracy;
    if (regressor_) val_mae = val->absolute_error;
    result_.val_diverged = !std::isfinite(val_loss);
    result_.val_loss.reset();
    result_.val_accuracy.reset();
    result_.val_mae.reset();
    result_.val_rmse.reset();
  }
  if (val && !result_.val_diverged) {
    result_.val_loss = val_loss;
    row.val_loss = static_cast<float>(val_loss);
    if (classes) {
      result_.val_accuracy = val_accuracy;
      row.val_accuracy = static_cast<float>(val_accuracy);
    }
    if (regressor_) {
      // The loss is the mean of the squares of all errors.
      const double rmse = std::sqrt(val_loss);
      result_.val_mae = val_mae;
      result_.val_rmse = rmse;
      row.val_mae = static_cast<float>(val_mae);
      row.val_rmse = static_cast<float>(rmse);
    }
    row.best = best_epoch_.epoch == report.epoch;
  } else if (!val) {
    row.best = report.epoch == job_.options.epochs;
  }
  ProgressState shown;
  shown.epoch = fit_.state().epoch;
  shown.epochs = job_.options.epochs;
  shown.step = shown.steps = job_.steps_per_epoch;
  shown.samples = uint64_t{fit_.state().epoch} * job_.data.train.size();
  shown.samples_total = uint64_t{job_.options.epochs} * job_.data.train.size();
  shown.loss = row.train_loss;
  shown.accuracy = row.train_accuracy.value_or(-1.0f);
  shown.lr = row.lr;
  shown.arena_used = job_.plan.arena_bytes;
  shown.arena_total = arena_.size();
  progress_.EndEpoch(shown, val_loss, classes ? val_accuracy : -1, val_mae);
  if (result_.val_diverged) {
    char text[160];
    const auto end = fmt::format_to_n(
        text, sizeof(text),
        "epoch {}: the validation loss is not finite ({}): never the best one",
        fit_.state().epoch, val_loss);
    Warn({text, std::min(sizeof(text), end.size)});
  }

  // Best first: if the power fails in between, the epoch is made again, and
  // with it the same best.
  if (row.best && val_loader_) SaveBest();
  metrics_->Append(row);
  metrics_->Sync();  // the checkpoint must never be ahead of its row
  Save("epoch");
}

void Session::Warn(std::string_view text) {
  progress_.Clear();
  Message("warning: {}", text);
}

void Session::WarnOfLogs() {
  for (std::string_view text; !(text = metrics_->TakeWarning()).empty();) {
    Warn(text);
  }
  for (std::string_view text; !(text = events_->TakeWarning()).empty();) {
    Warn(text);
  }
}

void Session::Write(Checkpoint& to) {
  const auto start = Clock::now();
  to.Save(counters());
  // Slower storage than there is here; a stop is not kept waiting.
  const double seconds =
      job_.slow_storage.per_save +
      job_.slow_storage.per_byte * static_cast<double>(to.file_bytes());
  for (double left; (left = seconds - Since(start)) > 0 && !StopRequested();) {
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::min(left, 0.05)));
  }
  result_.save_seconds += Since(start);
  ++result_.saves;
}

void Session::Save(const char* why) {
  try {
    Write(*last_);
  } catch (const Failure& failure) {
    if (failure.kind != ErrorKind::kDiverged) throw;
    SayDiverged(failure.message);  // a weight is not finite
  }
  events_->Begin("save")
      .Field("why", why)
      .Field("epoch", fit_.state().epoch)
      .Field("step", fit_.state().step)
      .Field("seconds", earlier_seconds_ + train_seconds_)
      .Write();
  saved_ = true;
  saved_at_ = Clock::now();
  WarnOfLogs();
}

void Session::SaveBest() { Write(*best_); }

void Session::Diverged(const Status& status) {
  if (status.code != StatusCode::kNotFinite) {
    FailStatus(status, job_.info.graph,
               fmt::format("step {}", fit_.state().step));
  }
  std::string why = status.message;
  if (status.node < job_.info.graph.nodes.size()) {
    why = fmt::format("layer {}: {}", job_.info.graph.nodes[status.node].name,
                      why);
  }
  SayDiverged(why);
}

void Session::SayDiverged(const std::string& why) {
  progress_.Clear();
  events_->Begin("diverged")
      .Field("step", fit_.state().step)
      .Field("why", why)
      .Write();
  events_->Sync();
  Fail(ErrorKind::kDiverged, "training diverged",
       fmt::format("step {} (epoch {})", fit_.state().step,
                   fit_.state().epoch + 1),
       why,
       fmt::format("Resumed as it is, it diverges again: start a new run with "
                   "a smaller --lr, or with --warmup. The last good state is "
                   "{}",
                   LastCheckpoint(folder_->path())));
}

std::string LastCheckpoint(const std::string& folder) {
  return folder + "/weights/" + kLastCheckpoint;
}

namespace {

constexpr const char* kConfig = "config.json";
constexpr uint64_t kMostConfig = 1u << 20;

JobOptions OptionsOfRun(const std::vector<uint8_t>& bytes,
                        const std::string& folder) {
  const std::string path = folder + "/" + kConfig;
  const std::string text(bytes.begin(), bytes.end());
  JobOptions options = OptionsFromJson(DecodeText(text, path), path);
  options.out = folder;
  return options;
}

}  // namespace

JobOptions ReadRunOptions(const std::string& folder) {
  return OptionsOfRun(ReadFileOrFail(folder + "/" + kConfig, kMostConfig),
                      folder);
}

JobOptions ReadRunOptions(const RunFolder& folder) {
  return OptionsOfRun(folder.ReadFile(kConfig, kMostConfig), folder.path());
}

std::string PlanJson(const Plan& plan) {
  // Text by hand: a tree of a plan of thousands of layers takes tens of MiB.
  std::string graph;
  const FileError error = WriteGraphJson(plan.graph, &graph);
  if (!error.ok()) throw Failure(ErrorKind::kBug, error.message);
  std::string json = fmt::format(
      "{{\n \"version\": 1,\n \"arithmetic\": {},\n \"arena_bytes\": {},\n"
      " \"lower_bound\": {},\n \"transient_bytes\": {},\n \"batch\": {},\n"
      " \"threads\": {},\n \"minimum_rows\": {},\n"
      " \"program_hash\": \"{:016x}\",\n \"layout_hash\": \"{:016x}\",\n"
      " \"exact\": {},\n \"graph\": ",
      kArithmeticVersion, plan.arena_bytes, plan.lower_bound,
      plan.transient_bytes, plan.options.batch, plan.options.threads,
      plan.minimum_rows, plan.program_hash, plan.layout_hash,
      simd::CurrentTarget().exact);
  json += graph;
  json += ",\n \"tensors\": [";
  for (const PlannedTensor& t : plan.tensors) {
    json += &t == plan.tensors.data() ? "\n" : ",\n";
    json += "  {\"kind\": ";
    AppendJsonString(&json, TensorKindName(t.kind));
    json += ", \"layer\": ";
    AppendJsonString(&json,
                     t.node == kNoNode ? "" : plan.graph.nodes[t.node].name);
    json += fmt::format(
        ", \"slot\": {}, \"bytes\": {}, \"offset\": {}, \"first_step\": {}, "
        "\"last_step\": {}}}",
        t.slot, t.bytes, t.offset, t.first, t.last);
  }
  json += "\n ]\n}\n";
  return json;
}

}  // namespace temper::host
