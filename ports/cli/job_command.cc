// See job_command.h.
#include "ports/cli/job_command.h"

#include <algorithm>
#include <string_view>

#include "models/spec.h"
#include "ports/cli/job_options.h"
#include "temper/registry.h"

namespace temper::host {
namespace {

constexpr std::string_view kNoResult[] = {"--threads", "--arena", "--target"};

// The options of a job that stand in its own variables.
struct Options {
  Options(Cli& cli, const JobOptions& from) : values(from) {
    // As a user writes them: a run stores all fields.
    values.schedule = BriefSpec(values.schedule, ScheduleCatalogue());
    values.optimizer = BriefSpec(values.optimizer, OptimizerCatalogue());
    values.init = BriefSpec(values.init, InitializerCatalogue());
    AddJobOptions(cli, verb, &values);
  }
  JobOptions values;
  Verb verb = Verb("train", "", {});
};

}  // namespace

std::vector<std::string> JobCommand(Cli& cli, const JobOptions& options,
                                    const Changes& changes, Verb* typed) {
  std::vector<std::string> words;
  if (options.finetune) {
    words = {"finetune", options.model};
  } else {
    words = {"train", "--model", options.model};
  }
  words.insert(words.end(), {"--data", options.data});
  Options given(cli, options);
  JobOptions none;
  none.finetune = options.finetune;
  const Options defaults(cli, none);
  for (size_t i = 0; i < given.verb.options.size(); ++i) {
    const Option& option = given.verb.options[i];
    const std::string& name = option.Name();
    const Option* const same = typed == nullptr ? nullptr : typed->Find(name);
    const bool no_result = std::find(std::begin(kNoResult), std::end(kNoResult),
                                     name) != std::end(kNoResult);
    const bool out =
        !option.in_files || !option.text || name == "--data" ||
        (no_result && (same == nullptr || !same->given())) ||
        std::any_of(changes.begin(), changes.end(),
                    [&](const auto& change) { return change.first == name; });
    const std::string value = out ? "" : option.text();
    if (out || value == defaults.verb.options[i].text()) continue;
    words.push_back(name);
    if (!option.IsFlag()) words.push_back(value);
  }
  for (const auto& [name, value] : changes) {
    if (!value.empty()) words.insert(words.end(), {name, value});
  }
  return words;
}

}  // namespace temper::host
