// See space.h.
#include "ports/host/search/space.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/specs.h"
#include "runtime/exact_math.h"
#include "temper/registry.h"

namespace temper::host {
namespace {

constexpr double kMostWhole = UINT32_MAX;
constexpr double kDecadeAndHalf = 31.622776601683793;  // 10^1.5

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<double> NumberOf(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) {
    return {};
  }
  return value;
}

[[noreturn]] void BadRange(std::string_view part, const std::string& why) {
  Fail(ErrorKind::kUsage, "--range", Printable(part), why,
       "Write NAME=LOW..HIGH or NAME=CHOICE|CHOICE, with commas between axes");
}

const AxisInfo* FindAxis(std::string_view name) {
  for (const AxisInfo& info : Axes()) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

const AxisInfo& AxisOrFail(const char* option, std::string_view name) {
  if (const AxisInfo* const info = FindAxis(name)) return *info;
  std::vector<std::string_view> names;
  for (const AxisInfo& info : Axes()) names.push_back(info.name);
  Fail(ErrorKind::kUsage, fmt::format("{}: unknown axis", option),
       Printable(name), "", Suggest(name, names));
}

// The optimizer's own field of that name.
bool OptimizerHas(const std::string& optimizer, std::string_view field) {
  const auto kind = static_cast<uint32_t>(ReadOptimizer(optimizer).kind);
  return OptimizerCatalogue().entry(kind).fields.Find(field) != nullptr;
}

// The optimizer's field that an axis sets; null: the axis is none of it.
const char* FieldOf(std::string_view axis) {
  return axis == "wd"         ? "weight_decay"
         : axis == "momentum" ? "momentum"
                              : nullptr;
}

// What an axis needs of the optimizer.
bool HasUse(const std::string& optimizer, std::string_view axis) {
  const char* const field = FieldOf(axis);
  return field == nullptr || OptimizerHas(optimizer, field);
}

const std::string* Find(const Values& values, std::string_view axis) {
  for (const auto& [name, value] : values) {
    if (name == axis) return &value;
  }
  return nullptr;
}

// The optimizer that trains with these values; its fields are not set.
const std::string& OptimizerOf(const JobOptions& job, const Values& values) {
  const std::string* const chosen = Find(values, "optimizer");
  return chosen != nullptr ? *chosen : job.optimizer;
}

// A rate belongs to the optimizer that it was given for: another one brings its
// own, unless the rate is chosen, too.
bool BringsItsRate(const JobOptions& job, const Values& values) {
  return Find(values, "optimizer") != nullptr &&
         Find(values, "lr") == nullptr &&
         ReadOptimizer(*Find(values, "optimizer")).kind !=
             ReadOptimizer(job.optimizer).kind;
}

std::string WithField(const JobOptions& job, const char* field,
                      const std::string& value) {
  SpecText spec;
  const std::string error = SplitSpec(job.optimizer, &spec);
  if (!error.empty()) Fail(ErrorKind::kUsage, "--optimizer", error, "", "");
  if (!OptimizerHas(job.optimizer, field)) {
    Fail(ErrorKind::kUsage, "the optimizer has no such field",
         fmt::format("{}: {}", Printable(spec.name), field), "",
         "Leave the axis out with --axes, or search optimizers that have it");
  }
  for (SpecText::Option& option : spec.options) {
    if (option.name != field) continue;
    option.value = value;
    option.alone = false;
    return spec.Text();
  }
  spec.options.push_back({field, value, false});
  return spec.Text();
}

void ReadRange(std::string_view part, std::vector<Axis>* axes) {
  const size_t equals = part.find('=');
  if (equals == part.npos) BadRange(part, "there is no =");
  const AxisInfo& info = AxisOrFail("--range", part.substr(0, equals));
  const std::string_view range = part.substr(equals + 1);
  auto at = std::find_if(axes->begin(), axes->end(),
                         [&](const Axis& a) { return a.name == info.name; });
  if (at == axes->end()) at = axes->insert(at, info.usual);
  Axis& axis = *at;
  axis.round = 0;  // whoever names a range wants it searched
  const size_t dots = range.find("..");
  const std::optional<double> low = NumberOf(range.substr(0, dots));
  const std::optional<double> high =
      dots == range.npos ? low : NumberOf(range.substr(dots + 2));
  if (!axis.IsNumber() || !low || !high) {
    if (axis.IsNumber()) BadRange(part, "these are no two numbers");
    axis.choices.clear();
    for (const std::string_view choice : Split(range, '|')) {
      if (choice.empty()) BadRange(part, "a choice is empty");
      if (std::find(axis.choices.begin(), axis.choices.end(), choice) !=
          axis.choices.end()) {
        BadRange(part, "a choice stands there twice");
      }
      axis.choices.emplace_back(choice);
    }
    return;
  }
  if (*low > *high) BadRange(part, "the low end is above the high one");
  if (axis.scale != Axis::Scale::kLinear && *low <= 0) {
    BadRange(part, "its scale is logarithmic: the low end must be above 0");
  }
  axis.low = *low, axis.high = *high;
  if (axis.scale == Axis::Scale::kPower2 &&
      (std::ceil(*low) > std::floor(*high) || *high > kMostWhole)) {
    BadRange(part, "there is no whole number of 32 bits in it");
  }
}

// The smallest power of two in the range, and how many there are.
std::pair<double, uint32_t> PowersIn(const Axis& axis) {
  double first = 1;
  while (first < axis.low) first *= 2;
  uint32_t count = 0;
  for (double v = first; v <= axis.high; v *= 2) ++count;
  return {first, count};
}

std::vector<std::string> EndsOf(const Axis& axis) {
  if (axis.scale == Axis::Scale::kChoice) return axis.choices;
  std::vector<std::string> ends = {ValueAt(axis, 0), ValueAt(axis, 1)};
  if (ends[0] == ends[1]) ends.pop_back();
  return ends;
}

// Each value is one that the job takes: the ends show it.
void CheckAxis(const std::vector<Axis>& axes, const Axis& axis,
               const JobOptions& job, const OptionCheck& check) {
  const std::vector<Values> probes = ProbesOf(axes, axis, job);
  if (probes.empty()) {
    // The message names the optimizer and the field.
    WithField(job, FieldOf(axis.name), EndsOf(axis)[0]);
  }
  for (const Values& probe : probes) {
    try {
      WithValues(job, probe);
    } catch (const Failure& failure) {
      FailAxis(failure, axis, probe);
    }
    if (!check) continue;
    for (const auto& [option, value] : OptionsOf(job, probe)) {
      if (value.empty()) continue;
      const std::string error = check(option, value);
      if (error.empty()) continue;
      Fail(ErrorKind::kUsage, "--range",
           fmt::format("{}: {}", axis.name, Printable(probe.back().second)),
           fmt::format("{} {}", option, error), "Give another --range");
    }
  }
}

}  // namespace

const std::vector<AxisInfo>& Axes() {
  using Scale = Axis::Scale;
  static const std::vector<AxisInfo> axes = {
      {"lr", "the learning rate", {"lr", Scale::kLog, 1e-5, 1.0, {}, 0}},
      {"wd", "weight decay", {"wd", Scale::kLog, 1e-6, 1e-2, {}, 0}},
      {"momentum",
       "of optimizers that have one",
       {"momentum", Scale::kChoice, 0, 0, {"0.9", "0.5", "0.95", "0.99"}, 1}},
      {"schedule",
       "a spec of --schedule",
       {"schedule", Scale::kChoice, 0, 0, {"cosine", "constant", "linear"}, 1}},
      {"batch", "samples of a step", {"batch", Scale::kPower2, 8, 128, {}, 2}},
      {"dropout",
       "rate of the model's dropout layers",
       {"dropout", Scale::kLinear, 0.0, 0.5, {}, 2}},
      {"augment",
       "a list of --augment; none for samples as they are",
       {"augment", Scale::kChoice, 0, 0, {"none", "hflip"}, 2}},
      {"freeze",
       "what stays as it is when a model is fine-tuned",
       {"freeze", Scale::kChoice, 0, 0, {"none", "body"}, 0}},
      {"optimizer",
       "a spec of --optimizer",
       {"optimizer", Scale::kChoice, 0, 0, {"sgd", "adam", "adamw"}, 1}},
      {"init",
       "a spec of --init, for new models",
       {"init",
        Scale::kChoice,
        0,
        0,
        {"auto", "he_normal", "xavier_normal", "lecun_normal"},
        2}},
      {"model",
       "the model itself: width, depth, activation as its spec has them",
       {"model", Scale::kChoice, 0, 0, {}, 2}},
  };
  return axes;
}

std::vector<Values> ProbesOf(const std::vector<Axis>& axes, const Axis& axis,
                             const JobOptions& job) {
  // A field of optimizers is tried with each that has it.
  std::vector<Values> with;
  const auto optimizers =
      std::find_if(axes.begin(), axes.end(),
                   [](const Axis& a) { return a.name == "optimizer"; });
  if (FieldOf(axis.name) == nullptr || HasUse(job.optimizer, axis.name)) {
    with.emplace_back();
  }
  if (FieldOf(axis.name) != nullptr && optimizers != axes.end()) {
    for (const std::string& choice : optimizers->choices) {
      if (HasUse(choice, axis.name)) with.push_back({{"optimizer", choice}});
    }
  }
  std::vector<Values> probes;
  for (const std::string& value : EndsOf(axis)) {
    for (const Values& one : with) {
      probes.push_back(one);
      probes.back().emplace_back(axis.name, value);
    }
  }
  return probes;
}

void FailAxis(const Failure& failure, const Axis& axis, const Values& probe) {
  throw Failure(failure.kind,
                fmt::format("--range: {} {}: {}", axis.name,
                            Printable(probe.back().second), failure.message));
}

std::vector<Axis> ReadAxes(const std::string& names, const std::string& ranges,
                           const JobOptions& job,
                           std::optional<double> suggested,
                           const OptionCheck& check) {
  std::vector<Axis> axes;
  const bool given = !names.empty();
  for (const std::string_view name : Split(
           given ? std::string_view(names) : "lr,wd,momentum,schedule", ',')) {
    const AxisInfo& info = AxisOrFail("--axes", name);
    const auto same = [&](const Axis& a) { return a.name == name; };
    if (std::any_of(axes.begin(), axes.end(), same)) {
      Fail(ErrorKind::kUsage, "--axes", Printable(name),
           "it stands there twice", "");
    }
    if (given || HasUse(job.optimizer, name)) axes.push_back(info.usual);
  }
  for (Axis& axis : axes) {
    if (axis.name == "lr" && suggested) {
      axis.low = *suggested / kDecadeAndHalf;
      axis.high = *suggested * kDecadeAndHalf;
    }
  }
  if (!ranges.empty()) {
    // A comma also separates the parts of a choice ("hidden=128,64"): an axis
    // begins where a known name and = follow.
    std::vector<std::string> parts;
    for (const std::string_view part : Split(ranges, ',')) {
      const size_t equals = part.find('=');
      const bool begins =
          equals != part.npos && FindAxis(part.substr(0, equals)) != nullptr;
      if (begins || parts.empty()) {
        parts.emplace_back(part);
      } else {
        parts.back() += "," + std::string(part);
      }
    }
    for (const std::string& part : parts) ReadRange(part, &axes);
  }
  // The first round searches something, whatever was named.
  uint32_t first = UINT32_MAX;
  for (const Axis& axis : axes) first = std::min(first, axis.round);
  for (Axis& axis : axes) axis.round -= first;
  for (const Axis& axis : axes) {
    if (axis.scale == Axis::Scale::kChoice && axis.choices.empty()) {
      Fail(ErrorKind::kUsage, "--axes", axis.name, "it has no usual choices",
           fmt::format("Give them: --range '{}=A|B'", axis.name));
    }
    if (axis.name == "freeze" && !job.finetune) {
      Fail(ErrorKind::kUsage, "--axes", axis.name,
           "layers of a new model must be trained",
           "Add --finetune, or leave "
           "the axis out");
    }
  }
  for (const Axis& axis : axes) CheckAxis(axes, axis, job, check);
  return axes;
}

double OnLogScale(double low, double high, double part) {
  return exact::Exp(exact::Log(low) + part * exact::Log(high / low));
}

std::string FourDigits(double value) { return fmt::format("{:.4g}", value); }

std::string RangeText(const Axis& axis) {
  if (axis.IsNumber()) {
    return fmt::format("{}..{}", FourDigits(axis.low), FourDigits(axis.high));
  }
  std::string text;
  for (const std::string& choice : axis.choices) {
    text += (text.empty() ? "" : "|") + choice;
  }
  return text;
}

std::string ValueText(const Axis& axis, double value) {
  const bool whole = axis.scale == Axis::Scale::kPower2 &&
                     value == std::floor(value) && value >= 0 &&
                     value <= kMostWhole;
  // What is no whole number stays one that IsValue refuses.
  return whole                                ? fmt::format("{:.0f}", value)
         : axis.scale == Axis::Scale::kPower2 ? fmt::format("{}", value)
                                              : FourDigits(value);
}

uint64_t ValueCount(const Axis& axis) {
  if (axis.scale == Axis::Scale::kChoice) return axis.choices.size();
  if (axis.scale == Axis::Scale::kPower2) {
    const uint32_t powers = PowersIn(axis).second;
    return powers != 0
               ? powers
               : static_cast<uint64_t>(std::max(
                     1.0, std::floor(axis.high) - std::ceil(axis.low) + 1));
  }
  return ValueAt(axis, 0) == ValueAt(axis, 1) ? 1 : UINT64_MAX;
}

std::string ValueAt(const Axis& axis, double part) {
  part = std::clamp(part, 0.0, 1.0);
  switch (axis.scale) {
    case Axis::Scale::kLinear:
      return FourDigits(axis.low + part * (axis.high - axis.low));
    case Axis::Scale::kLog:
      return FourDigits(OnLogScale(axis.low, axis.high, part));
    case Axis::Scale::kPower2: {
      const auto [first, powers] = PowersIn(axis);
      const double low = std::ceil(axis.low);
      const double count =
          powers != 0 ? powers : std::max(1.0, std::floor(axis.high) - low + 1);
      const double at = std::min(count - 1, std::floor(part * count));
      if (powers == 0) return fmt::format("{:.0f}", low + at);
      return fmt::format("{:.0f}", std::ldexp(first, static_cast<int>(at)));
    }
    case Axis::Scale::kChoice: {
      const double count = static_cast<double>(axis.choices.size());
      const size_t at =
          static_cast<size_t>(std::min(count - 1, std::floor(part * count)));
      return axis.choices[at];
    }
  }
  return "";
}

std::optional<double> PlaceOf(const Axis& axis, std::string_view value) {
  if (axis.scale == Axis::Scale::kChoice) {
    const auto at = std::find(axis.choices.begin(), axis.choices.end(), value);
    if (at == axis.choices.end()) return {};
    return static_cast<double>(at - axis.choices.begin());
  }
  const std::optional<double> v = NumberOf(value);
  if (!v || *v < axis.low * (1 - 1e-3) - 1e-12 ||
      *v > axis.high * (1 + 1e-3) + 1e-12) {
    return {};
  }
  if (axis.scale == Axis::Scale::kPower2 &&
      (*v != std::floor(*v) || *v < 1 || *v > kMostWhole)) {
    return {};
  }
  if (axis.high <= axis.low) return 0.5;
  const double part =
      axis.scale == Axis::Scale::kLinear
          ? (*v - axis.low) / (axis.high - axis.low)
          : exact::Log(*v / axis.low) / exact::Log(axis.high / axis.low);
  return std::clamp(part, 0.0, 1.0);
}

bool IsValue(const Axis& axis, std::string_view value) {
  return PlaceOf(axis, value).has_value();
}

JobOptions WithValues(const JobOptions& job, const Values& values) {
  JobOptions o = job;
  // The optimizer first: the others may be its fields.
  if (BringsItsRate(job, values)) o.lr = 0;
  o.optimizer = OptimizerOf(job, values);
  const auto number = [](const std::string& name, const std::string& value) {
    const std::optional<double> v = NumberOf(value);
    if (!v) {
      Fail(ErrorKind::kUsage, "a value of a search", name, Printable(value),
           "It must be a number");
    }
    return *v;
  };
  for (const auto& [name, value] : values) {
    if (name == "lr") {
      o.lr = number(name, value);
    } else if (name == "wd") {
      o.optimizer = WithField(o, "weight_decay", value);
    } else if (name == "momentum") {
      o.optimizer = WithField(o, "momentum", value);
    } else if (name == "schedule") {
      o.schedule = value;
    } else if (name == "batch") {
      const double batch = number(name, value);
      if (!(batch >= 1 && batch <= kMostWhole) || batch != std::floor(batch)) {
        Fail(ErrorKind::kUsage, "a value of a search", name, Printable(value),
             "It must be a whole number");
      }
      o.batch = static_cast<uint32_t>(batch);
    } else if (name == "dropout") {
      o.dropout = number(name, value);
    } else if (name == "augment") {
      o.augment = value == "none" ? "" : value;
    } else if (name == "freeze") {
      o.freeze.clear();
      if (value != "none") o.freeze.push_back(value);
    } else if (name == "init") {
      o.init = value;
    } else if (name == "model") {
      o.model = value;
    } else if (name != "optimizer") {
      AxisOrFail("a value of a search", name);
    }
  }
  ReadOptimizer(o.optimizer);
  ReadSchedule(o.schedule, 0);
  ReadInitializer(o.init);
  return o;
}

Values UsedValues(const JobOptions& job, const Values& values) {
  Values used = values;
  const std::string optimizer = OptimizerOf(job, values);
  std::erase_if(
      used, [&](const auto& value) { return !HasUse(optimizer, value.first); });
  return used;
}

std::vector<std::pair<std::string, std::string>> OptionsOf(
    const JobOptions& job, const Values& values) {
  std::vector<std::pair<std::string, std::string>> options;
  // Fields that were given as options of their own are in the spec, or belong to
  // the spec that it replaces.
  const auto replace = [&](const std::string& option, const std::string& spec,
                           std::initializer_list<const char*> fields) {
    options.emplace_back(option, spec);
    for (const char* field : fields) options.emplace_back(field, "");
  };
  bool optimizer = false;
  if (BringsItsRate(job, values)) options.emplace_back("--lr", "");
  for (const auto& [name, value] : values) {
    if (name == "wd" || name == "momentum" || name == "optimizer") {
      if (!optimizer) {
        replace("--optimizer", WithValues(job, values).optimizer,
                {"--momentum", "--nesterov", "--wd", "--wd-all"});
      }
      optimizer = true;
    } else if (name == "schedule") {
      replace("--schedule", value,
              {"--warmup", "--min-lr", "--step-size", "--gamma"});
    } else if (value == "none" && (name == "augment" || name == "freeze")) {
      options.emplace_back("--" + name, "");  // left out
    } else if (name != "model") {             // a word of the command
      options.emplace_back("--" + name, value);
    }
  }
  return options;
}

}  // namespace temper::host
