// See metrics.h.
#include "ports/host/train/metrics.h"

#include <algorithm>
#include <cmath>

namespace temper::host {
namespace {

std::optional<double> Ratio(uint64_t part, uint64_t whole) {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

// of(c) for the classes that have it.
template <class Of>
std::optional<double> MeanOf(uint32_t classes, Of&& of) {
  double sum = 0.0;
  uint32_t n = 0;
  for (uint32_t c = 0; c < classes; ++c) {
    if (const std::optional<double> value = of(c)) sum += *value, ++n;
  }
  if (n == 0) return std::nullopt;
  return sum / n;
}

}  // namespace

std::optional<double> AreaUnderRoc(std::span<ScoredSample> samples) {
  uint64_t positives = 0;
  for (const ScoredSample& s : samples) {
    if (std::isnan(s.score)) return std::nullopt;
    positives += s.positive;
  }
  const uint64_t negatives = samples.size() - positives;
  if (positives == 0 || negatives == 0) return std::nullopt;
  std::sort(samples.begin(), samples.end(),
            [](const ScoredSample& a, const ScoredSample& b) {
              return a.score < b.score;
            });
  // Twice the number of pairs that are in order: at most 2^33 samples.
  uint64_t twice = 0, below = 0;
  for (size_t i = 0; i < samples.size();) {
    uint64_t same_positives = 0, same = 0;
    for (const float score = samples[i].score;
         i < samples.size() && samples[i].score == score; ++i, ++same) {
      same_positives += samples[i].positive;
    }
    const uint64_t same_negatives = same - same_positives;
    twice += same_positives * (2 * below + same_negatives);
    below += same_negatives;
  }
  return static_cast<double>(twice) / (2.0 * static_cast<double>(positives) *
                                       static_cast<double>(negatives));
}

void ConfusionMatrix::Clear() {
  std::fill(counts_.begin(), counts_.end(), uint64_t{0});
}

uint64_t ConfusionMatrix::Samples(uint32_t truth) const {
  uint64_t sum = 0;
  for (uint32_t k = 0; k < classes_; ++k) sum += Count(truth, k);
  return sum;
}

uint64_t ConfusionMatrix::Guesses(uint32_t guess) const {
  uint64_t sum = 0;
  for (uint32_t c = 0; c < classes_; ++c) sum += Count(c, guess);
  return sum;
}

uint64_t ConfusionMatrix::Samples() const {
  uint64_t sum = 0;
  for (const uint64_t count : counts_) sum += count;
  return sum;
}

std::optional<double> ConfusionMatrix::Accuracy() const {
  uint64_t right = 0;
  for (uint32_t c = 0; c < classes_; ++c) right += Count(c, c);
  return Ratio(right, Samples());
}

std::optional<double> ConfusionMatrix::Recall(uint32_t c) const {
  return Ratio(Count(c, c), Samples(c));
}

std::optional<double> ConfusionMatrix::Precision(uint32_t c) const {
  return Ratio(Count(c, c), Guesses(c));
}

std::optional<double> ConfusionMatrix::F1(uint32_t c) const {
  return Ratio(2 * Count(c, c), Samples(c) + Guesses(c));
}

std::optional<double> ConfusionMatrix::BalancedAccuracy() const {
  return MeanOf(classes_, [&](uint32_t c) { return Recall(c); });
}

std::optional<double> ConfusionMatrix::MacroF1() const {
  return MeanOf(classes_, [&](uint32_t c) { return F1(c); });
}

void LabelCounts::Clear() {
  std::fill(counts_.begin(), counts_.end(), Counts());
}

void LabelCounts::Add(uint32_t label, bool there, bool told) {
  Counts& c = counts_[label];
  c.both += there && told;
  c.told += told && !there;
  c.there += there && !told;
}

uint64_t LabelCounts::Samples(uint32_t label) const {
  return counts_[label].both + counts_[label].there;
}

uint64_t LabelCounts::Told(uint32_t label) const {
  return counts_[label].both + counts_[label].told;
}

std::optional<double> LabelCounts::Recall(uint32_t label) const {
  return Ratio(Right(label), Samples(label));
}

std::optional<double> LabelCounts::F1(uint32_t label) const {
  return Ratio(2 * Right(label), Samples(label) + Told(label));
}

std::optional<double> LabelCounts::MacroF1() const {
  return MeanOf(labels(), [&](uint32_t label) { return F1(label); });
}

void ErrorSums::Add(float prediction, float target) {
  const double error = double{prediction} - double{target};
  absolute += std::fabs(error);
  squares += error * error;
  ++count;
}

std::optional<double> ErrorSums::Mae() const {
  if (count == 0) return std::nullopt;
  return absolute / static_cast<double>(count);
}

std::optional<double> ErrorSums::Rmse() const {
  if (count == 0) return std::nullopt;
  return std::sqrt(squares / static_cast<double>(count));
}

}  // namespace temper::host
