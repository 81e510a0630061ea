// What a run measures of its validation beside loss and accuracy: balanced
// accuracy, macro F1 and, of two classes, the area under the ROC curve; of models
// that learn values the root of the mean squared error. Of epochs as they come;
// all memory is taken by the constructor.
#ifndef TEMPER_PORTS_HOST_TRAIN_VALIDATION_METRICS_H_
#define TEMPER_PORTS_HOST_TRAIN_VALIDATION_METRICS_H_

#include <optional>
#include <vector>

#include "ports/host/train/job.h"
#include "ports/host/train/metrics.h"

namespace temper::host {

// Metrics of classes are measured where classes differ much, or something was
// asked for that makes them matter.
bool MeasuresClasses(const Job& job);

// The memory of what follows.
uint64_t ValidationMetricsBytes(const Job& job);

class ValidationMetrics {
 public:
  explicit ValidationMetrics(const Job& job);

  bool measures_classes() const { return classes_; }
  void Begin();
  // A batch with its labels or targets, and the model's output of it.
  void Add(const Batch& batch, const float* output);
  // No value where nothing was measured of it.
  std::optional<double> BalancedAccuracy() const;
  std::optional<double> MacroF1() const;
  std::optional<double> Auc();  // sorts
  std::optional<double> Rmse() const { return errors_.Rmse(); }

 private:
  void AddClasses(const Batch& batch, const float* output);

  bool classes_ = false, values_ = false;
  uint32_t outputs_ = 0, width_ = 0;
  bool one_output_ = false;  // for two classes
  bool several_ = false;     // labels a sample
  ClassCounts counts_;
  std::vector<ScoredSample> scores_;
  size_t scored_ = 0;
  ErrorSums errors_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_VALIDATION_METRICS_H_
