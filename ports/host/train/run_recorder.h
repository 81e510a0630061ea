// RunRecorder: what a run leaves on the disk: its folder, the logs and the
// checkpoints. It is set up once and allocates nothing afterwards.
//
// State on disk: weights/last.safetensors holds weights, optimizer and
// counters; config.json the options; metrics.csv a row per epoch; events.jsonl
// what happened when. A checkpoint is never ahead of its row.
// Next: checkpoint.h (saving), run_files.h (names), ports/host/run/.
#ifndef TEMPER_PORTS_HOST_TRAIN_RUN_RECORDER_H_
#define TEMPER_PORTS_HOST_TRAIN_RUN_RECORDER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ports/host/run/layers_log.h"
#include "ports/host/run/metrics_log.h"
#include "ports/host/run/run_folder.h"
#include "ports/host/run/run_log.h"
#include "ports/host/run/steps_log.h"
#include "ports/host/train/checkpoint.h"
#include "ports/host/train/job.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/run_observer.h"
#include "runtime/recipe/diagnosis.h"

namespace temper::host {

class RunRecorder {
 public:
  // One for each phase of the job.
  using Trainers = std::vector<const Trainer*>;

  // The folder of a new run, job.options.out (which becomes the one that was
  // made), with the trainer's first weights as its first checkpoint. An older
  // run is only replaced when that is on the disk.
  RunRecorder(Job& job, const Trainers& trainers, RunObserver& observer);
  // The folder of a run that goes on from `from`.
  RunRecorder(Job& job, const Trainers& trainers, RunObserver& observer,
              std::unique_ptr<RunFolder> folder, const Counters& from);

  // What is saved from now on is the trainer of this phase.
  void EnterPhase(uint32_t phase) { phase_ = phase; }

  // Replaces last.safetensors. `seconds`: spent in training by this process.
  // Throws Failure: kDiverged (a weight is not finite: FailDiverged), kIo.
  void Save(const char* why, const Counters& counters, double seconds);
  // Replaces best.safetensors.
  void SaveBest(const Counters& counters);
  // A row of metrics.csv, on the disk when this returns.
  void Append(const MetricsRow& row);
  // A row of steps.csv.
  void Append(const StepsRow& row) { steps_->Append(row); }
  // A row of layers.csv, by LayerColumns of the first phase's trainer.
  void Append(uint32_t epoch, std::span<const double> layers) {
    layers_->Append(epoch, layers);
  }
  void Note(std::string_view text);
  // What has become certain after an epoch.
  void Diagnosis(const recipe::Diagnosis& of, uint32_t epoch);
  // The run's last event, and all logs to the disk.
  void End(const char* event, uint64_t step);
  // Logs the divergence and throws kDiverged with the way back.
  [[noreturn]] void FailDiverged(const Counters& at, const std::string& why);
  // What went wrong with the logs, to the observer.
  void WarnOfLogs();

  // best.safetensors is there.
  bool HasBest() const;
  FilePlace BestPlace() const { return folder_->Weights(kBestWeights); }
  std::string BestPath() const { return BestPlace().shown; }
  std::array<char, 64> WeightsSha256() const {
    return files_[phase_].last.WeightsSha256();
  }
  // Training time of the processes before this one.
  double earlier_seconds() const { return earlier_seconds_; }
  uint64_t saves() const { return saves_; }
  double save_seconds() const { return save_seconds_; }
  // What a resumed run's logs say: where it diverged, and its last row.
  const EventLog& events() const { return *events_; }
  const MetricsLog& metrics() const { return *metrics_; }

 private:
  RunRecorder(Job& job, const Trainers& trainers, RunObserver& observer,
              std::unique_ptr<RunFolder> folder);
  void OpenLogs(const Counters* resumed, const Trainer& first);
  void Write(Checkpoint& to, const Counters& counters);

  const Job& job_;
  RunObserver& observer_;
  std::unique_ptr<RunFolder> folder_;
  // The two files, as the trainer of each phase writes them.
  struct Files {
    Files(const Job& job, uint32_t phase, const Trainer& trainer,
          const RunFolder& folder);
    Checkpoint last, best;
  };
  std::deque<Files> files_;
  uint32_t phase_ = 0;
  std::unique_ptr<MetricsLog> metrics_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<StepsLog> steps_;
  std::unique_ptr<LayersLog> layers_;
  double earlier_seconds_ = 0;
  uint64_t saves_ = 0;
  double save_seconds_ = 0;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_RUN_RECORDER_H_
