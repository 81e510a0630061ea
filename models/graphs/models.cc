// Finds the model of a spec, checks the option values against the model's own
// list and calls its builder. Next: one model's file, for instance resnet8.cc.
#include "models/graphs/models.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "models/files/nearest.h"
#include "models/graphs/builder.h"
#include "models/spec.h"

namespace temper::models {
namespace {

#define TEMPER_MODEL_ENTRY(constant) &constant,
constexpr const ModelInfo* kModels[] = {TEMPER_MODELS(TEMPER_MODEL_ENTRY)};
#undef TEMPER_MODEL_ENTRY

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <class Number>
bool ParseNumber(std::string_view text, Number* value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

// "unknown option 'widht' of mobilenet_v1; did you mean 'width'?"
std::string Unknown(std::string what, std::string_view name,
                    std::span<const std::string_view> known) {
  std::string text =
      "unknown " + std::move(what) + " '" + std::string(name) + "'";
  if (known.empty()) return text + "; there are none";
  const std::string_view nearest = NearestName(name, known);
  if (!nearest.empty()) {
    return text + "; did you mean '" + std::string(nearest) + "'?";
  }
  text += "; there are";
  for (const std::string_view one : known) text.append(1, ' ').append(one);
  return text;
}

std::string Trimmed(double number) {
  std::string text = std::to_string(number);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

// Empty, or what is wrong with `value`.
std::string CheckValue(const ModelOption& option, std::string_view value) {
  const std::string name = std::string("'") + option.name + "'";
  const std::string range =
      " from " + Trimmed(option.min) + " to " + Trimmed(option.max);
  switch (option.kind) {
    case ModelOption::Kind::kChoice: {
      const std::vector<std::string_view> choices = Split(option.choices, '|');
      if (std::find(choices.begin(), choices.end(), value) != choices.end())
        return {};
      return Unknown("value of " + name, value, choices);
    }
    case ModelOption::Kind::kNumber: {
      double number = 0;
      if (ParseNumber(value, &number) && number >= option.min &&
          number <= option.max)
        return {};
      return name + " must be a number" + range + ", not '" +
             std::string(value) + "'";
    }
    case ModelOption::Kind::kSizes: {
      if (value.empty()) return {};
      // A trailing comma is an empty last number, which Split does not yield.
      bool good = value.back() != ',';
      for (const std::string_view part : Split(value, ',')) {
        uint32_t size = 0;
        good = good && ParseNumber(part, &size) && size >= option.min &&
               size <= option.max;
      }
      if (good) return {};
      return name + " must be whole numbers" + range +
             ", separated by commas, not '" + std::string(value) + "'";
    }
  }
  return name + " has an unknown kind";
}

// Empty, or what is wrong with the options after the '?'.
std::string ReadOptions(const ModelInfo& model, const SpecText& spec,
                        std::vector<std::string>* values) {
  std::vector<std::string_view> names;
  values->clear();
  for (const ModelOption& option : model.options) {
    names.push_back(option.name);
    values->push_back(option.default_value);
  }
  for (const SpecText::Option& option : spec.options) {
    const std::string& name = option.name;
    const size_t i = static_cast<size_t>(
        std::find(names.begin(), names.end(), name) - names.begin());
    if (i == names.size())
      return Unknown(std::string("option of ") + model.name, name, names);
    if (option.alone)
      return "option '" + name + "' needs a value: " + name + "=" +
             model.options[i].default_value;
    if (std::string wrong = CheckValue(model.options[i], option.value);
        !wrong.empty())
      return wrong;
    (*values)[i] = option.value;
  }
  return {};
}

// Whether a model with a head can learn these targets.
Status CheckTargets(const ModelInfo& model, const Targets& targets,
                    std::string* error) {
  const std::string name = model.name;
  if (targets.kind == TargetKind::kNone) {
    *error = name +
             " learns from targets, and the samples have none: name data that "
             "have them";
    return Error(StatusCode::kShapeMismatch, "no targets");
  }
  if (targets.kind == TargetKind::kMultiHot) {
    *error = name + ": no loss of this model takes several labels a sample";
    return Error(StatusCode::kUnsupported, "no loss takes several labels");
  }
  if (targets.HasClasses() && targets.width < 2) {
    *error = name + " is a classifier and needs at least 2 classes, not " +
             std::to_string(targets.width);
    return Error(StatusCode::kShapeMismatch, "too few classes");
  }
  return Ok();
}

}  // namespace

std::span<const ModelInfo* const> Models() { return kModels; }

std::string_view Options::Text(std::string_view name) const {
  for (size_t i = 0; i < options_.size(); ++i) {
    if (name == options_[i].name) return values_[i];
  }
  return {};
}

double Options::Number(std::string_view name) const {
  double number = 0;
  ParseNumber(Text(name), &number);
  return number;
}

std::vector<uint32_t> Options::Sizes(std::string_view name) const {
  std::vector<uint32_t> sizes;
  for (const std::string_view part : Split(Text(name), ',')) {
    ParseNumber(part, &sizes.emplace_back());
  }
  return sizes;
}

Status BuildModel(std::string_view spec, Shape input, const Targets& targets,
                  Graph* graph, std::string* error) {
  SpecText parts;
  *error = SplitSpec(spec, &parts);
  if (!error->empty())
    return Error(StatusCode::kInvalidArgument, "bad model spec");
  const std::string& name = parts.name;
  const ModelInfo* model = nullptr;
  std::vector<std::string_view> names;
  for (const ModelInfo* const known : kModels) {
    names.push_back(known->name);
    if (name == known->name) model = known;
  }
  if (model == nullptr) {
    *error = Unknown("model", name, names);
    return Error(StatusCode::kNotFound, "unknown model");
  }
  std::vector<std::string> values;
  *error = ReadOptions(*model, parts, &values);
  if (!error->empty())
    return Error(StatusCode::kInvalidArgument, "bad model option");

  const auto size = [](uint32_t h, uint32_t w) {
    return std::to_string(h) + "x" + std::to_string(w);
  };
  if (input.h < model->min_h || input.w < model->min_w || input.c == 0) {
    *error = std::string(model->name) + " needs samples of at least " +
             size(model->min_h, model->min_w) + "x1 (height, width, channels)" +
             "; these are " + size(input.h, input.w) + "x" +
             std::to_string(input.c);
    return Error(StatusCode::kShapeMismatch, "input too small for the model");
  }
  if (model->classes != 0) {
    const Status status = CheckTargets(*model, targets, error);
    if (!status.ok()) return status;
  }
  Graph built;
  Builder builder(input, targets, &built);
  model->build(Options(model->options, std::move(values)), builder);
  const Status checked = built.Check(nullptr);
  if (!checked.ok()) {
    *error = std::string(model->name) + ": " + checked.message;
    if (checked.node < built.nodes.size())
      *error +=
          std::string(" (layer '") + built.nodes[checked.node].name + "')";
    return checked;
  }
  *graph = std::move(built);
  return Ok();
}

}  // namespace temper::models
