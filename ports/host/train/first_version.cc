// See first_version.h. The names and their order are those of version 0.1 and
// never change.
#include "ports/host/train/first_version.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>

#include "models/spec.h"

namespace temper::host {
namespace {

using Json = nlohmann::ordered_json;

// Its knobs, with its defaults.
struct Knobs {
  double min_lr = 0.0;
  std::string schedule = "cosine";
  uint64_t warmup = 0;      // steps
  uint32_t step_size = 10;  // epochs
  double gamma = 0.1;
  double momentum = 0.9;
  bool nesterov = false;
  double wd = 5e-4;
  bool wd_all = false;
};

std::optional<double> Number(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}
// A whole number with or without the suffix of the knob's unit.
template <class T>
bool Whole(std::string_view text, char unit, T* value) {
  if (!text.empty() && text.back() == unit) text.remove_suffix(1);
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && at == end;
}

double NumberOf(const SpecText& spec, const char* name, double absent) {
  const std::string* const text = spec.Find(name);
  return text == nullptr ? absent : Number(*text).value_or(absent);
}

// First weights, which a run that goes on no longer needs. Branches began at zero
// by default before that went by depth: both read as the bare name.
std::string InitOf(const std::string& spec) {
  SpecText text;
  if (!SplitSpec(BriefSpec(spec, InitializerCatalogue()), &text).empty()) {
    return spec;
  }
  std::erase_if(text.options, [](const auto& option) {
    return option.name == "zero_residual" && option.value == "1";
  });
  return text.Text();
}

// False if the first version had no such schedule.
bool ScheduleKnobs(const JobOptions& o, Knobs* k) {
  SpecText spec;
  if (!SplitSpec(CompleteSpec(o.schedule, ScheduleCatalogue()), &spec)
           .empty()) {
    return false;
  }
  if (spec.name != "constant" && spec.name != "step" && spec.name != "cosine") {
    return false;
  }
  const std::string* const warmup = spec.Find("warmup");
  const std::string* const step_size = spec.Find("step_size");
  Knobs read = *k;
  read.schedule = spec.name;
  read.min_lr = NumberOf(spec, "min_lr", o.unused.min_lr);
  read.gamma = NumberOf(spec, "gamma", o.unused.gamma);
  read.step_size = o.unused.step_size;
  if (warmup == nullptr || !Whole(*warmup, 's', &read.warmup) ||
      (step_size != nullptr && !Whole(*step_size, 'e', &read.step_size))) {
    return false;
  }
  *k = read;
  return true;
}

bool OptimizerKnobs(const JobOptions& o, Knobs* k) {
  SpecText spec;
  if (!SplitSpec(CompleteSpec(o.optimizer, OptimizerCatalogue()), &spec)
           .empty() ||
      spec.name != "sgd") {
    return false;
  }
  k->momentum = NumberOf(spec, "momentum", k->momentum);
  k->wd = NumberOf(spec, "weight_decay", k->wd);
  k->nesterov = NumberOf(spec, "nesterov", 0) != 0;
  k->wd_all = NumberOf(spec, "decay_all", 0) != 0;
  return true;
}

[[noreturn]] void Wrong(const char* name, const char* what) {
  throw std::domain_error(fmt::format("\"{}\": must be {}", name, what));
}
// A value that is there, or what `value` holds.
void Get(const Json& json, const char* name, double* value) {
  if (!json.contains(name)) return;
  if (!json.at(name).is_number()) Wrong(name, "a number");
  *value = json.at(name).get<double>();
}
void Get(const Json& json, const char* name, bool* value) {
  if (!json.contains(name)) return;
  if (!json.at(name).is_boolean()) Wrong(name, "true or false");
  *value = json.at(name).get<bool>();
}
void Get(const Json& json, const char* name, std::string* value) {
  if (!json.contains(name)) return;
  if (!json.at(name).is_string()) Wrong(name, "a text");
  *value = json.at(name).get<std::string>();
}
template <class T>
void GetWhole(const Json& json, const char* name, T* value) {
  if (!json.contains(name)) return;
  const Json& number = json.at(name);
  if (!number.is_number_unsigned() ||
      number.get<uint64_t>() > std::numeric_limits<T>::max()) {
    Wrong(name, "a whole number in range");
  }
  *value = static_cast<T>(number.get<uint64_t>());
}

constexpr const char* kUnused = "unused";

}  // namespace

// Later ones always write it.
bool IsFirstVersion(const Json& json) { return !json.contains("optimizer"); }

void ReadFirstVersion(const Json& json, JobOptions* options,
                      std::vector<std::string_view>* names) {
  names->push_back(kUnused);
  const auto unused = [&](const Json& from) {
    Get(from, "min_lr", &options->unused.min_lr);
    Get(from, "gamma", &options->unused.gamma);
    GetWhole(from, "step_size", &options->unused.step_size);
  };
  if (!IsFirstVersion(json)) {
    if (json.contains(kUnused)) unused(json.at(kUnused));
    return;
  }
  names->insert(names->end(), {"min_lr", "warmup", "step_size", "gamma",
                               "momentum", "nesterov", "wd", "wd_all"});
  unused(json);
  Knobs k;
  k.min_lr = options->unused.min_lr;
  k.step_size = options->unused.step_size;
  k.gamma = options->unused.gamma;
  Get(json, "schedule", &k.schedule);
  GetWhole(json, "warmup", &k.warmup);
  Get(json, "momentum", &k.momentum);
  Get(json, "nesterov", &k.nesterov);
  Get(json, "wd", &k.wd);
  Get(json, "wd_all", &k.wd_all);
  options->schedule = k.schedule;
  char before = '?';
  const auto add = [&](const std::string& option) {
    options->schedule += before + option;
    before = '&';
  };
  if (k.schedule == "cosine") add(fmt::format("min_lr={}", k.min_lr));
  if (k.schedule == "step") {
    add(fmt::format("step_size={}e", k.step_size));
    add(fmt::format("gamma={}", k.gamma));
  }
  add(fmt::format("warmup={}s", k.warmup));
  options->optimizer = fmt::format(
      "sgd?momentum={}&weight_decay={}&nesterov={:d}&decay_all={:d}",
      k.momentum, k.wd, k.nesterov, k.wd_all);
}

void WriteUnused(const JobOptions& options, Json* json) {
  const JobOptions none;
  if (options.unused.min_lr == none.unused.min_lr &&
      options.unused.gamma == none.unused.gamma &&
      options.unused.step_size == none.unused.step_size) {
    return;
  }
  (*json)[kUnused] = {{"min_lr", options.unused.min_lr},
                      {"step_size", options.unused.step_size},
                      {"gamma", options.unused.gamma}};
}

Json FingerprintJson(const JobOptions& o) {
  Knobs k;
  const bool old_schedule = ScheduleKnobs(o, &k);
  const bool old_optimizer = OptimizerKnobs(o, &k);
  const auto optional = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json();
  };
  Json json = {{"version", 1},
               {"model", o.model},
               {"data", o.data},
               {"finetune", o.finetune},
               {"epochs", o.epochs},
               {"batch", o.batch},
               {"lr", o.lr},
               {"min_lr", k.min_lr},
               {"schedule", k.schedule},
               {"warmup", k.warmup},
               {"step_size", k.step_size},
               {"gamma", k.gamma},
               {"momentum", k.momentum},
               {"nesterov", k.nesterov},
               {"wd", k.wd},
               {"wd_all", k.wd_all},
               {"init", InitOf(o.init)},
               {"dropout", optional(o.dropout)},
               {"label_smoothing", optional(o.label_smoothing)},
               {"augment", o.augment},
               {"freeze", o.freeze},
               {"bn", o.bn},
               {"normalize", o.normalize},
               {"drop_last", o.drop_last},
               {"seed", o.seed},
               {"arena", o.arena},
               {"threads", o.threads},
               {"target", o.target},
               {"save_seconds", o.save_seconds}};
  // Later options: a run that has their defaults is as one that lacks them.
  if (!old_schedule) {
    json["schedule_spec"] = CompleteSpec(o.schedule, ScheduleCatalogue());
  }
  if (!old_optimizer) {
    json["optimizer"] = CompleteSpec(o.optimizer, OptimizerCatalogue());
  }
  const JobOptions none;
  const auto later = [&](const char* name, const auto& value,
                         const auto& absent) {
    if (value != absent) json[name] = value;
  };
  later("clip", o.clip, none.clip);
  later("average", o.average, none.average);
  later("l1", o.l1, none.l1);
  later("max_norm", o.max_norm, none.max_norm);
  later("accumulate", o.accumulate, none.accumulate);
  later("early_stop", o.early_stop, none.early_stop);
  later("min_delta", o.min_delta, none.min_delta);
  later("monitor", o.monitor, none.monitor);
  later("loss", o.loss, none.loss);
  later("class_weights", o.class_weights, none.class_weights);
  later("sampler", o.sampler, none.sampler);
  later("mixup", o.mixup, none.mixup);
  later("channels", o.channels, none.channels);
  later("group", o.group, none.group);
  later("layer_decay", o.layer_decay, none.layer_decay);
  for (const PhaseOptions& phase : o.phases) {
    json["phases"].push_back(
        {phase.train, phase.epochs, phase.lr,
         CompleteSpec(phase.schedule, ScheduleCatalogue()),
         CompleteSpec(phase.optimizer, OptimizerCatalogue()), phase.bn});
  }
  return json;
}

}  // namespace temper::host
