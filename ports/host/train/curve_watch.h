// CurveWatch: diagnoses of a run while it goes on, each cause once. All memory is
// taken by the constructor. Next: runtime/recipe/diagnosis.h (the rules).
#ifndef TEMPER_PORTS_HOST_TRAIN_CURVE_WATCH_H_
#define TEMPER_PORTS_HOST_TRAIN_CURVE_WATCH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/host/run/metrics_log.h"
#include "ports/host/run/steps_log.h"
#include "ports/host/train/job.h"
#include "runtime/recipe/diagnosis.h"

namespace temper::host {

// The option of the next remedy against overfitting that the job does not use
// yet, and a value; nothing: all of them are used.
std::optional<std::pair<std::string, std::string>> OverfittingRemedy(
    const JobOptions& options);

class CurveWatch {
 public:
  CurveWatch(const JobOptions& options, double expected_loss, double chance,
             uint64_t val_samples);

  void Step(const StepsRow& row);
  // After an epoch: what has become certain, as one line; empty: nothing new.
  // Valid until the next call. `best_epoch`: whose weights are kept.
  std::string_view Epoch(const MetricsRow& row, uint32_t best_epoch);
  // Of a run that ended at a number that is not finite: what it was; empty: not
  // known.
  std::string_view Exploded(uint64_t step, double rate);
  const recipe::Diagnosis& last() const { return last_; }

 private:
  static constexpr size_t kMostEpochs = 10000;

  recipe::CurveFacts facts_;
  std::array<double, kFirstSteps> ratios_{}, norms_{};
  size_t steps_ = 0;
  std::vector<recipe::CurvePoint> points_;
  std::array<bool, static_cast<size_t>(recipe::Cause::kCount)> told_{};
  recipe::Diagnosis last_;
  std::string remedy_;  // against overfitting
  bool warmed_up_ = false;
  char text_[400];
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_CURVE_WATCH_H_
