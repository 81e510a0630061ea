// Metrics of predictions that belong to a loss: of classes by counts (accuracy,
// balanced accuracy, F1), of scores (area under the ROC curve), of values (mean
// absolute error, root of the mean squared error). Whole-number counts as far as
// they go, so that the order of the samples changes nothing. Nothing here
// allocates after its constructor or Reserve.
#ifndef TEMPER_PORTS_HOST_TRAIN_METRICS_H_
#define TEMPER_PORTS_HOST_TRAIN_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace temper::host {

// A sample with the score that is higher for positive ones: a probability, or
// an error where anomalies are the positive ones.
struct ScoredSample {
  float score = 0.0f;
  bool positive = false;
};

// The score of a sample of two classes from the probabilities of both, p1 / p0: it
// orders as p1 does, and goes on where p1 is rounded to 1 (logits 17 apart), since
// p0 is small there and keeps its 24 bits. Infinite where p0 is 0.
inline float OddsOf(float p0, float p1) { return p1 / p0; }

// The share of pairs of a positive and a negative sample in which the positive
// one has the higher score; equal scores count half (Mann and Whitney 1947;
// scikit-learn's roc_auc_score). Exact up to one division. No value without
// both kinds, and where a score is NaN. Sorts `samples`. O(n log n).
std::optional<double> AreaUnderRoc(std::span<ScoredSample> samples);

// Of each class, or of each label where a sample may have several: how often it
// was there and told, told alone, there alone. 24 bytes a class.
class ClassCounts {
 public:
  explicit ClassCounts(uint32_t classes = 0) : counts_(classes) {}

  void Clear();
  // A sample with one class; both below classes().
  void Add(uint32_t truth, uint32_t guess);
  // One of the labels of a sample.
  void AddLabel(uint32_t label, bool there, bool told);

  uint32_t classes() const { return static_cast<uint32_t>(counts_.size()); }
  uint64_t Samples(uint32_t c) const;  // that are of it
  uint64_t Told(uint32_t c) const;     // that are told to be of it
  uint64_t Right(uint32_t c) const { return counts_[c].both; }

  // No value where nothing was counted that it is a share of.
  // Of the samples of a class, the share that is told right; of those told to be
  // of it, the share that is.
  std::optional<double> Recall(uint32_t c) const;
  std::optional<double> Precision(uint32_t c) const;
  // 2 right / (samples + told): the harmonic mean of the two.
  std::optional<double> F1(uint32_t c) const;
  // Means over the classes that have a value: of recalls (balanced accuracy), of
  // F1 (macro F1; a class without samples that is told counts as 0).
  std::optional<double> BalancedAccuracy() const;
  std::optional<double> MacroF1() const;

 private:
  struct Counts {
    uint64_t both = 0, told = 0, there = 0;
  };
  std::vector<Counts> counts_;
};

// Sums of the errors of values, in double, in the order in which they come.
struct ErrorSums {
  double absolute = 0.0, squares = 0.0;
  uint64_t count = 0;

  void Add(float prediction, float target);
  std::optional<double> Mae() const;
  std::optional<double> Rmse() const;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_METRICS_H_
