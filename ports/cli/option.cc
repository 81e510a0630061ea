// See option.h.
#include "ports/cli/option.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/data_spec.h"

namespace temper::host {
namespace {

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    items.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}
template <class T>
std::string Joined(const std::vector<T>& items) {
  return fmt::format("{}", fmt::join(items, ","));
}

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

std::string NotANumber(const std::string& text) {
  return fmt::format("must be a number, not {}", Printable(text));
}
template <class T>
std::string SetWhole(const std::string& text, T* to) {
  const std::optional<uint64_t> value =
      ParseCount(text, std::numeric_limits<T>::max());
  if (!value) {
    return fmt::format("must be a whole number, not {}", Printable(text));
  }
  *to = static_cast<T>(*value);
  return {};
}

}  // namespace

std::string_view Option::Key() const {
  for (const std::string& one : names) {
    if (one.starts_with("--")) return std::string_view(one).substr(2);
  }
  return names.front();
}

ErrorKind Option::Wrong() const {
  return from == kCommandLine ? ErrorKind::kUsage : ErrorKind::kConfiguration;
}

Option& Option::Required() {
  required = true;
  default_text.clear();
  return *this;
}
Option& Option::Group(std::string heading) {
  group = std::move(heading);
  return *this;
}
Option& Option::Default(std::string words) {
  default_text = std::move(words);
  return *this;
}
Option& Option::Alone(std::string text_value) {
  alone = std::move(text_value);
  return *this;
}
Option& Option::Repeats() {
  repeats = true;
  return *this;
}

Option& Option::NotInFiles() {
  in_files = false;
  return *this;
}
Option& Option::Excludes(std::vector<std::string> others) {
  excludes = std::move(others);
  return *this;
}

Option& Option::Check(std::function<std::string(const std::string&)> check) {
  set = [check = std::move(check),
         then = std::move(set)](const std::string& given) {
    std::string wrong = check(given);
    return wrong.empty() ? then(given) : wrong;
  };
  return *this;
}

Option& Option::Range(double min, double max) {
  range = fmt::format("{} to {}", min, max);
  return Check([min, max, text = range](const std::string& given) {
    const std::optional<double> number = ParseNumber(given);
    if (number && *number >= min && *number <= max) return std::string();
    return fmt::format("must be {}, not {}", text, Printable(given));
  });
}

Option& Option::Whole(uint64_t min, uint64_t max) {
  range = max == UINT64_MAX ? fmt::format("{} and up", min)
                            : fmt::format("{} to {}", min, max);
  return Check([min, max, list = value.find(',') != std::string::npos](
                   const std::string& given) {
    for (const std::string& one :
         list ? Split(given) : std::vector<std::string>{given}) {
      const std::optional<uint64_t> number = ParseCount(one, max);
      // Digits after a 0 would be octal elsewhere.
      const bool octal = one.size() > 1 && one[0] == '0';
      if (number && *number >= min && !octal) continue;
      return fmt::format("must be a whole number from {} to {}, not {}", min,
                         max, Printable(one));
    }
    return std::string();
  });
}

Verb::Verb(std::string verb, std::string about, std::function<int()> work)
    : name(std::move(verb)), help(std::move(about)), run(std::move(work)) {}

Option& Verb::New(std::string_view names, std::string value,
                  std::string about) {
  Option& option = options.emplace_back();
  for (std::string& one : Split(names)) option.names.push_back(std::move(one));
  option.value = std::move(value);
  option.help = std::move(about);
  return option;
}

Option& Verb::Add(std::string_view names, std::string* to, std::string value,
                  std::string about) {
  Option& option = New(names, std::move(value), std::move(about));
  option.default_text = *to;
  option.text = [to] { return *to; };
  option.set = [to](const std::string& given) {
    *to = given;
    return std::string();
  };
  return option;
}
Option& Verb::Add(std::string_view names, double* to, std::string value,
                  std::string about) {
  Option& option = New(names, std::move(value), std::move(about));
  option.default_text = fmt::to_string(*to);
  option.text = [to] { return fmt::to_string(*to); };
  option.set = [to](const std::string& given) {
    const std::optional<double> number = ParseNumber(given);
    if (!number) return NotANumber(given);
    *to = *number;
    return std::string();
  };
  return option;
}
Option& Verb::Add(std::string_view names, std::optional<double>* to,
                  std::string value, std::string about) {
  Option& option = New(names, std::move(value), std::move(about));
  option.text = [to] { return *to ? fmt::to_string(**to) : std::string(); };
  option.set = [to](const std::string& given) {
    *to = ParseNumber(given);
    return *to ? std::string() : NotANumber(given);
  };
  return option;
}
template <class T>
Option& Verb::AddWhole(std::string_view names, T* to, std::string value,
                       std::string about) {
  Option& option = New(names, std::move(value), std::move(about));
  option.default_text = fmt::to_string(*to);
  option.text = [to] { return fmt::to_string(*to); };
  option.set = [to](const std::string& given) { return SetWhole(given, to); };
  return option;
}
Option& Verb::Add(std::string_view names, uint32_t* to, std::string value,
                  std::string about) {
  return AddWhole(names, to, std::move(value), std::move(about));
}
Option& Verb::Add(std::string_view names, uint64_t* to, std::string value,
                  std::string about) {
  return AddWhole(names, to, std::move(value), std::move(about));
}
Option& Verb::Add(std::string_view names, std::vector<std::string>* to,
                  std::string value, std::string about) {
  Option& option = New(names, std::move(value), std::move(about));
  option.many = option.IsPositional();
  option.default_text = Joined(*to);
  option.text = [to] { return Joined(*to); };
  if (option.many) {
    option.set = [to](const std::string& given) {
      to->push_back(given);
      return std::string();
    };
  } else {
    option.set = [to](const std::string& given) {
      *to = Split(given);
      return std::string();
    };
  }
  return option;
}
Option& Verb::Add(std::string_view names, std::vector<uint32_t>* to,
                  std::string value, std::string about) {
  Option& option = New(names, std::move(value), std::move(about));
  option.default_text = Joined(*to);
  option.text = [to] { return Joined(*to); };
  option.set = [to](const std::string& given) {
    std::vector<uint32_t> numbers;
    for (const std::string& one : Split(given)) {
      std::string wrong = SetWhole(one, &numbers.emplace_back());
      if (!wrong.empty()) return wrong;
    }
    *to = std::move(numbers);
    return std::string();
  };
  return option;
}
Option& Verb::Flag(std::string_view names, bool* to, std::string about) {
  Option& option = New(names, "", std::move(about));
  option.text = [to] { return std::string(*to ? "true" : "false"); };
  option.set = [to](const std::string& given) {
    if (given != "true" && given != "false") {
      return fmt::format("must be true or false, not {}", Printable(given));
    }
    *to = given == "true";
    return std::string();
  };
  return option;
}

Option* Verb::Find(std::string_view wanted) {
  for (Option& option : options) {
    for (const std::string& one : option.names) {
      if (one == wanted) return &option;
    }
    if (option.Key() == wanted) return &option;
  }
  return nullptr;
}

Option& Verb::At(std::string_view wanted) {
  Option* const option = Find(wanted);
  if (option == nullptr) {
    Fail(ErrorKind::kBug, "no such option", wanted,
         "the verb has not declared it", "Please report it");
  }
  return *option;
}

}  // namespace temper::host
