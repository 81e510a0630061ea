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

void ClassCounts::Clear() {
  std::fill(counts_.begin(), counts_.end(), Counts());
}

void ClassCounts::AddLabel(uint32_t label, bool there, bool told) {
  Counts& c = counts_[label];
  c.both += there && told;
  c.told += told && !there;
  c.there += there && !told;
}

void ClassCounts::Add(uint32_t truth, uint32_t guess) {
  AddLabel(truth, true, truth == guess);
  if (truth != guess) AddLabel(guess, false, true);
}

uint64_t ClassCounts::Samples(uint32_t c) const {
  return counts_[c].both + counts_[c].there;
}

uint64_t ClassCounts::Told(uint32_t c) const {
  return counts_[c].both + counts_[c].told;
}

std::optional<double> ClassCounts::Recall(uint32_t c) const {
  return Ratio(Right(c), Samples(c));
}

std::optional<double> ClassCounts::Precision(uint32_t c) const {
  return Ratio(Right(c), Told(c));
}

std::optional<double> ClassCounts::F1(uint32_t c) const {
  return Ratio(2 * Right(c), Samples(c) + Told(c));
}

std::optional<double> ClassCounts::BalancedAccuracy() const {
  return MeanOf(classes(), [&](uint32_t c) { return Recall(c); });
}

std::optional<double> ClassCounts::MacroF1() const {
  return MeanOf(classes(), [&](uint32_t c) { return F1(c); });
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
