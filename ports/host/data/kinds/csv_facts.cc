// See csv_facts.h.
#include "ports/host/data/kinds/csv_facts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "ports/host/data/kinds/csv_format.h"

namespace temper::host {

size_t Texts::Add(std::string_view text) {
  const auto found = numbers_.find(text);
  if (found != numbers_.end()) return found->second;
  numbers_.emplace(text, names_.size());
  names_.emplace_back(text);
  return names_.size() - 1;
}

const size_t* Texts::Find(std::string_view text) const {
  const auto found = numbers_.find(text);
  return found == numbers_.end() ? nullptr : &found->second;
}

std::vector<int32_t> Texts::Sort() {
  std::vector<int32_t> order(names_.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<int32_t>(i);
  }
  std::vector<std::optional<int64_t>> whole;
  for (const std::string& name : names_) whole.push_back(Whole(name));
  const bool numbers = std::all_of(whole.begin(), whole.end(),
                                   [](const auto& n) { return n.has_value(); });
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const size_t i = static_cast<size_t>(a), k = static_cast<size_t>(b);
    if (numbers && *whole[i] != *whole[k]) return *whole[i] < *whole[k];
    return names_[i] < names_[k];
  });
  std::vector<int32_t> place(order.size());
  std::vector<std::string> sorted;
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t from = static_cast<size_t>(order[i]);
    place[from] = static_cast<int32_t>(i);
    sorted.push_back(std::move(names_[from]));
  }
  names_ = std::move(sorted);
  numbers_.clear();
  for (size_t i = 0; i < names_.size(); ++i) numbers_.emplace(names_[i], i);
  return place;
}

std::optional<int64_t> Texts::Whole(std::string_view text) {
  int64_t exact = 0;
  const char* const end = text.data() + text.size();
  if (const auto [stop, error] = std::from_chars(text.data(), end, exact);
      stop == end && error == std::errc()) {
    return exact;
  }
  // Such as 2.0, where a double tells them apart.
  const CsvNumber n = ParseCsvNumber(text, '.');
  constexpr double kMost = 9007199254740992.0;  // 2^53
  if (n.kind != CsvNumber::Kind::kNumber || n.value != std::floor(n.value) ||
      std::fabs(n.value) >= kMost) {
    return std::nullopt;
  }
  return static_cast<int64_t>(n.value);
}

}  // namespace temper::host
