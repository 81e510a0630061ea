// Values of options. See data_option.h.
#include "ports/host/data/data_option.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

#include "ports/host/base/failure.h"

namespace temper::host {

void BadOption(std::string_view where, std::string_view why,
               std::string_view remedy) {
  Fail(ErrorKind::kUsage, "cannot understand the data spec", where, why,
       remedy);
}

bool ReadFlag(const DataOption& option, std::string_view value) {
  if (value != "0" && value != "1") {
    BadOption(option.name,
              fmt::format("'{}' is neither 0 nor 1", Printable(value)),
              fmt::format("Write {}=1, or leave it out.", option.name));
  }
  return value == "1";
}

uint64_t ReadWhole(std::string_view name, std::string_view value,
                   uint64_t min) {
  const std::optional<uint64_t> number =
      ParseCount(value, std::numeric_limits<uint64_t>::max());
  if (!number.has_value()) {
    BadOption(name, fmt::format("'{}' is not a whole number", Printable(value)),
              "Write decimal digits only.");
  }
  if (*number < min) {
    BadOption(name, fmt::format("{} is too small", *number),
              fmt::format("Use {} or more.", min));
  }
  return *number;
}

double ReadFraction(const DataOption& option, std::string_view value) {
  const std::optional<double> number = ParseDecimal(value);
  if (!number) {
    BadOption(option.name,
              fmt::format("'{}' is not a fraction", Printable(value)),
              "Write a decimal fraction such as 0.1.");
  }
  if (!(*number > 0.0 && *number < 1.0)) {
    BadOption(option.name, fmt::format("{} is out of range", Printable(value)),
              "Use a fraction above 0 and below 1.");
  }
  return *number;
}

std::string_view ChoiceName(std::string_view choices, size_t i) {
  for (; i > 0; --i) choices.remove_prefix(choices.find('|') + 1);
  return choices.substr(0, choices.find('|'));
}

size_t ReadChoice(const DataOption& option, std::string_view value) {
  const size_t count =
      1 + static_cast<size_t>(
              std::count(option.values.begin(), option.values.end(), '|'));
  std::vector<std::string_view> names;
  for (size_t i = 0; i < count; ++i) {
    names.push_back(ChoiceName(option.values, i));
    if (names.back() == value) return i;
  }
  BadOption(option.name,
            fmt::format("there is no {} '{}'", option.name, Printable(value)),
            Suggest(value, names));
}

std::optional<double> ParseDecimal(std::string_view text) {
  if (text.find_first_not_of("0123456789.") != std::string_view::npos) {
    return std::nullopt;
  }
  double value = 0.0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<uint64_t> ParseCount(std::string_view text, uint64_t max) {
  if (text.empty() ||
      text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace temper::host
