// The parser of data specs. Grammar and meaning: data_spec.h.
#include "ports/host/data/data_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/text_file.h"

namespace temper::host {
namespace {

constexpr size_t kMaxSpec = 64 * 1024;
// A shell expands ~/ only at the beginning of a word, and here it is not.
std::string ExpandHome(std::string_view option, std::string_view path) {
  if (path != "~" && path.substr(0, 2) != "~/") return std::string(path);
  const char* const home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') {
    BadOption(option, fmt::format("'{}': HOME is not set", Printable(path)),
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
      BadOption(option, "the list has an empty item",
                "Write items separated by single commas.");
    }
    items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::vector<DataSpec::PerClass> PerClassList(std::string_view option,
                                             std::string_view text) {
  std::vector<DataSpec::PerClass> list;
  if (text.find(':') == std::string_view::npos) {
    list.push_back({"", ReadWhole(option, text, 1)});
    return list;
  }
  for (const std::string& item : SplitList(option, text)) {
    const size_t colon = item.rfind(':');
    if (colon == std::string::npos || colon == 0) {
      BadOption(option, fmt::format("'{}' is not CLASS:COUNT", Printable(item)),
                "Write one count for all, or CLASS:COUNT for each class.");
    }
    list.push_back(
        {item.substr(0, colon),
         ReadWhole(option, std::string_view(item).substr(colon + 1), 1)});
  }
  return list;
}

// names=: a list, or the file that holds it.
DataSpec::Names NamesList(std::string_view option, std::string_view text) {
  DataSpec::Names names;
  names.list = SplitList(option, text);
  if (names.list.size() == 1) {
    names.file = ExpandHome(option, names.list[0]);
    names.list.clear();
  }
  for (std::string& item : names.list) item = Trimmed(item);
  return names;
}

constexpr DataOption kCommonOptions[] = {
    ChoiceOption<&DataSpec::split>("split", "train|test|val", "train",
                                   "which part"),
    TextOption<&DataSpec::classes, SplitList>(
        "classes", "0-3,8 or names", "all",
        "these labels or class names, renumbered in this order"),
    TextOption<&DataSpec::names, NamesList>(
        "names", "a,b,c or a file", "the data's own",
        "a name for every original label, or a file with one name a line"),
    WholeOption<&DataSpec::limit, 1>("limit", "all",
                                     "the first N samples of these classes"),
    TextOption<&DataSpec::per_class, PerClassList>(
        "per_class", "N or 0-4:N,7:M", "all",
        "N samples of each class, or as many as each is given"),
    FractionOption<&DataSpec::val>(
        "val", "none", "the fraction of each class to hold out for validation"),
    FractionOption<&DataSpec::test>(
        "test", "none", "the fraction of each class to hold out for the test"),
    WholeOption<&DataSpec::folds, 1>(
        "folds", "none",
        "cut each class into so many parts; fold= is held out for validation"),
    WholeOption<&DataSpec::fold, 1>("fold", "none", "which of folds=, from 1"),
    WholeOption<&DataSpec::seed, 0>(
        "seed", "0", "what val=, test=, folds= and per_class= choose by"),
};

void CheckContradictions(const DataSpec& spec, const DataKind& kind) {
  if (spec.limit.has_value() && !spec.per_class.empty()) {
    BadOption("limit", "it contradicts per_class", "Use one of the two.");
  }
  if (spec.folds > 0 && spec.val > 0.0) {
    BadOption("folds", "it contradicts val=: a fold is the validation part",
              "Use one of the two.");
  }
  if ((spec.folds > 0) != (spec.fold > 0) || spec.fold > spec.folds ||
      spec.folds == 1) {
    BadOption("fold",
              "folds=K and fold=I belong together, K from 2 and I from 1 to K",
              "Write for example folds=5&fold=1.");
  }
  if (spec.test > 0.0 && spec.val + spec.test >= 1.0) {
    BadOption("test", "val= and test= leave nothing to train on",
              "Their sum must be below 1.");
  }
  if (spec.HoldsOutVal() && spec.split == "test" && spec.test == 0.0) {
    BadOption("val", "it holds out a part of the training data, but split=test",
              "Leave out val= or use split=train or split=val.");
  }
  if (!spec.HoldsOutVal() && spec.split == "val" && !kind.own_validation) {
    BadOption("split",
              "split=val is the part that val= holds out, and it is missing",
              "Add the val= of the training run, for example val=0.1.");
  }
  if (spec.seed.has_value() && !spec.HoldsOutVal() && spec.test == 0.0 &&
      spec.per_class.empty()) {
    BadOption("seed", "nothing is chosen at random here",
              "Leave it out, or add per_class=, val= or test=.");
  }
}

// The kind of what lies at `path`, by what it is called: for a hint.
std::string_view LikelyKind(const std::string& path) {
  namespace fs = std::filesystem;
  const std::string bare = path.substr(0, path.rfind('?'));
  std::error_code ignored;
  if (!fs::is_directory(bare, ignored)) {
    for (const auto& [ending, kind] :
         {std::pair{".pack", "pack"}, std::pair{".npy", "npy"}}) {
      if (bare.ends_with(ending)) return kind;
    }
    return fs::is_regular_file(bare, ignored) ? "csv" : "idx";
  }
  for (fs::directory_iterator at(bare, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    if (name.find("-ubyte") != name.npos) return "idx";
    if (name.ends_with("_batch.bin") || name.starts_with("data_batch")) {
      return "cifar";
    }
  }
  return "folder";
}

}  // namespace

std::span<const DataOption> CommonDataOptions() { return kCommonOptions; }

DataSpec ParseDataSpec(std::string_view text) {
  if (text.size() > kMaxSpec) {
    BadOption("", fmt::format("it is longer than {} bytes", kMaxSpec),
              "Put long lists of names into a file: names=FILE.");
  }
  if (text.find('\0') != std::string_view::npos) {
    BadOption(Printable(text), "it holds a zero byte", "");
  }
  std::vector<std::string_view> known_kinds;
  for (const DataKind* kind : DataKinds()) known_kinds.push_back(kind->name);

  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    BadOption(Printable(text), "the kind of data is missing",
              fmt::format("Write KIND:PATH, for example {}:{}.",
                          LikelyKind(std::string(text)), Printable(text)));
  }
  DataSpec spec;
  spec.text = text;
  spec.kind = text.substr(0, colon);
  const DataKind* const kind = FindDataKind(spec.kind);
  if (kind == nullptr) {
    BadOption(
        Printable(text),
        fmt::format("there is no kind of data '{}'", Printable(spec.kind)),
        Suggest(spec.kind, known_kinds));
  }
  std::string_view rest = text.substr(colon + 1);
  const size_t question = rest.rfind('?');
  spec.path = rest.substr(0, question);
  if (spec.path.empty()) {
    BadOption(Printable(text), "the path is empty", "Write KIND:PATH.");
  }
  spec.paths = {spec.path};
  if (kind->most_paths > 1) {
    spec.paths = SplitList("the path", spec.path);
    if (spec.paths.size() > kind->most_paths) {
      BadOption("the path",
                fmt::format("it names {} files, {} at most", spec.paths.size(),
                            kind->most_paths),
                "A file whose name holds a comma must be renamed.");
    }
  }
  for (std::string& path : spec.paths) path = ExpandHome("the path", path);
  spec.path = spec.paths[0];
  if (question == std::string_view::npos) return spec;
  rest.remove_prefix(question + 1);

  std::vector<const DataOption*> options;
  std::vector<std::string_view> known_options;
  for (const auto table : {CommonDataOptions(), kind->options}) {
    for (const DataOption& option : table) {
      options.push_back(&option);
      known_options.push_back(option.name);
    }
  }
  std::set<std::string_view> seen;
  for (bool more = true; more;) {
    const size_t ampersand = rest.find('&');
    const std::string_view option = rest.substr(0, ampersand);
    more = ampersand != std::string_view::npos;
    if (more) rest.remove_prefix(ampersand + 1);

    const size_t equals = option.find('=');
    const std::string_view name = option.substr(0, equals);
    const auto known =
        std::find(known_options.begin(), known_options.end(), name);
    if (known == known_options.end()) {
      BadOption(
          Printable(text),
          name.empty()
              ? "an option is empty"
              : fmt::format("there is no option '{}'", Printable(name)),
          seen.contains("names") && NearestName(name, known_options).empty()
              ? "A name that holds '&' or ',' belongs into a file with one "
                "name per line: names=FILE."
              : Suggest(name, known_options));
    }
    if (equals == std::string_view::npos || equals + 1 == option.size()) {
      BadOption(name, "the value is missing",
                fmt::format("Write {}=VALUE or leave it out.", name));
    }
    if (!seen.insert(name).second) {
      BadOption(name, "the option is given twice", "Give it once.");
    }
    const std::string_view value = option.substr(equals + 1);
    const size_t index = static_cast<size_t>(known - known_options.begin());
    const bool common = index < CommonDataOptions().size();
    options[index]->read(*options[index], value, common ? &spec : nullptr);
    if (!common) spec.kind_options.emplace(name, value);
  }
  spec.split_given = seen.contains("split");
  CheckContradictions(spec, *kind);
  return spec;
}

std::string WithOption(const std::string& text, std::string_view name,
                       std::string_view value) {
  const DataSpec spec = ParseDataSpec(text);
  const auto options = FindDataKind(spec.kind)->options;
  const bool known = std::any_of(
      options.begin(), options.end(),
      [&](const DataOption& option) { return option.name == name; });
  if (!known || spec.kind_options.contains(std::string(name))) return text;
  return fmt::format("{}{}{}={}", text,
                     text.rfind('?') == text.npos ? '?' : '&', name, value);
}

}  // namespace temper::host
