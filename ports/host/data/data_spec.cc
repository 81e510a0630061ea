// The parser of data specs. Grammar and meaning: data_spec.h.
#include "ports/host/data/data_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <set>

#include "ports/host/base/failure.h"
#include "ports/host/data/text_file.h"

namespace temper::host {
namespace {

constexpr size_t kMaxSpec = 64 * 1024;
constexpr std::string_view kCommonOptions[] = {
    "split", "classes", "names", "limit", "per_class", "val", "seed"};

[[noreturn]] void BadSpec(std::string_view where, std::string_view why,
                          std::string_view remedy) {
  Fail(ErrorKind::kUsage, "cannot understand the data spec", where, why,
       remedy);
}

// A shell expands ~/ only at the beginning of a word, and here it is not.
std::string ExpandHome(std::string_view option, std::string_view path) {
  if (path != "~" && path.substr(0, 2) != "~/") return std::string(path);
  const char* const home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    BadSpec(option, fmt::format("'{}': HOME is not set", Printable(path)),
            "Write the whole path; a folder of this name is ./~");
  }
  std::string expanded = home;
  expanded += path.substr(1);
  return expanded;
}

// "a,b,c" without empty items.
std::vector<std::string> SplitList(std::string_view option,
                                   std::string_view text) {
  std::vector<std::string> items;
  for (;;) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    if (item.empty()) {
      BadSpec(option, "the list has an empty item",
              "Write items separated by single commas.");
    }
    items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

uint64_t Number(std::string_view option, std::string_view text, uint64_t min) {
  const std::optional<uint64_t> number =
      ParseCount(text, std::numeric_limits<uint64_t>::max());
  if (!number.has_value()) {
    BadSpec(option, fmt::format("'{}' is not a whole number", Printable(text)),
            "Write decimal digits only.");
  }
  if (*number < min) {
    BadSpec(option, fmt::format("{} is too small", *number),
            fmt::format("Use {} or more.", min));
  }
  return *number;
}

double Fraction(std::string_view option, std::string_view text) {
  const std::optional<double> value = ParseDecimal(text);
  if (!value) {
    BadSpec(option, fmt::format("'{}' is not a fraction", Printable(text)),
            "Write a decimal fraction such as 0.1.");
  }
  if (!(*value > 0.0 && *value < 1.0)) {
    BadSpec(option, fmt::format("{} is out of range", Printable(text)),
            "Use a fraction above 0 and below 1.");
  }
  return *value;
}

std::vector<DataSpec::PerClass> PerClassList(std::string_view option,
                                             std::string_view text) {
  std::vector<DataSpec::PerClass> list;
  if (text.find(':') == std::string_view::npos) {
    list.push_back({"", Number(option, text, 1)});
    return list;
  }
  for (const std::string& item : SplitList(option, text)) {
    const size_t colon = item.rfind(':');
    if (colon == std::string::npos || colon == 0) {
      BadSpec(option, fmt::format("'{}' is not CLASS:COUNT", Printable(item)),
              "Write one count for all, or CLASS:COUNT for each class.");
    }
    list.push_back(
        {item.substr(0, colon),
         Number(option, std::string_view(item).substr(colon + 1), 1)});
  }
  return list;
}

void SetCommonOption(DataSpec& spec, std::string_view name,
                     std::string_view value) {
  if (name == "split") {
    constexpr std::string_view kSplits[] = {"train", "test", "val"};
    if (std::find(std::begin(kSplits), std::end(kSplits), value) ==
        std::end(kSplits)) {
      BadSpec(name, fmt::format("there is no split '{}'", Printable(value)),
              Suggest(value, kSplits));
    }
    spec.split = value;
    spec.split_given = true;
  } else if (name == "classes") {
    spec.classes = SplitList(name, value);
  } else if (name == "names") {
    spec.names = SplitList(name, value);
    if (spec.names.size() == 1) {
      spec.names_file = ExpandHome(name, spec.names[0]);
      spec.names.clear();
    }
    for (std::string& item : spec.names) item = Trimmed(item);
  } else if (name == "limit") {
    spec.limit = Number(name, value, 1);
  } else if (name == "per_class") {
    spec.per_class = PerClassList(name, value);
  } else if (name == "val") {
    spec.val = Fraction(name, value);
  } else {
    spec.seed = Number(name, value, 0);
  }
}

void CheckContradictions(const DataSpec& spec) {
  if (spec.limit.has_value() && !spec.per_class.empty()) {
    BadSpec("limit", "it contradicts per_class", "Use one of the two.");
  }
  if (spec.val > 0.0 && spec.split == "test") {
    BadSpec("val", "it holds out a part of the training data, but split=test",
            "Leave out val= or use split=train or split=val.");
  }
  if (spec.val == 0.0 && spec.split == "val") {
    BadSpec("split",
            "split=val is the part that val= holds out, and it is missing",
            "Add the val= of the training run, for example val=0.1.");
  }
  if (spec.seed.has_value() && spec.val == 0.0 && spec.per_class.empty()) {
    BadSpec("seed", "nothing is chosen at random here",
            "Leave it out, or add per_class= or val=.");
  }
}

}  // namespace

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

DataSpec ParseDataSpec(std::string_view text,
                       std::span<const DataKindSyntax> kinds) {
  if (text.size() > kMaxSpec) {
    BadSpec("", fmt::format("it is longer than {} bytes", kMaxSpec),
            "Put long lists of names into a file: names=FILE.");
  }
  if (text.find('\0') != std::string_view::npos) {
    BadSpec(Printable(text), "it holds a zero byte", "");
  }
  std::vector<std::string_view> known_kinds;
  for (const DataKindSyntax& kind : kinds) known_kinds.push_back(kind.name);

  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    BadSpec(Printable(text), "the kind of data is missing",
            fmt::format("Write KIND:PATH, for example {}:{}.",
                        known_kinds.empty() ? "idx" : known_kinds[0],
                        Printable(text)));
  }
  DataSpec spec;
  spec.text = text;
  spec.kind = text.substr(0, colon);
  const auto kind = std::find_if(
      kinds.begin(), kinds.end(),
      [&](const DataKindSyntax& k) { return k.name == spec.kind; });
  if (kind == kinds.end()) {
    BadSpec(Printable(text),
            fmt::format("there is no kind of data '{}'", Printable(spec.kind)),
            Suggest(spec.kind, known_kinds));
  }
  std::string_view rest = text.substr(colon + 1);
  const size_t question = rest.rfind('?');
  spec.path = rest.substr(0, question);
  if (spec.path.empty()) {
    BadSpec(Printable(text), "the path is empty", "Write KIND:PATH.");
  }
  spec.paths = {spec.path};
  if (kind->most_paths > 1) {
    spec.paths = SplitList("the path", spec.path);
    if (spec.paths.size() > kind->most_paths) {
      BadSpec("the path",
              fmt::format("it names {} files, {} at most", spec.paths.size(),
                          kind->most_paths),
              "A file whose name holds a comma must be renamed.");
    }
  }
  for (std::string& path : spec.paths) path = ExpandHome("the path", path);
  spec.path = spec.paths[0];
  if (question == std::string_view::npos) return spec;
  rest.remove_prefix(question + 1);

  std::vector<std::string_view> known_options(std::begin(kCommonOptions),
                                              std::end(kCommonOptions));
  known_options.insert(known_options.end(), kind->options.begin(),
                       kind->options.end());
  std::set<std::string_view> seen;
  for (bool more = true; more;) {
    const size_t ampersand = rest.find('&');
    const std::string_view option = rest.substr(0, ampersand);
    more = ampersand != std::string_view::npos;
    if (more) rest.remove_prefix(ampersand + 1);

    const size_t equals = option.find('=');
    const std::string_view name = option.substr(0, equals);
    if (std::find(known_options.begin(), known_options.end(), name) ==
        known_options.end()) {
      BadSpec(Printable(text),
              name.empty()
                  ? "an option is empty"
                  : fmt::format("there is no option '{}'", Printable(name)),
              seen.contains("names") && NearestName(name, known_options).empty()
                  ? "A name that holds '&' or ',' belongs into a file with one "
                    "name per line: names=FILE."
                  : Suggest(name, known_options));
    }
    if (equals == std::string_view::npos || equals + 1 == option.size()) {
      BadSpec(name, "the value is missing",
              fmt::format("Write {}=VALUE or leave it out.", name));
    }
    if (!seen.insert(name).second) {
      BadSpec(name, "the option is given twice", "Give it once.");
    }
    const std::string_view value = option.substr(equals + 1);
    if (std::find(std::begin(kCommonOptions), std::end(kCommonOptions), name) !=
        std::end(kCommonOptions)) {
      SetCommonOption(spec, name, value);
    } else {
      spec.kind_options.emplace(name, value);
    }
  }
  CheckContradictions(spec);
  return spec;
}

}  // namespace temper::host
