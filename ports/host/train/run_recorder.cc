// See run_recorder.h.
#include "ports/host/train/run_recorder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "ports/host/base/failure.h"
#include "ports/host/train/job_classes.h"
#include "ports/host/train/layer_watch.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/validation_metrics.h"
#include "simd/target.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

std::unique_ptr<RunFolder> NewFolder(Job& job) {
  const JobOptions& o = job.options;
  auto folder =
      std::make_unique<RunFolder>(o.out, o.numbered    ? FolderMode::kNumbered
                                         : o.overwrite ? FolderMode::kOverwrite
                                                       : FolderMode::kNew);
  job.options.out = folder->path();
  folder->WriteFile(kConfigFile, OptionsJson(job.options));
  folder->WriteFile("plan.json", PlanJson(job.plan));
  return folder;
}

}  // namespace

RunRecorder::Files::Files(const Job& job, uint32_t phase,
                          const Trainer& trainer, const RunFolder& folder)
    : last(job, phase, trainer, folder.Weights(kLastCheckpoint), true),
      best(job, phase, trainer, folder.Weights(kBestWeights), false) {}

RunRecorder::RunRecorder(Job& job, const Trainers& trainers,
                         RunObserver& observer,
                         std::unique_ptr<RunFolder> folder)
    : job_(job), observer_(observer), folder_(std::move(folder)) {
  for (uint32_t k = 0; k < trainers.size(); ++k) {
    files_.emplace_back(job, k, *trainers[k], *folder_);
  }
}

RunRecorder::RunRecorder(Job& job, const Trainers& trainers,
                         RunObserver& observer)
    : RunRecorder(job, trainers, observer, NewFolder(job)) {
  OpenLogs(nullptr, *trainers[0]);
  // From the first moment there is something to go on from; and an older run is
  // only replaced when that is on the disk.
  Write(files_[phase_].last, {});
  metrics_->Sync();
  events_->Sync();
  folder_->Publish();
  for (Files& files : files_) {
    files.last.MoveTo(folder_->weights_fd());
    files.best.MoveTo(folder_->weights_fd());
  }
}

RunRecorder::RunRecorder(Job& job, const Trainers& trainers,
                         RunObserver& observer,
                         std::unique_ptr<RunFolder> folder,
                         const Counters& from)
    : RunRecorder(job, trainers, observer, std::move(folder)) {
  phase_ = from.phase;
  OpenLogs(&from, *trainers[0]);
  earlier_seconds_ =
      events_->SecondsAt(from.Steps()).value_or(metrics_->kept_seconds());
}

void RunRecorder::OpenLogs(const Counters* resumed, const Trainer& first) {
  const FilePlace metrics = folder_->Place("metrics.csv");
  const auto columns =
      MetricsColumns({.errors = models::IsRegressor(job_.info.graph),
                      .clipped = !job_.options.clip.empty(),
                      .sparsity = job_.options.l1 > 0,
                      .classes = MeasuresClasses(job_)});
  metrics_ =
      resumed != nullptr
          ? std::make_unique<MetricsLog>(metrics, resumed->Epochs(), columns)
          : std::make_unique<MetricsLog>(metrics, columns);
  events_ = std::make_unique<EventLog>(folder_->Place("events.jsonl"),
                                       resumed != nullptr);
  steps_ = std::make_unique<StepsLog>(
      folder_->Place("steps.csv"), resumed != nullptr,
      resumed != nullptr ? resumed->Steps() : 0);
  layers_ = std::make_unique<LayersLog>(
      folder_->Place("layers.csv"), LayerColumns(first), resumed != nullptr,
      resumed != nullptr ? resumed->Epochs() : 0u);
  EventLog::Line line = events_->Begin(resumed != nullptr ? "resume" : "start");
  line.Field("epoch", resumed != nullptr ? resumed->Epochs() : 0u)
      .Field("step", resumed != nullptr ? resumed->Steps() : uint64_t{0})
      .Field("target", simd::CurrentTarget().name)
      .Field("threads", job_.plan.options.threads)
      .Field("backend", job_.options.backend)
      .Field("arena_bytes", job_.plan.arena_bytes);
  // What `diagnose` compares accuracies with, and how far it trusts them.
  if (const double chance = ChanceOf(job_); chance > 0) {
    line.Field("chance", chance);
  }
  if (job_.data.val) {
    line.Field("val_samples", uint64_t{job_.data.val->size()});
  }
  line.Write();
}

bool RunRecorder::HasBest() const {
  return faccessat(folder_->weights_fd(), kBestWeights, R_OK, 0) == 0;
}

void RunRecorder::Write(Checkpoint& to, const Counters& counters) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto since = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  to.Save(counters);
  observer_.OnSave(to.file_bytes(), since());
  save_seconds_ += since();
  ++saves_;
}

void RunRecorder::Save(const char* why, const Counters& counters,
                       double seconds) {
  try {
    Write(files_[phase_].last, counters);
  } catch (const Failure& failure) {
    if (failure.kind != ErrorKind::kDiverged) throw;
    FailDiverged(counters, failure.message);  // a weight is not finite
  }
  events_->Begin("save")
      .Field("why", why)
      .Field("epoch", counters.Epochs())
      .Field("step", counters.Steps())
      .Field("seconds", earlier_seconds_ + seconds)
      .Write();
  WarnOfLogs();
}

void RunRecorder::SaveBest(const Counters& counters) {
  Write(files_[phase_].best, counters);
}

void RunRecorder::Append(const MetricsRow& row) {
  metrics_->Append(row);
  metrics_->Sync();
}

void RunRecorder::Note(std::string_view text) {
  events_->Begin("note").Field("text", text).Write();
}

void RunRecorder::Diagnosis(const recipe::Diagnosis& of, uint32_t epoch) {
  events_->Begin("diagnosis")
      .Field("cause", recipe::CauseName(of.cause))
      .Field("epoch", epoch)
      .Field("at", of.epoch)
      .Field("from", of.from)
      .Field("to", of.to)
      .Write();
}

void RunRecorder::End(const char* event, uint64_t step) {
  events_->Begin(event).Field("step", step).Write();
  events_->Sync();
  metrics_->Sync();
  steps_->Sync();
  layers_->Sync();
  WarnOfLogs();
}

void RunRecorder::WarnOfLogs() {
  for (std::string_view text; !(text = metrics_->TakeWarning()).empty();) {
    observer_.OnWarning(text);
  }
  for (std::string_view text; !(text = events_->TakeWarning()).empty();) {
    observer_.OnWarning(text);
  }
  for (std::string_view text; !(text = steps_->TakeWarning()).empty();) {
    observer_.OnWarning(text);
  }
  for (std::string_view text; !(text = layers_->TakeWarning()).empty();) {
    observer_.OnWarning(text);
  }
}

void RunRecorder::FailDiverged(const Counters& at, const std::string& why) {
  observer_.OnEnd();
  events_->Begin("diverged")
      .Field("step", at.Steps())
      .Field("why", why)
      .Write();
  events_->Sync();
  Fail(ErrorKind::kDiverged, "training diverged",
       fmt::format("step {} (epoch {})", at.Steps() + 1, at.Epochs() + 1), why,
       fmt::format("Resumed as it is, it diverges again: start a new run with "
                   "a smaller --lr, or with --warmup. The last good state is "
                   "{}",
                   LastCheckpoint(folder_->path())));
}

}  // namespace temper::host
