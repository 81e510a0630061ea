// See recipe_options.h.
#include "ports/cli/recipe_options.h"

#include <algorithm>

#include "ports/cli/job_options.h"
#include "ports/host/base/failure.h"

namespace temper::host {

void AddRecipeOptions(Cli& cli, Verb& verb, JobOptions* o) {
  auto words = std::make_shared<std::vector<std::string>>();
  verb.Add("job", words.get(), "MODEL DATA",
           "As --model and --data: what `train` is given")
      .NotInFiles()
      .Group("Model");
  verb.Add("--model", &o->model, "MODEL",
           "A ready model, with options as in 'mobilenet_v1?width=0.25' "
           "(`temper list models`); a .safetensors file, a run folder, or a "
           ".json graph")
      .Group("Model");
  verb.Flag("--finetune", &o->finetune,
            "For finetune: a new head if the classes differ")
      .Group("Model");
  AddJobOptions(cli, verb, o);
  // After a job file, which may name the model, too.
  verb.after.push_back([words, o] {
    const std::vector<std::string>& w = *words;
    std::string* const to[] = {&o->model, &o->data};
    const char* const names[] = {"--model", "--data"};
    if (w.size() > 2) {
      Fail(ErrorKind::kUsage, "too many words", Printable(w[2]), "",
           "Give MODEL DATA, and options with --");
    }
    size_t next = 0;
    for (size_t i = 0; i < 2; ++i) {
      if (to[i]->empty() && next < w.size()) *to[i] = w[next++];
      if (to[i]->empty()) {
        Fail(ErrorKind::kUsage, names[i], "", "is missing",
             "Give MODEL DATA, or --model and --data");
      }
    }
    if (next < w.size()) {
      Fail(ErrorKind::kUsage, "too many words", Printable(w[next]), "",
           "--model and --data say the same");
    }
  });
}

std::vector<std::string> TrainCommand(const Verb& verb, const JobOptions& o,
                                      const Changes& changes) {
  std::vector<std::string> words = {o.finetune ? "finetune" : "train"};
  if (o.finetune) {
    words.push_back(o.model);
  } else {
    words.insert(words.end(), {"--model", o.model});
  }
  words.insert(words.end(), {"--data", o.data});
  const auto changed = [&](const std::string& name) {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const auto& c) { return c.first == name; });
  };
  static const char* const kNotTrain[] = {
      "--model",  "--data",   "--finetune", "--json",  "--arena",
      "--steps",  "--min",    "--max",      "--only",  "--minutes",
      "--trials", "--method", "--axes",     "--range", "--workers",
      "--ask",    "--tell",   "--out",      "--quiet"};
  for (const Option& option : verb.options) {
    const std::string& name = option.Name();
    const bool other = option.IsPositional() ||
                       std::find(std::begin(kNotTrain), std::end(kNotTrain),
                                 name) != std::end(kNotTrain);
    if (other || option.from != kCommandLine || changed(name)) continue;
    if (option.IsFlag()) {
      if (option.text && option.text() == "true") words.push_back(name);
    } else if (option.text) {
      words.push_back(name);
      words.push_back(option.text());
    }
  }
  for (const auto& [name, value] : changes) {
    if (value.empty()) continue;  // left out
    words.push_back(name);
    words.push_back(value);
  }
  return words;
}

}  // namespace temper::host
