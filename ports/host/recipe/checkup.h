// Checkup: the six steps of a training recipe on a job, in minutes: data and
// initial loss, a tiny sample, the learning rate, short runs, a longer run, its
// curves. Each gives a verdict with evidence; what is wrong becomes findings, the
// likeliest first, in the order data, initialization, rate, architecture.
//
// How a setting is found to be at fault: put back to its default, the same
// training does better. No list of known mistakes is needed for that.
// Next: checkup.cc (the order), check_*.cc (the steps), docs/check.md.
#ifndef TEMPER_PORTS_HOST_RECIPE_CHECKUP_H_
#define TEMPER_PORTS_HOST_RECIPE_CHECKUP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ports/host/recipe/trial.h"
#include "ports/host/train/job.h"
#include "runtime/recipe/cause.h"
#include "runtime/recipe/layer_statistics.h"
#include "runtime/recipe/lr_find.h"

namespace temper::host {

// Options of the command `train` and their values; an empty value takes the
// option out.
using OptionChanges = std::vector<std::pair<std::string, std::string>>;

struct Finding {
  recipe::Cause cause = recipe::Cause::kCount;
  uint32_t check = 0;
  std::string evidence, action;
  OptionChanges changes;
};

struct CheckResult {
  uint32_t number = 0;
  bool ok = true;
  // It could not be judged, in whole or in part: no time, too few samples.
  bool open = false;
  std::vector<std::string> evidence;  // sentences
};

struct CheckupOptions {
  double minutes = 3;
  uint32_t only = 0;  // this step alone; 0: all
};

class Checkup {
 public:
  // Loads the data; holds a fifth of them out where there are none for
  // validation. Throws as PrepareJob.
  Checkup(const JobOptions& job, const CheckupOptions& options);

  // Called when a step is done.
  std::function<void(const CheckResult&)> told;
  // Called before each of a step's trainings: its number there.
  std::function<void(uint32_t step, uint32_t training)> running;
  void Run();

  const std::vector<CheckResult>& results() const { return results_; }
  // The likeliest first.
  const std::vector<Finding>& findings() const { return findings_; }
  const std::vector<std::string>& notes() const { return notes_; }
  // What the steps found best, for the command that trains.
  const OptionChanges& best() const { return best_; }
  uint64_t arena_bytes() const { return arena_bytes_; }  // the most of a trial
  // The data, once, and the most that a trial has beside its arena.
  uint64_t outside_bytes() const;
  bool held_out() const { return held_out_; }  // the fifth for validation
  const recipe::LrFindResult* sweep() const {
    return swept_ ? &sweep_ : nullptr;
  }

 private:
  // The steps; each in its file.
  void CheckData(CheckResult* to);
  void CheckInitialLoss(CheckResult* to);
  void CheckTiny(CheckResult* to);
  void CheckRate(CheckResult* to);
  void CheckRuns(CheckResult* to);
  void CheckLonger(CheckResult* to);

  void Find(recipe::Cause cause, uint32_t check, std::string evidence,
            std::string action, OptionChanges changes = {});
  bool Found(recipe::Cause cause) const;
  double Left() const;  // seconds
  // The given options with as many samples, on the data of the checkup.
  JobOptions Small(JobOptions options, uint64_t train_samples,
                   uint64_t val_samples) const;
  JobOptions Tiny(JobOptions options) const;
  // The model and its data with default options, at the rate that was found.
  JobOptions Reference() const;
  std::string PressedSchedule(uint64_t steps) const;
  Trial Try(const JobOptions& options);
  void SetBaseline(const Shape& outputs, const LossTraits& loss);
  // A score as a user knows it: a share of right answers, or a loss.
  std::string ScoreText(double score) const;
  void BlameTargets(const JobOptions& usual, double best);
  // What a difference between two scores must be to mean something.
  double Margin(double score, uint64_t samples) const;
  double Chance() const;
  void MeasureSignal(const JobOptions& options);
  void JudgeSignal(CheckResult* to);
  void CompareFirstWeights(CheckResult* to);
  void CompareSize(CheckResult* to);
  void SweepReference();
  // Some epochs of a part of the data, as the checkup's time allows.
  JobOptions Short(JobOptions options) const;
  JobOptions ShortAsGiven() const;
  void RunShort();  // reference_ and as_given_, once
  // The job as given scores clearly higher than at the rate that was found.
  bool GivenTrainsBetter();
  uint64_t StepsOf(uint64_t samples) const;
  void SizeTrials(double share, uint32_t trials, uint32_t epochs,
                  uint64_t* samples) const;
  void BlameOption(const JobOptions& given, const Trial& reference,
                   CheckResult* to);
  void BlameModel(const Trial& reference);
  void BlameCapacity(const Trial& flat, const JobOptions& options, double best,
                     CheckResult* to);
  JobOptions Plain() const;
  uint64_t ValidationFor(uint64_t train_samples) const;

  const JobOptions given_;
  const CheckupOptions options_;
  const std::chrono::steady_clock::time_point began_;
  TrainingData data_;
  std::optional<Dataset> test_;   // for duplicates and statistics alone
  uint64_t steps_per_epoch_ = 1;  // of the whole job
  bool held_out_ = false;
  bool classes_ = false;  // the model is a classifier
  double dropout_ = 0;    // the highest rate of the job's graph
  double baseline_ = 0;   // of values: the loss of always saying their mean
  bool smooths_labels_ = false;  // as given, or as its model file does
  uint32_t step_ = 0, training_ = 0;
  bool from_file_ = false;  // it begins with weights that were trained

  std::vector<CheckResult> results_;
  std::vector<Finding> findings_;
  std::vector<std::string> notes_;
  OptionChanges best_;
  uint64_t arena_bytes_ = 0, outside_bytes_ = 0;  // the most of a trial

  // Of step 1: the signal at the first step, by layer.
  struct Signal {
    std::string layer;
    recipe::LayerStatistics of;
    bool activation = false;
  };
  std::vector<Signal> signal_;
  const Signal* LastSignal() const;
  double input_rms_ = 0, first_loss_ = 0, expected_loss_ = 0, random_loss_ = 0;
  double gradient_ratio_ = 0;
  uint64_t trained_parameters_ = 0;
  uint32_t hidden_kernels_ = 0, alike_kernels_ = 0;
  bool signal_not_finite_ = false, has_norm_ = false;
  bool memorised_ = false;
  // Of step 3.
  bool swept_ = false;
  recipe::LrFindResult sweep_;
  std::vector<recipe::LrPoint> sweep_points_;
  double samples_per_second_ = 0;
  // Of step 4, and of 3 where the rate is in doubt.
  static constexpr uint64_t kLeastSteps = 100;  // of a short run
  uint32_t run_epochs_ = 3;
  uint64_t run_samples_ = 0;
  std::optional<Trial> reference_, as_given_;
  double best_rate_ = 0;
  std::string best_init_;  // empty: the job's own
};

// `spec` with one field set: ("sgd", "momentum", "0.9"). The entry must have it.
std::string WithField(const std::string& spec, const std::string& field,
                      const std::string& value);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RECIPE_CHECKUP_H_
