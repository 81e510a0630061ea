// Session: one run, from its first step to its last, or from where an earlier
// one stopped: a fit (temper/fit.h) that is recorded (run_recorder.h) and
// observed (run_observer.h). Everything is set up by the constructor; from then
// on nothing is allocated: not by steps, loader, logs or checkpoints.
//
// State on disk: weights/last.safetensors holds weights, optimizer and
// counters; it is replaced at the end of every epoch, every save_seconds, and
// when the run is asked to stop. config.json holds the options. A resumed run
// gives the same bits as one that never stopped. Next: checkpoint.h
// (saving), job.h (the job).
#ifndef TEMPER_PORTS_HOST_TRAIN_SESSION_H_
#define TEMPER_PORTS_HOST_TRAIN_SESSION_H_

#include <array>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ports/host/data/loader.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/run/run_folder.h"
#include "ports/host/train/averaging.h"
#include "ports/host/train/checkpoint.h"
#include "ports/host/train/curve_watch.h"
#include "ports/host/train/job.h"
#include "ports/host/train/layer_watch.h"
#include "ports/host/train/run_files.h"
#include "ports/host/train/run_observer.h"
#include "ports/host/train/run_recorder.h"
#include "ports/host/train/step_watch.h"
#include "ports/host/train/validation_metrics.h"
#include "temper/signal.h"

namespace temper::host {

enum class SessionEnd : uint8_t {
  kFinished,
  kStopped,   // it was asked to, before its end; the state is saved
  kDiverged,  // finished, but the last epoch's validation was not finite
};

struct SessionResult {
  SessionEnd end = SessionEnd::kFinished;
  uint32_t epochs_done = 0;
  uint64_t steps_done = 0;
  bool trained = false;   // an epoch was finished by this process
  double train_loss = 0;  // of the last finished epoch
  std::optional<double> train_accuracy;
  // Of the last finished epoch: no value without validation data, and where
  // they are not finite.
  std::optional<double> val_loss, val_accuracy, val_mae, val_rmse;
  // Likewise, of runs that measure them (validation_metrics.h).
  std::optional<double> val_balanced_accuracy, val_f1, val_auc;
  uint32_t best_epoch = 0;        // 0: none yet, the next two say nothing
  bool has_best_weights = false;  // in a file of their own
  double best_accuracy = -1, best_loss = 0;
  // The last epoch's validation was not finite.
  bool val_diverged = false;
  bool was_finished = false;   // before this process: it has done nothing
  bool finished = false;       // all epochs are done, or it stopped early
  bool stopped_early = false;  // --early-stop
  double seconds = 0;          // of this process
  double save_seconds = 0;     // of it, for so many saves
  uint64_t saves = 0;
  double images_per_second = 0;  // while training, validation not counted
  uint64_t peak_bytes = 0;       // of the arena, touched: measured
  std::array<char, 64> weights_sha256 = {};
  // Of a new run's first weights and first step (temper/signal.h).
  std::vector<SignalFinding> signals;

  std::string Sha256() const {
    return {weights_sha256.data(), weights_sha256.size()};
  }
};

class Session : private FitObserver {
 public:
  // A new run in job.options.out; or, with the folder of a run, its
  // continuation from the checkpoint job.source. `observer` must outlive the
  // session; null: the run says nothing and is never stopped. `from`: where a
  // run goes on whose length was changed (lengthen.h); null: ReadCounters.
  // `pool`: of another owner, with at most the plan's threads, in the place of
  // one that the session starts.
  Session(Job job, std::unique_ptr<RunFolder> resumed,
          RunObserver* observer = nullptr, const Counters* from = nullptr,
          ThreadPool* pool = nullptr);

  // Trains until the end or a stop, without allocating. Throws Failure:
  // kDiverged, kIo.
  SessionResult Run();

  const Job& job() const { return job_; }
  // The position of the run; before Run(), where it begins or continues.
  Counters counters() const;
  // All epochs are done, or it has stopped early.
  bool Finished() const;
  // "step 12 (why)" if the run has diverged at a step that is still to come.
  const std::string& diverged() const { return diverged_; }
  Trainer& trainer() { return now().trainer; }

 private:
  // Between steps. Exceptions are kept for Run: a fit is compiled without
  // exceptions.
  bool Continue(const Fit&) override;
  bool OnValidation(Fit&) override;
  void OnEvaluated(Fit&, const Batch& batch) override;
  void OnValidated(Fit&, FitMeans* means) override;
  bool OnStep(const Fit&, const StepResult& r, double learning_rate) override;
  bool OnEpoch(Fit&, const EpochReport& report) override;
  template <class Body>
  bool Guarded(Body&& body);
  void EndEpoch(const EpochReport& report);
  void Validated(const FitMeans& validation, MetricsRow* row);
  ProgressState Progress() const;
  void Resume(std::unique_ptr<RunFolder> folder, const Counters& from);
  // What runs a phase. All are set up before the first step, in one arena.
  struct Stage {
    Trainer trainer;
    std::unique_ptr<Averaging> average;
    std::vector<float> statistics;  // FitOptions::statistics
    std::unique_ptr<Fit> fit;
    std::unique_ptr<StepWatch> watch;
  };
  Stage& now() { return stages_[phase_]; }
  const Stage& now() const { return stages_[phase_]; }
  Fit& fit() { return *now().fit; }
  const Fit& fit() const { return *now().fit; }
  void MakeStage(uint32_t phase);
  RunRecorder::Trainers Trainers() const;
  // Ends the phase: the next one begins with its weights.
  void EnterNextPhase();
  void CheckBest();
  std::string WrongBest() const;
  void JudgeSignal();
  double ExpectedLoss() const;  // of classes; 0: not known
  void TellFirstLoss(double loss);
  void Save(const char* why);
  [[noreturn]] void Diverged(const Status& status);

  Job job_;
  RunObserver& observer_;
  const bool regressor_;  // it learns values: errors instead of accuracy
  HostArena arena_;
  std::unique_ptr<ThreadPool> own_pool_;
  ThreadPool& pool_;
  Loader loader_;
  std::unique_ptr<Loader> val_loader_;
  BestKeeper best_epoch_;
  ValidationMetrics metrics_;
  FitObserver* const observers_[2] = {&best_epoch_, this};
  std::deque<Stage> stages_;
  uint32_t phase_ = 0;
  std::unique_ptr<CurveWatch> curves_;
  std::unique_ptr<RunRecorder> recorder_;
  uint64_t trained_samples_ = 0;  // by this process
  double train_seconds_ = 0;
  bool saved_ = false;  // the last checkpoint holds the counters as they are
  std::chrono::steady_clock::time_point step_began_, saved_at_;
  bool in_step_ = false;  // step_began_ is that of its first batch
  std::exception_ptr failure_;
  bool have_best_ = false;  // of a resumed run
  std::unique_ptr<LayerWatch> layers_;
  bool judge_signal_ = false;  // of the first step, which is still to come
  std::string diverged_;
  SessionResult result_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_SESSION_H_
