// JobOptions as JSON: config.json of a run folder. Reading is strict: the file
// may have been edited by hand. A missing option has its default, so that runs
// of earlier versions, which did not have it, can be resumed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "models/files/hash.h"
#include "models/files/text.h"
#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/train/first_version.h"
#include "ports/host/train/job.h"

namespace temper::host {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMostTokens = 2000;  // two for each option, 14 for a phase

// Calls visit(name, field) for every option that is stored, by the name of its
// field. `out` and overwrite belong to the command, not to the run. A new one
// needs a default in JobOptions{} that does not change a run which did not have
// it; FirstVersion() says which of them a fingerprint always contains.
template <class Options, class Visit>
void VisitOptions(Options& o, Visit&& visit) {
  visit("model", o.model);
  visit("data", o.data);
  visit("val", o.val);
  visit("finetune", o.finetune);
  visit("epochs", o.epochs);
  visit("batch", o.batch);
  visit("lr", o.lr);
  visit("schedule", o.schedule);
  visit("optimizer", o.optimizer);
  visit("init", o.init);
  visit("loss", o.loss);
  visit("class_weights", o.class_weights);
  visit("sampler", o.sampler);
  visit("clip", o.clip);
  visit("average", o.average);
  visit("l1", o.l1);
  visit("max_norm", o.max_norm);
  visit("accumulate", o.accumulate);
  visit("early_stop", o.early_stop);
  visit("min_delta", o.min_delta);
  visit("monitor", o.monitor);
  visit("dropout", o.dropout);
  visit("label_smoothing", o.label_smoothing);
  visit("mixup", o.mixup);
  visit("augment", o.augment);
  visit("freeze", o.freeze);
  visit("bn", o.bn);
  visit("normalize", o.normalize);
  visit("channels", o.channels);
  visit("drop_last", o.drop_last);
  visit("seed", o.seed);
  visit("arena", o.arena);
  visit("threads", o.threads);
  visit("target", o.target);
  visit("backend", o.backend);
  visit("save_seconds", o.save_seconds);
  visit("group", o.group);
  visit("layer_decay", o.layer_decay);
  visit("phases", o.phases);
  visit("lengthened_from", o.lengthened_from);
}
// Of these, only what was asked for is written.
constexpr const char* kOnlyIfGiven[] = {"group", "layer_decay", "phases",
                                        "lengthened_from"};

template <class Phase, class Visit>
void VisitPhase(Phase& p, Visit&& visit) {
  visit("train", p.train);
  visit("epochs", p.epochs);
  visit("lr", p.lr);
  visit("schedule", p.schedule);
  visit("optimizer", p.optimizer);
  visit("bn", p.bn);
}

template <class T>
Json ToJson(const T& value) {
  return value;
}
template <class T>
Json ToJson(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
Json ToJson(const std::vector<PhaseOptions>& phases) {
  Json list = Json::array();
  for (const PhaseOptions& phase : phases) {
    Json& json = list.emplace_back(Json::object());
    VisitPhase(phase, [&](const char* name, const auto& field) {
      json[name] = field;
    });
  }
  return list;
}
template <class T>
void FromJson(const Json& json, T& value) {
  // nlohmann converts between number types silently; a config must not.
  if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) throw std::domain_error("must be true or false");
  } else if constexpr (std::is_unsigned_v<T>) {
    if (!json.is_number_unsigned() ||
        json.template get<uint64_t>() > std::numeric_limits<T>::max()) {
      throw std::domain_error("must be a whole number in range");
    }
  }
  value = json.get<T>();
}
template <class T>
void FromJson(const Json& json, std::optional<T>& value) {
  value.reset();
  if (!json.is_null()) value = json.get<T>();
}

void FromJson(const Json& json, std::vector<PhaseOptions>& phases) {
  if (!json.is_array()) throw std::domain_error("must be a list");
  phases.clear();
  for (const Json& one : json) {
    if (!one.is_object()) throw std::domain_error("must be a list of objects");
    PhaseOptions& phase = phases.emplace_back();
    size_t known = 0;
    VisitPhase(phase, [&](const char* name, auto& field) {
      if (!one.contains(name)) return;
      FromJson(one[name], field);
      ++known;
    });
    if (known != one.size()) {
      throw std::domain_error("a phase has a field that is not known");
    }
  }
}

// A run is resumed from anywhere: paths are stored absolute. One that cannot
// be (no current folder; its name would be read as a part of the spec, or is
// not UTF-8 and no JSON) stays as it was given.
std::string Absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  if (const char* home = std::getenv("HOME");
      (path == "~" || path.starts_with("~/")) && home != nullptr &&
      *home == '/') {
    return home + path.substr(1);
  }
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  const std::string folder = here.string();
  if (error || !IsUtf8(folder) ||
      folder.find_first_of("?&,") != std::string::npos) {
    return path;
  }
  return (here / path).lexically_normal().string();
}

bool IsFile(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

// The paths of KIND:PATH?...; none if it is no such spec.
std::vector<std::string> DataPaths(const std::string& spec) {
  const size_t colon = spec.find(':');
  if (colon == std::string::npos) return {};
  const std::string list = spec.substr(colon + 1, spec.rfind('?') - colon - 1);
  if (!TakesPathList(std::string_view(spec).substr(0, colon))) return {list};
  std::vector<std::string> paths;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    paths.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return paths;
}

// KIND:PATH?name=value&...&names=FILE (data_spec.h).
std::string AbsoluteData(const std::string& spec) {
  const size_t colon = spec.find(':');
  if (colon == std::string::npos) return spec;
  const size_t question = spec.rfind('?');
  std::string out = spec.substr(0, colon);
  char separator = ':';
  for (const std::string& path : DataPaths(spec)) {
    out += separator + Absolute(path);
    separator = ',';
  }
  if (question == std::string::npos) return out;
  char before = '?';
  for (size_t begin = question + 1; begin <= spec.size();) {
    const size_t end = std::min(spec.find('&', begin), spec.size());
    const std::string option = spec.substr(begin, end - begin);
    constexpr std::string_view kNames = "names=";
    const bool file = option.starts_with(kNames) &&
                      option.find(',') == std::string::npos &&
                      option.size() > kNames.size();
    out += before;
    out += file ? std::string(kNames) + Absolute(option.substr(kNames.size()))
                : option;
    before = '&';
    begin = end + 1;
  }
  return out;
}

// A file, or the name of a built-in model.
std::string AbsoluteModel(const std::string& model) {
  return IsFile(model) ? Absolute(model) : model;
}

}  // namespace

std::string OptionsJson(const JobOptions& given) {
  JobOptions options = given;
  options.model = AbsoluteModel(given.model);
  options.data = AbsoluteData(given.data);
  if (!given.val.empty()) options.val = AbsoluteData(given.val);
  options.schedule = CompleteSpec(given.schedule, ScheduleCatalogue());
  options.optimizer = CompleteSpec(given.optimizer, OptimizerCatalogue());
  options.init = CompleteSpec(given.init, InitializerCatalogue());
  for (PhaseOptions& phase : options.phases) {
    if (!phase.schedule.empty()) {
      phase.schedule = CompleteSpec(phase.schedule, ScheduleCatalogue());
    }
    if (!phase.optimizer.empty()) {
      phase.optimizer = CompleteSpec(phase.optimizer, OptimizerCatalogue());
    }
  }
  Json json = {{"version", 1}};
  VisitOptions(options, [&](const char* name, const auto& field) {
    json[name] = ToJson(field);
  });
  const JobOptions none;
  VisitOptions(none, [&](const char* name, const auto& field) {
    for (const char* const rare : kOnlyIfGiven) {
      if (std::string_view(rare) == name && json[name] == ToJson(field)) {
        json.erase(name);
      }
    }
  });
  WriteUnused(options, &json);
  return json.dump(1) + "\n";
}

std::string RelativePathNote(const JobOptions& options) {
  const std::vector<std::string> paths = DataPaths(AbsoluteData(options.data));
  if (std::all_of(paths.begin(), paths.end(), [](const std::string& path) {
        return path.starts_with('/');
      })) {
    return "";
  }
  return "the name of the current folder cannot be part of a data spec, so the "
         "path of the data is stored as it is: resume from here, or with "
         "--data";
}

std::string OptionsFingerprint(const JobOptions& options) {
  JobOptions o = options;
  o.model.clear(), o.data.clear(), o.arena.clear(), o.target.clear();
  o.threads = 0;
  o.save_seconds = 0;
  o.val.clear();
  const Json json = FingerprintJson(o);
  const std::string text = json.dump(1) + "\n";
  Xxh3 hash;
  hash.Update(text.data(), text.size());
  const auto digits = HexDigits(hash.Digest());
  return {digits.data(), digits.size()};
}

JobOptions OptionsFromJson(const std::string& text, const std::string& where) {
  JobOptions options;
  const auto fail = [&](std::string_view why) {
    Fail(ErrorKind::kConfiguration, "not a run's configuration", where, why,
         "It is written by `temper train`; start a new run");
  };
  Json json;
  try {
    json = ParseJson(text, kMostTokens);
  } catch (const std::exception& error) {
    fail(Printable(error.what()));
  }
  if (!json.is_object() || !json.contains("version") || json["version"] != 1) {
    fail("no version 1 object");
  }
  std::vector<std::string_view> names = {"version"};
  try {
    ReadFirstVersion(json, &options, &names);
  } catch (const std::exception& error) {
    fail(Printable(error.what()));
  }
  VisitOptions(options, [&](const char* name, auto& field) {
    names.push_back(name);
    if (!json.contains(name)) return;
    // Made from several of the first version's options.
    if (IsFirstVersion(json) && name == std::string_view("schedule")) return;
    try {
      FromJson(json[name], field);
    } catch (const std::exception& error) {
      fail(fmt::format("\"{}\": {}", name, Printable(error.what())));
    }
  });
  for (const auto& [name, value] : json.items()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      Fail(ErrorKind::kConfiguration, "not a run's configuration", where,
           fmt::format("\"{}\" is no option of this version", Printable(name)),
           Suggest(name, names));
    }
  }
  return options;
}

}  // namespace temper::host
