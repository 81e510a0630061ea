// The rule by which classes of data and model are the same. See class_match.h.
#include "ports/host/data/class_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "ports/host/base/failure.h"
#include "ports/host/data/data_option.h"

namespace temper::host {
namespace {

// Names that nobody gave: labels in digits.
bool AreNumbers(const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return ParseCount(name, std::numeric_limits<uint32_t>::max()).has_value() &&
           (name.size() == 1 || name[0] != '0');
  });
}

// "a, b, c, ..." of at most `most` names.
std::string ListNames(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(most, names.size()); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", Printable(names[i]));
  }
  return text + (names.size() > most ? ", ..." : "");
}

// The data have no names: their labels are indices of the model's classes, if
// there are as many of both. Of a model that knows a selection of classes
// nobody can say which labels they were.
std::vector<int32_t> LabelsAsIndices(const Dataset& data, size_t classes) {
  if (data.label_count != classes) return {};
  return {data.class_labels.begin(), data.class_labels.end()};
}

// The model has no names: its classes are the labels in digits. -1: not one of
// them. Empty if none is.
std::vector<int32_t> LabelsAsNames(const Dataset& data,
                                   const std::vector<std::string>& classes) {
  std::vector<int32_t> found;
  bool any = false;
  for (const uint32_t label : data.class_labels) {
    const auto at =
        std::find(classes.begin(), classes.end(), std::to_string(label));
    any |= at != classes.end();
    found.push_back(
        at == classes.end() ? -1 : static_cast<int32_t>(at - classes.begin()));
  }
  return any ? found : std::vector<int32_t>();
}

std::string Note(const Dataset& data, const std::vector<std::string>& model,
                 const std::vector<int32_t>& to_model) {
  std::string pairs;
  constexpr size_t kMost = 3;
  size_t shown = 0;
  for (size_t c = 0; c < to_model.size() && shown < kMost; ++c) {
    if (to_model[c] < 0) continue;
    pairs += fmt::format(
        "{}{} is '{}'", shown++ == 0 ? "" : ", ",
        data.named ? fmt::format("'{}'", Printable(data.class_names[c]))
                   : data.class_names[c],
        Printable(model[static_cast<size_t>(to_model[c])]));
  }
  return fmt::format(
      "only {} has names for its classes: they are matched by label ({}{}); "
      "names= can say otherwise",
      data.named ? "the data" : "the model", pairs,
      to_model.size() > kMost ? ", ..." : "");
}

}  // namespace

ClassMatch MatchClassNames(const Dataset& data,
                           const std::vector<std::string>& model_classes) {
  std::unordered_map<std::string_view, int32_t> index;
  for (size_t i = 0; i < model_classes.size(); ++i) {
    index.emplace(model_classes[i], static_cast<int32_t>(i));
  }
  ClassMatch match;
  match.none = true;
  for (const std::string& name : data.class_names) {
    const auto found = index.find(name);
    match.to_model.push_back(found == index.end() ? -1 : found->second);
    match.none &= found == index.end();
  }
  if (!match.none || data.label_is_place ||
      data.class_labels.size() != data.class_names.size()) {
    return match;
  }
  const bool model_named = !AreNumbers(model_classes);
  std::vector<int32_t> by_label;
  if (!data.named && model_named) {
    by_label = LabelsAsIndices(data, model_classes.size());
  } else if (data.named && !model_named) {
    by_label = LabelsAsNames(data, model_classes);
  }
  if (by_label.empty()) return match;
  match.note = Note(data, model_classes, by_label);
  match.to_model = std::move(by_label);
  match.by_label = true;
  match.none = false;
  return match;
}

namespace {

// names= for all labels of the data: the model's names, where there is one for
// each label or each selected one; "" if that cannot be said in a line.
std::string NamesOption(const Dataset& data,
                        const std::vector<std::string>& model_classes) {
  constexpr size_t kMost = 16;
  const std::vector<uint32_t>& selected = data.class_labels;
  const bool all = data.label_count == model_classes.size();
  if (data.label_count > kMost ||
      (!all && selected.size() != model_classes.size())) {
    return "";
  }
  std::vector<std::string> names;
  for (uint32_t i = 0; i < data.label_count; ++i)
    names.push_back(std::to_string(i));
  for (size_t i = 0; i < model_classes.size(); ++i) {
    if (model_classes[i].find_first_of(",&") != std::string::npos) return "";
    names[all ? i : selected[i]] = Printable(model_classes[i]);
  }
  return fmt::format("names={}", fmt::join(names, ","));
}

// A column for each of the model's classes.
void MoveProbabilities(Dataset& data, const std::vector<int32_t>& to_model,
                       const std::vector<std::string>& model_classes) {
  const size_t from = data.targets.width, to = model_classes.size();
  std::vector<float> moved(data.size() * to, 0.0f);
  for (size_t i = 0; i < data.size(); ++i) {
    for (size_t c = 0; c < from; ++c) {
      const float p = data.Values(i)[c];
      if (to_model[c] >= 0) {
        moved[i * to + static_cast<size_t>(to_model[c])] = p;
      } else if (p != 0.0f) {
        Fail(ErrorKind::kBadData, "the data does not match the model",
             data.source,
             fmt::format(
                 "the model has no class '{}', and sample {} has it with "
                 "{}",
                 Printable(data.class_names[c]), data.ids[i], p),
             "Rename the class with names=.");
      }
    }
  }
  data.values = std::move(moved);
}

}  // namespace

void RefuseClasses(const Dataset& data,
                   const std::vector<std::string>& model_classes) {
  const std::string option = NamesOption(data, model_classes);
  Fail(
      ErrorKind::kMismatch, "no class of the data is one of the model's",
      data.source,
      fmt::format("the data has {} ({}), the model {} ({})",
                  ListNames(data.class_names, 3), data.class_names.size(),
                  ListNames(model_classes, 3), model_classes.size()),
      option.empty()
          ? fmt::format("Name all {} labels of the data, 0 first, with the "
                        "model's names among them: names=FILE, one a line.",
                        data.label_count)
          : fmt::format("Name the data's labels as the model does, if they are "
                        "these: {}",
                        option));
}

void MatchClasses(Dataset& data,
                  const std::vector<std::string>& model_classes) {
  const std::vector<uint64_t> counts = data.ClassCounts();
  const ClassMatch match = MatchClassNames(data, model_classes);
  if (match.none) RefuseClasses(data, model_classes);
  for (size_t c = 0; c < data.class_names.size(); ++c) {
    if (match.to_model[c] >= 0 || counts[c] == 0) continue;
    const std::vector<std::string_view> known(model_classes.begin(),
                                              model_classes.end());
    Fail(ErrorKind::kBadData, "the data does not match the model", data.source,
         fmt::format("the model has no class '{}', the data has {} samples "
                     "of it",
                     Printable(data.class_names[c]), counts[c]),
         Suggest(data.class_names[c], known) +
             " Leave the class out with classes=, or rename it with names=.");
  }
  for (int32_t& label : data.labels) {
    label = match.to_model[static_cast<size_t>(label)];
  }
  if (data.targets.Floats() > 0) {
    MoveProbabilities(data, match.to_model, model_classes);
  }
  data.class_names = model_classes;
  data.targets.width = static_cast<uint32_t>(model_classes.size());
}

}  // namespace temper::host
