// See non_finite.h.
#include "ports/host/base/non_finite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ports/host/base/failure.h"

namespace temper::host {

bool NonFinite::AllFinite(const float* values, size_t count) {
  return std::all_of(values, values + count,
                     [](float value) { return std::isfinite(value); });
}

void NonFinite::Add(const std::string& sample) {
  if (count_++ < kNamed) first_.push_back(sample);
}

std::string NonFinite::Message(uint64_t samples) const {
  std::string names;
  for (const std::string& name : first_) {
    if (!names.empty()) names += ", ";
    names += Printable(name);
  }
  return fmt::format(
      "the model's output is not finite (NaN or infinity) for {} of {} "
      "samples: {}{}\n  Its weights have grown too large or are damaged: use "
      "an earlier state, or train it again with a smaller --lr.",
      count_, samples, names, count_ > first_.size() ? ", ..." : "");
}

}  // namespace temper::host
