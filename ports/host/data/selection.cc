// The selection of samples by class, number and chance. Read selection.h and
// the grammar in data_spec.h first.
#include "ports/host/data/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "models/files/text.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"
#include "ports/host/data/text_file.h"
#include "temper/graph.h"
#include "temper/random.h"

namespace temper::host {
namespace {

constexpr uint32_t kPerClassStream = RandomStream(RandomUse::kSplit, 1);
constexpr uint32_t kValStream = RandomStream(RandomUse::kSplit, 0);
constexpr uint32_t kTestStream = RandomStream(RandomUse::kSplit, 2);
constexpr uint32_t kFoldStream = RandomStream(RandomUse::kSplit, 3);
constexpr uint64_t kMaxClasses = 65536;
constexpr uint64_t kMaxNamesFile = 1 << 20;
constexpr size_t kMaxClassName = 255;

// One name per line.
std::vector<std::string> ReadNames(const std::string& path) {
  return Lines(ReadTextFile(path, kMaxNamesFile));
}

// A byte order mark inside a list comes from two lists that were joined.
bool HasControl(std::string_view name) {
  for (size_t i = 0; i < name.size();) {
    const size_t length = Utf8Length(name, i);
    const uint32_t code = Utf8Decode(name, i, length);
    if (IsControl(code) || code == 0xfeff) return true;
    i += length;
  }
  return false;
}

void CheckNames(const std::vector<std::string>& names, std::string_view where) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto fail = [&](std::string_view why) {
      Fail(ErrorKind::kBadData, "cannot use the class names",
           fmt::format("{}, name {}", where, i), why, "Correct this name.");
    };
    if (names[i].empty()) fail("it is empty");
    if (names[i].size() > kMaxClassName) fail("it is longer than 255 bytes");
    if (!IsUtf8(names[i])) fail("it is not UTF-8");
    if (HasControl(names[i])) fail("it holds a control character");
    if (!seen.insert(names[i]).second) {
      fail(fmt::format("'{}' is there twice", Printable(names[i])));
    }
  }
}

// The data's own names, or those of names=; and where they are from.
std::vector<std::string> GivenNames(const DataSpec& spec,
                                    const std::vector<std::string>& own,
                                    std::string* where) {
  *where = "the data";
  if (!spec.names.file.empty()) {
    *where = spec.names.file;
    std::vector<std::string> names = ReadNames(spec.names.file);
    if (names.empty()) {
      Fail(ErrorKind::kBadData, "cannot use the names", *where, "it holds none",
           "Write one name a line, for label 0 first, or leave out names=.");
    }
    return names;
  }
  if (spec.names.list.empty()) return own;
  *where = "names=";
  return spec.names.list;
}

// Names of all original labels, and whether there are any beside the numbers.
std::vector<std::string> OriginalNames(const DataSpec& spec,
                                       const std::vector<int32_t>& labels,
                                       const std::vector<std::string>& own,
                                       bool* named) {
  std::string where;
  std::vector<std::string> names = GivenNames(spec, own, &where);
  uint64_t classes = 0;
  size_t highest = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (static_cast<uint64_t>(labels[i]) + 1 > classes) {
      classes = static_cast<uint64_t>(labels[i]) + 1;
      highest = i;
    }
  }
  if (classes > kMaxClasses) {
    Fail(ErrorKind::kBadData, "cannot use the labels",
         fmt::format("sample {}", highest),
         fmt::format("label {} is above {}", classes - 1, kMaxClasses - 1),
         "Check that the file of labels belongs to this data.");
  }
  *named = !names.empty();
  if (names.empty()) {
    for (uint64_t i = 0; i < classes; ++i)
      names.push_back(fmt::format("{}", i));
  }
  CheckNames(names, where);
  if (names.size() < classes) {
    Fail(ErrorKind::kBadData, "cannot use the labels",
         fmt::format("sample {}", highest),
         fmt::format("label {} is out of range: {} has {} names", classes - 1,
                     where, names.size()),
         "Name every original label, also those that classes= leaves out.");
  }
  return names;
}

[[noreturn]] void BadClass(std::string_view option, std::string_view item,
                           std::string_view why, std::string_view remedy) {
  Fail(ErrorKind::kUsage, "cannot select the classes",
       fmt::format("{}={}", option, Printable(item)), why, remedy);
}
[[noreturn]] void BadClass(std::string_view option, std::string_view item,
                           std::string_view why,
                           const std::vector<std::string>& names) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  BadClass(option, item, why, Suggest(item, known));
}

// The original labels that one item of a class list means.
std::vector<uint32_t> ResolveClasses(std::string_view option,
                                     std::string_view item,
                                     const std::vector<std::string>& names) {
  // Digits are a label, and a range of digits labels, as far as there are such
  // labels; whatever else is a name.
  const uint64_t last_label = names.size() - 1;
  const auto named = std::find(names.begin(), names.end(), item);
  const size_t name_index = static_cast<size_t>(named - names.begin());

  const size_t dash = item.find('-');
  const std::string_view first_text = item.substr(0, dash);
  const std::string_view last_text =
      dash == std::string_view::npos ? first_text : item.substr(dash + 1);
  constexpr auto kAny = std::numeric_limits<uint64_t>::max();
  const std::optional<uint64_t> first = ParseCount(first_text, kAny);
  const std::optional<uint64_t> last = ParseCount(last_text, kAny);

  if (!first.has_value() || !last.has_value()) {
    if (named == names.end()) {
      BadClass(option, item, "there is no such class", names);
    }
    return {static_cast<uint32_t>(name_index)};
  }
  const bool labels_exist = *first <= *last && *last <= last_label;
  if (named != names.end()) {
    if (!labels_exist) return {static_cast<uint32_t>(name_index)};
    if (*first != *last || *first != name_index) {
      // A range of one label is no name, unless there is a name like that, too.
      const auto way = [&](uint64_t label) {
        const std::string range = fmt::format("{}-{}", label, label);
        return std::find(names.begin(), names.end(), range) == names.end()
                   ? range
                   : fmt::format("{}", label);
      };
      BadClass(option, item,
               fmt::format("it is both {} and the name of label {}",
                           *first == *last ? "a label" : "a range of labels",
                           name_index),
               fmt::format("Write {} for the class of this name, {}{}{} for "
                           "what the numbers say.",
                           way(name_index), way(*first),
                           *first == *last ? "" : ",...,",
                           *first == *last ? "" : way(*last)));
    }
  }
  if (*first > *last) {
    BadClass(option, item, "the range runs backwards",
             fmt::format("Write {}-{}.", *last, *first));
  }
  if (*last > last_label) {
    BadClass(option, item,
             fmt::format("label {} is out of range: the highest is {}", *last,
                         last_label),
             fmt::format("Labels count from 0 to {}; a class can be given by "
                         "its name, too.",
                         last_label));
  }
  std::vector<uint32_t> labels;
  for (uint64_t i = *first; i <= *last; ++i) {
    labels.push_back(static_cast<uint32_t>(i));
  }
  return labels;
}

void SelectClasses(const DataSpec& spec, const std::vector<std::string>& names,
                   Selection& out) {
  out.new_label.assign(names.size(), -1);
  const auto add = [&](uint32_t label, std::string_view item) {
    if (out.new_label[label] >= 0) {
      BadClass(
          "classes", item,
          fmt::format("class '{}' is there twice", Printable(names[label])),
          names);
    }
    out.new_label[label] = static_cast<int32_t>(out.class_names.size());
    out.class_names.push_back(names[label]);
    out.class_labels.push_back(label);
  };
  if (spec.classes.empty()) {
    for (uint32_t i = 0; i < names.size(); ++i) add(i, names[i]);
  }
  for (const std::string& item : spec.classes) {
    for (const uint32_t label : ResolveClasses("classes", item, names)) {
      add(label, item);
    }
  }
}

using ByClass = std::vector<std::vector<uint32_t>>;

ByClass GroupByClass(const std::vector<uint32_t>& samples,
                     const std::vector<int32_t>& labels, const Selection& sel) {
  ByClass groups(sel.class_names.size());
  for (const uint32_t i : samples) {
    groups[static_cast<size_t>(sel.new_label[static_cast<size_t>(labels[i])])]
        .push_back(i);
  }
  return groups;
}

void SortAtRandom(std::vector<uint32_t>& samples, uint64_t seed,
                  uint32_t stream) {
  std::vector<std::pair<uint32_t, uint32_t>> keys;
  keys.reserve(samples.size());
  for (const uint32_t i : samples) {
    keys.emplace_back(RandomWord(seed, i, 0, 0, stream), i);
  }
  std::sort(keys.begin(), keys.end());
  for (size_t i = 0; i < keys.size(); ++i) samples[i] = keys[i].second;
}

void SelectPerClass(const DataSpec& spec, const std::vector<int32_t>& labels,
                    const std::vector<std::string>& names, Selection& out) {
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  std::vector<uint64_t> counts(out.class_names.size(), kAll);
  for (const DataSpec::PerClass& entry : spec.per_class) {
    if (entry.classes.empty()) {
      counts.assign(counts.size(), entry.count);
      continue;
    }
    for (const uint32_t label :
         ResolveClasses("per_class", entry.classes, names)) {
      if (out.new_label[label] < 0) {
        BadClass(
            "per_class", entry.classes,
            fmt::format("classes= leaves out '{}'", Printable(names[label])),
            out.class_names);
      }
      uint64_t& count = counts[static_cast<size_t>(out.new_label[label])];
      if (count != kAll) {
        BadClass(
            "per_class", entry.classes,
            fmt::format("class '{}' is there twice", Printable(names[label])),
            names);
      }
      count = entry.count;
    }
  }
  ByClass groups = GroupByClass(out.train, labels, out);
  out.train.clear();
  for (size_t c = 0; c < groups.size(); ++c) {
    if (counts[c] != kAll && groups[c].size() < counts[c]) {
      out.notes.push_back(fmt::format("class '{}' has only {} of {} samples",
                                      Printable(out.class_names[c]),
                                      groups[c].size(), counts[c]));
    }
    if (spec.seed.has_value()) {
      SortAtRandom(groups[c], *spec.seed, kPerClassStream);
    }
    if (groups[c].size() > counts[c]) {
      groups[c].resize(static_cast<size_t>(counts[c]));
    }
    out.train.insert(out.train.end(), groups[c].begin(), groups[c].end());
  }
  std::sort(out.train.begin(), out.train.end());
}

// Moves a part of the group to `out`: `share` of `all` samples at random, rounded
// to nearest; both parts keep at least one sample if they can.
void TakeShare(double share, size_t all, uint64_t seed, uint32_t stream,
               std::vector<uint32_t>& group, std::vector<uint32_t>& out) {
  size_t held =
      static_cast<size_t>(std::floor(static_cast<double>(all) * share + 0.5));
  held = group.size() >= 2 ? std::clamp<size_t>(held, 1, group.size() - 1) : 0;
  SortAtRandom(group, seed, stream);
  const auto cut = group.begin() + static_cast<std::ptrdiff_t>(held);
  out.insert(out.end(), group.begin(), cut);
  group.erase(group.begin(), cut);
}

// What is held out of the group, a class or all samples; the rest is for
// training. `number`: of the class, so that the folds of many small classes are
// as large as each other. Returns how many samples folds= cuts.
size_t HoldOut(const DataSpec& spec, std::vector<uint32_t>& group,
               size_t number, Selection& out) {
  const size_t all = group.size();
  const uint64_t seed = spec.seed.value_or(0);
  if (spec.test > 0.0) {
    TakeShare(spec.test, all, seed, kTestStream, group, out.test);
  }
  if (spec.folds > 0) {
    SortAtRandom(group, seed, kFoldStream);
    for (size_t j = 0; j < group.size(); ++j) {
      const bool held = (j + number) % spec.folds == spec.fold - 1;
      (held ? out.val : out.train).push_back(group[j]);
    }
    return group.size();
  }
  if (spec.val > 0.0) {
    TakeShare(spec.val, all, seed, kValStream, group, out.val);
  }
  out.train.insert(out.train.end(), group.begin(), group.end());
  return 0;
}

// Every fold has a sample: group c, of `sizes`, fills folds c, c + 1, ...
bool FillsFolds(const std::vector<size_t>& sizes, uint64_t folds) {
  std::vector<bool> filled(static_cast<size_t>(folds), false);
  for (size_t c = 0; c < sizes.size(); ++c) {
    if (sizes[c] >= folds) return true;
    for (size_t j = 0; j < sizes[c]; ++j)
      filled[(c + j) % filled.size()] = true;
  }
  return std::find(filled.begin(), filled.end(), false) == filled.end();
}

// Also of folds that this job does not hold out: it is one of K.
void CheckFolds(const DataSpec& spec, const std::vector<size_t>& sizes) {
  if (spec.folds == 0) return;
  uint64_t samples = 0;
  for (const size_t size : sizes) samples += size;
  uint64_t most = std::min(spec.folds, samples);
  while (most > 1 && !FillsFolds(sizes, most)) --most;
  if (most == spec.folds) return;
  const std::string why =
      spec.folds > samples
          ? fmt::format("there are {} samples for {} folds", samples,
                        spec.folds)
          : fmt::format("of {} samples in {} classes some of {} folds get none",
                        samples, sizes.size(), spec.folds);
  Fail(ErrorKind::kUsage, "cannot cut the data into folds",
       fmt::format("folds={}", spec.folds), why,
       most < 2 ? std::string("Add samples, or leave out folds.")
                : fmt::format("Use {} folds.", most));
}

bool HoldsOut(const DataSpec& spec) {
  return spec.HoldsOutVal() || spec.test > 0.0;
}
// Some samples are left in each part that was asked for.
bool AllLeft(const DataSpec& spec, const Selection& out) {
  return !out.train.empty() && !(spec.HoldsOutVal() && out.val.empty()) &&
         !(spec.test > 0.0 && out.test.empty());
}

void SortParts(Selection& out) {
  std::sort(out.train.begin(), out.train.end());
  std::sort(out.val.begin(), out.val.end());
  std::sort(out.test.begin(), out.test.end());
}

void HoldOutOfClasses(const DataSpec& spec, const std::vector<int32_t>& labels,
                      Selection& out) {
  ByClass groups = GroupByClass(out.train, labels, out);
  std::vector<size_t> sizes;
  out.train.clear();
  for (size_t c = 0; c < groups.size(); ++c) {
    const size_t least = spec.folds > 0 ? spec.folds : 2;
    if (groups[c].size() == 1 || (spec.folds > 0 && groups[c].size() < least)) {
      out.notes.push_back(
          spec.folds > 0
              ? fmt::format("class '{}' has {} samples for {} folds: some have "
                            "none of it",
                            Printable(out.class_names[c]), groups[c].size(),
                            spec.folds)
              : fmt::format("class '{}' has one sample only: none is held out "
                            "for validation",
                            Printable(out.class_names[c])));
    }
    sizes.push_back(HoldOut(spec, groups[c], c, out));
  }
  CheckFolds(spec, sizes);
  SortParts(out);
}

// A class without samples cannot be learned; in a test set it is only odd.
void CheckEmptyClasses(const DataSpec& spec, const std::vector<int32_t>& labels,
                       bool after_limit, Selection& out) {
  std::vector<uint64_t> counts(out.class_names.size(), 0);
  for (const uint32_t i : out.train) {
    ++counts[static_cast<size_t>(
        out.new_label[static_cast<size_t>(labels[i])])];
  }
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] != 0) continue;
    const std::string name = Printable(out.class_names[c]);
    // Nothing is learnt of data that only judge a model.
    if ((spec.split == "test" && spec.test == 0.0) || after_limit ||
        spec.judged) {
      out.notes.push_back(fmt::format("class '{}' has no sample", name));
    } else {
      Fail(ErrorKind::kBadData, "cannot train on this data", spec.text,
           fmt::format("class '{}' has no sample", name),
           "Leave it out with classes=, or add samples.");
    }
  }
}

}  // namespace

Selection Select(const DataSpec& spec, const std::vector<int32_t>& labels,
                 const std::vector<std::string>& names_of_data) {
  if (labels.empty()) {
    Fail(ErrorKind::kBadData, "cannot use the data", spec.text,
         "it has no samples", "Check the path and the split.");
  }
  Selection out;
  const std::vector<std::string> names =
      OriginalNames(spec, labels, names_of_data, &out.named);
  out.label_count = static_cast<uint32_t>(names.size());
  SelectClasses(spec, names, out);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (out.new_label[static_cast<size_t>(labels[i])] >= 0) {
      out.train.push_back(static_cast<uint32_t>(i));
    }
  }
  CheckEmptyClasses(spec, labels, /*after_limit=*/false, out);
  if (spec.limit.has_value() && out.train.size() > *spec.limit) {
    out.train.resize(static_cast<size_t>(*spec.limit));
    out.notes.clear();
    CheckEmptyClasses(spec, labels, /*after_limit=*/true, out);
  }
  if (!spec.per_class.empty()) SelectPerClass(spec, labels, names, out);
  if (out.class_names.size() == 1) {
    out.notes.push_back("there is one class only: nothing to tell apart");
  }
  if (HoldsOut(spec)) HoldOutOfClasses(spec, labels, out);
  if (!AllLeft(spec, out)) {
    Fail(ErrorKind::kBadData, "cannot use the data", spec.text,
         "too few samples are left", "Loosen classes=, limit= or val=.");
  }
  return out;
}

Selection SelectUnlabelled(const DataSpec& spec, const Targets& targets,
                           uint32_t samples,
                           const std::vector<std::string>& names_of_data,
                           const std::vector<bool>& anomalies) {
  const auto refuse = [&](bool given, std::string_view option) {
    if (!given) return;
    Fail(ErrorKind::kUsage, "cannot select the samples",
         fmt::format("{}=", option),
         fmt::format("the targets of this data are {}, not one class a sample",
                     targets.kind == TargetKind::kNone
                         ? "missing"
                         : TargetKindName(targets.kind)),
         "Leave it out; limit= takes the first samples.");
  };
  const bool named = !spec.names.list.empty() || !spec.names.file.empty();
  refuse(!spec.classes.empty(), "classes");
  refuse(!spec.per_class.empty(), "per_class");
  refuse(named && !targets.HasClasses(), "names");
  Selection out;
  if (targets.HasClasses()) {
    if (targets.width > kMaxClasses) {
      Fail(ErrorKind::kBadData, "cannot use the targets", spec.text,
           fmt::format("{} classes are more than {}", targets.width,
                       kMaxClasses),
           "Check that the file of targets belongs to this data.");
    }
    std::string where;
    out.class_names = GivenNames(spec, names_of_data, &where);
    out.named = !out.class_names.empty();
    for (uint32_t i = 0; i < targets.width; ++i) {
      if (!out.named) out.class_names.push_back(fmt::format("{}", i));
      out.class_labels.push_back(i);
    }
    CheckNames(out.class_names, where);
    if (out.class_names.size() != targets.width) {
      Fail(ErrorKind::kBadData, "cannot use the names", where,
           fmt::format("there are {} names for {} classes",
                       out.class_names.size(), targets.width),
           "Name every class, in the order of the targets.");
    }
    out.label_count = targets.width;
  }
  const uint64_t most = spec.limit.value_or(samples);
  for (uint32_t i = 0; i < samples && out.train.size() < most; ++i) {
    if (anomalies.empty() || !anomalies[i]) out.train.push_back(i);
  }
  if (HoldsOut(spec)) {
    std::vector<uint32_t> group;
    std::swap(group, out.train);
    CheckFolds(spec, {HoldOut(spec, group, 0, out)});
    SortParts(out);
  }
  if (!AllLeft(spec, out)) {
    Fail(ErrorKind::kBadData, "cannot use the data", spec.text,
         "too few samples are left", "Loosen limit= or val=.");
  }
  if (spec.judged && !anomalies.empty()) {
    std::vector<uint32_t>& part = spec.split == "val" ? out.val : out.train;
    uint64_t room = most;  // limit= holds for each kind, as it does in training
    for (uint32_t i = 0; i < samples && room > 0; ++i) {
      if (!anomalies[i]) continue;
      part.push_back(i);
      --room;
    }
    SortParts(out);
  }
  return out;
}

}  // namespace temper::host
