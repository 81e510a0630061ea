// See tensor_names.h.
#include "models/files/tensor_names.h"

#include <cstddef>
#include <limits>

namespace temper {

bool IsOptimizerState(std::string_view tensor) {
  return tensor.starts_with(kOptimizerPrefix);
}

std::string_view WeightOfTensor(std::string_view tensor) {
  std::string_view weight = tensor;
  if (IsOptimizerState(tensor)) {
    const size_t dot = tensor.find('.', kOptimizerPrefix.size());
    if (dot == std::string_view::npos || dot == kOptimizerPrefix.size())
      return {};
    weight = tensor.substr(dot + 1);
  }
  const size_t dot = weight.rfind('.');
  const bool good =
      dot != std::string_view::npos && dot != 0 && dot + 1 != weight.size();
  return good ? weight : std::string_view();
}

std::string_view NodeOfWeight(std::string_view weight) {
  const size_t dot = weight.rfind('.');
  return dot == std::string_view::npos ? std::string_view()
                                       : weight.substr(0, dot);
}

const char* RuleText(ValueRule rule) {
  return rule == ValueRule::kFinite     ? "finite"
         : rule == ValueRule::kPositive ? "positive and finite"
                                        : "finite and at least 0";
}

uint64_t CountBad(ValueRule rule, const float* values, uint64_t n,
                  uint64_t* first) {
  constexpr float kMost = std::numeric_limits<float>::max();
  // The smallest good value; comparisons are false for NaN.
  const float least = rule == ValueRule::kFinite ? -kMost
                      : rule == ValueRule::kPositive
                          ? std::numeric_limits<float>::denorm_min()
                          : 0.0f;
  uint64_t bad = 0;
  for (uint64_t i = 0; i < n; ++i) {
    if (values[i] >= least && values[i] <= kMost) continue;
    if (bad++ == 0) *first = i;
  }
  return bad;
}

}  // namespace temper
