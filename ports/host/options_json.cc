// JobOptions as JSON: config.json of a run folder. Reading is strict: the file
// may have been edited by hand.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "models/hash.h"
#include "ports/host/failure.h"
#include "ports/host/job.h"
#include "ports/host/json_text.h"

namespace temper::host {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMostTokens = 1000;  // it has two for each option

// Calls visit(name, field) for every option that is stored. `out` and overwrite
// belong to the command, not to the run.
template <class Options, class Visit>
void VisitOptions(Options& o, Visit&& visit) {
  visit("model", o.model);
  visit("data", o.data);
  visit("finetune", o.finetune);
  visit("epochs", o.epochs);
  visit("batch", o.batch);
  visit("lr", o.lr);
  visit("min_lr", o.min_lr);
  visit("schedule", o.schedule);
  visit("warmup", o.warmup);
  visit("step_size", o.step_size);
  visit("gamma", o.gamma);
  visit("momentum", o.momentum);
  visit("nesterov", o.nesterov);
  visit("wd", o.wd);
  visit("wd_all", o.wd_all);
  visit("init", o.init);
  visit("dropout", o.dropout);
  visit("label_smoothing", o.label_smoothing);
  visit("augment", o.augment);
  visit("freeze", o.freeze);
  visit("bn", o.bn);
  visit("normalize", o.normalize);
  visit("drop_last", o.drop_last);
  visit("seed", o.seed);
  visit("arena", o.arena);
  visit("threads", o.threads);
  visit("target", o.target);
  visit("save_seconds", o.save_seconds);
}

template <class T>
Json ToJson(const T& value) {
  return value;
}
template <class T>
Json ToJson(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
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

}  // namespace

std::string OptionsJson(const JobOptions& options) {
  Json json = {{"version", 1}};
  VisitOptions(options, [&](const char* name, const auto& field) {
    json[name] = ToJson(field);
  });
  return json.dump(1) + "\n";
}

std::string OptionsFingerprint(const JobOptions& options) {
  JobOptions o = options;
  o.model.clear(), o.data.clear(), o.arena.clear(), o.target.clear();
  o.threads = 0;
  o.save_seconds = 0;
  const std::string text = OptionsJson(o);
  Xxh3 hash;
  hash.Update(text.data(), text.size());
  const auto digits = HexDigits(hash.Digest());
  return {digits.data(), digits.size()};
}

JobOptions OptionsFromJson(const std::string& text, const std::string& where) {
  JobOptions options;
  const auto fail = [&](std::string_view why) {
    Fail(kExitConfiguration, "not a run's configuration", where, why,
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
  size_t known = 1;
  VisitOptions(options, [&](const char* name, auto& field) {
    if (!json.contains(name)) fail(fmt::format("\"{}\" is missing", name));
    try {
      FromJson(json[name], field);
    } catch (const std::exception& error) {
      fail(fmt::format("\"{}\": {}", name, Printable(error.what())));
    }
    ++known;
  });
  if (json.size() != known) fail("it has unknown options");
  return options;
}

}  // namespace temper::host
