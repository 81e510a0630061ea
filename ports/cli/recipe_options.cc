// See recipe_options.h.
#include "ports/cli/recipe_options.h"

#include <fmt/format.h>

#include "ports/cli/job_options.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_spec.h"

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
  verb.after.push_back([words, o, &verb] {
    const std::vector<std::string>& w = *words;
    std::string* const to[] = {&o->model, &o->data};
    const char* const names[] = {"--model", "--data"};
    if (w.size() > 2) {
      Fail(ErrorKind::kUsage, "too many words", Printable(w[2]), "",
           "Give MODEL DATA, and options with --");
    }
    size_t next = 0;
    for (size_t i = 0; i < 2; ++i) {
      if (to[i]->empty() && next < w.size()) {
        *to[i] = w[next++];
        verb.At(names[i]).from = kCommandLine;
      }
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

std::vector<std::string> NotTried(const JobOptions& o) {
  std::vector<std::string> notes;
  const auto add = [&](bool given, const char* option, const char* why) {
    if (given)
      notes.push_back(fmt::format("{} is left out here: {}", option, why));
  };
  add(!o.phases.empty(), "--phases", "what is tried trains in one phase");
  add(!o.average.empty(), "--average", "the weights themselves are judged");
  add(o.early_stop != 0, "--early-stop", "what is tried runs to its end");
  return notes;
}

bool IsTriedWhole(const JobOptions& o) {
  return o.finetune && o.phases.empty() && o.freeze.empty();
}

std::vector<std::string> TrainCommand(Cli& cli, Verb& verb, const JobOptions& o,
                                      Changes changes) {
  if (IsTriedWhole(o)) changes.emplace_back("--preset", "full");
  return JobCommand(cli, o, changes, &verb);
}

std::vector<std::string> RecipeCommand(Cli& cli, const std::string& verb,
                                       const JobOptions& o,
                                       const Changes& changes, Verb* typed) {
  std::vector<std::string> words = JobCommand(cli, o, changes, typed);
  words[0] = verb;
  if (o.finetune) {
    words.insert(words.begin() + 1, {"--finetune", "--model"});
  }
  return words;
}

JobOptions WithFifthHeldOut(JobOptions options) {
  std::string& data = options.data;
  if (ParseDataSpec(data).split == "train") {
    data += (data.find('?') == data.npos ? "?" : "&") + std::string("val=0.2");
  }
  return options;
}

}  // namespace temper::host
