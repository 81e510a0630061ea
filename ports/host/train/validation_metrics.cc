// See validation_metrics.h.
#include "ports/host/train/validation_metrics.h"

#include <algorithm>

#include "ports/host/train/class_weights.h"
#include "ports/host/train/job_classes.h"
#include "temper/graph_edit.h"

namespace temper::host {

bool MeasuresClasses(const Job& job) {
  const JobOptions& o = job.options;
  if (!models::IsClassifier(job.info.graph)) return false;
  const bool several = job.data.train.targets.kind == TargetKind::kMultiHot;
  return !o.class_weights.empty() || !o.sampler.empty() || !o.loss.empty() ||
         o.monitor == "val_balanced_accuracy" ||
         (!several && Imbalance(job.data.train) > kImbalanced);
}

uint64_t ValidationMetricsBytes(const Job& job) {
  constexpr uint64_t kClass = 24;
  if (!job.data.val || !MeasuresClasses(job)) return 0;
  const uint32_t classes = models::ClassesOf(job.info.graph, OutputsOf(job));
  const uint64_t scores = classes == 2 ? job.data.val->size() : 0;
  return classes * kClass + scores * sizeof(ScoredSample);
}

ValidationMetrics::ValidationMetrics(const Job& job) {
  if (!job.data.val) return;
  outputs_ = OutputsOf(job);
  if (models::IsRegressor(job.info.graph)) {
    values_ = true;
    return;
  }
  classes_ = MeasuresClasses(job);
  if (!classes_) return;
  width_ = models::ClassesOf(job.info.graph, outputs_);
  if (job.data.val->targets.kind == TargetKind::kMultiHot) {
    several_ = true;
    counts_ = ClassCounts(outputs_);
    return;
  }
  one_output_ = width_ != outputs_;
  counts_ = ClassCounts(width_);
  if (width_ == 2) scores_.resize(job.data.val->size());
}

void ValidationMetrics::Begin() {
  counts_.Clear();
  scored_ = 0;
  errors_ = {};
}

void ValidationMetrics::Add(const Batch& batch, const float* output) {
  if (values_) {
    for (size_t i = 0; i < size_t{batch.rows} * outputs_; ++i) {
      errors_.Add(output[i], batch.targets[i]);
    }
  } else if (classes_) {
    AddClasses(batch, output);
  }
}

void ValidationMetrics::AddClasses(const Batch& batch, const float* output) {
  for (uint32_t r = 0; r < batch.rows; ++r) {
    const float* const p = output + size_t{r} * outputs_;
    const float* const t = batch.targets == nullptr
                               ? nullptr
                               : batch.targets + size_t{r} * outputs_;
    for (uint32_t j = 0; j < outputs_ && several_; ++j) {
      counts_.AddLabel(j, t[j] > 0.5f, p[j] > 0.5f);
    }
    if (several_) continue;
    const uint32_t truth =
        batch.labels != nullptr
            ? static_cast<uint32_t>(batch.labels[r])
            : static_cast<uint32_t>(std::max_element(t, t + outputs_) - t);
    const uint32_t guess =
        one_output_
            ? (p[0] > 0.5f ? 1u : 0u)
            : static_cast<uint32_t>(std::max_element(p, p + outputs_) - p);
    counts_.Add(truth, guess);
    if (scored_ < scores_.size()) {
      scores_[scored_++] = {one_output_ ? p[0] : OddsOf(p[0], p[1]),
                            truth == 1};
    }
  }
}

std::optional<double> ValidationMetrics::BalancedAccuracy() const {
  return several_ ? std::nullopt : counts_.BalancedAccuracy();
}

std::optional<double> ValidationMetrics::MacroF1() const {
  return counts_.MacroF1();
}

std::optional<double> ValidationMetrics::Auc() {
  return AreaUnderRoc({scores_.data(), scored_});
}

}  // namespace temper::host
