// See auc.h.
#include "ports/host/base/auc.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace temper::host {

std::optional<double> RocAuc(std::span<const float> scores,
                             const std::vector<bool>& positive) {
  std::vector<uint32_t> order(scores.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    if (std::isnan(scores[i])) return std::nullopt;
    order[i] = i;
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return scores[a] < scores[b]; });
  // Twice the pairs that are won, so that halves are whole.
  uint64_t won = 0, positives = 0, negatives = 0;
  for (size_t i = 0; i < order.size();) {
    uint64_t equal[2] = {0, 0};
    const float score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      ++equal[positive[order[i]] ? 1 : 0];
    }
    won += equal[1] * (2 * negatives + equal[0]);
    negatives += equal[0];
    positives += equal[1];
  }
  if (positives == 0 || negatives == 0) return std::nullopt;
  return static_cast<double>(won) /
         static_cast<double>(2 * positives * negatives);
}

}  // namespace temper::host
