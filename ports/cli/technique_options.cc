// See technique_options.h.
#include "ports/cli/technique_options.h"

#include <algorithm>
#include <memory>
#include <string>

#include "ports/cli/parser.h"
#include "ports/host/train/layer_groups.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/presets/preset.h"
#include "temper/mixup.h"

namespace temper::host {
namespace {

constexpr const char* kTraining = "Training";
constexpr const char* kRegularization = "Regularization";
constexpr const char* kPreset = "preset ";  // Option::from

// A wrong preset of a job file is a fault of that file.
std::vector<PresetOption> OptionsOfPreset(Verb& verb, const JobOptions& o,
                                          const std::string& preset) {
  try {
    return ReadPreset(preset, o, verb.At("--lr").given());
  } catch (const Failure& failure) {
    const Option& of = verb.At("--preset");
    if (failure.kind != ErrorKind::kUsage || of.Wrong() == failure.kind) throw;
    throw Failure(of.Wrong(), of.from + ": " + failure.message);
  }
}

// Options that were given stay; a preset of which nothing is left is refused.
void TakePreset(Verb& verb, const JobOptions& o, const std::string& preset) {
  if (preset.empty()) return;
  bool taken = false;
  std::string kept;
  for (const PresetOption& one : OptionsOfPreset(verb, o, preset)) {
    Option* const option = verb.Find(one.key);
    // finetune's model is a file, given as a bare word.
    if (option == nullptr) continue;
    if (one.key == "model") {
      option->set(one.value);
      taken = true;
    } else if (!option->given()) {
      SetOption(*option, one.value, kPreset + preset, ErrorKind::kUsage);
      taken = true;
    } else {
      kept += (kept.empty() ? "" : ", ") + option->Name();
    }
  }
  if (taken) return;
  Fail(ErrorKind::kUsage, "--preset", Printable(preset),
       "it changes nothing beside " + kept, "Leave out one of the two");
}

// What every phase has of its own cannot be the run's, too: one of the two would
// be ignored.
void CheckPhasesAgainstRun(Verb& verb, const JobOptions& o) {
  const Option& phases = verb.At("--phases");
  if (!phases.given() || phases.from.starts_with(kPreset)) return;
  struct Same {
    const char* option;
    bool (*has)(const PhaseOptions& phase);
  };
  constexpr Same kSame[] = {
      {"--epochs", [](const PhaseOptions& p) { return p.epochs != 0; }},
      {"--lr", [](const PhaseOptions& p) { return p.lr != 0.0; }},
      {"--schedule", [](const PhaseOptions& p) { return !p.schedule.empty(); }},
      {"--optimizer",
       [](const PhaseOptions& p) { return !p.optimizer.empty(); }},
      {"--bn", [](const PhaseOptions& p) { return !p.bn.empty(); }}};
  for (const Same& one : kSame) {
    const Option* const option = verb.Find(one.option);
    if (option == nullptr || !option->given() ||
        option->from.starts_with(kPreset) ||
        !std::all_of(o.phases.begin(), o.phases.end(), one.has)) {
      continue;
    }
    uint64_t sum = 0;
    for (const PhaseOptions& p : o.phases) sum += p.epochs;
    const bool epochs = option->Key() == "epochs";
    if (epochs && sum == o.epochs) continue;
    const bool typed = option->Wrong() == ErrorKind::kUsage &&
                       phases.Wrong() == ErrorKind::kUsage;
    Fail(typed ? ErrorKind::kUsage : ErrorKind::kConfiguration,
         std::string(one.option) + " " + option->text(),
         typed ? "" : option->from + ", and --phases: " + phases.from,
         "every phase has its own" +
             (epochs ? ", " + std::to_string(sum) + " in all" : std::string()),
         "Leave it out, or leave it out of a phase");
  }
}

}  // namespace

void AddTechniqueOptions(Verb& verb, JobOptions* o) {
  verb.Add("--group", &o->group, "LIST",
           "Factors of rate and weight decay by layers, as in "
           "'body?rate=0.1,fc*?decay=0'; of several that name a layer the last "
           "one decides")
      .Check([](const std::string& given) {
        for (size_t begin = 0; begin <= given.size();) {
          const size_t end = std::min(given.find(',', begin), given.size());
          std::string wrong = CheckGroup(given.substr(begin, end - begin));
          if (!wrong.empty()) return wrong;
          begin = end + 1;
        }
        return std::string();
      })
      .Repeats()
      .Group(kTraining);
  verb.Add(
          "--layer-decay", &o->layer_decay, "X",
          "Each layer's rate is X times that of the layer above it, the head's "
          "the whole; 1: the same for all (0.75 is usual)")
      .Range(1e-6, 1)
      .Group(kTraining);
  auto phases = std::make_shared<std::string>();
  Option& option =
      verb.Add(
              "--phases", phases.get(), "LIST",
              "Phases of the run, as in 'head:3,all:10?lr=0.001': layers (all, "
              "head, last=K, norm_bias, or patterns with +), epochs, and after "
              "? "
              "lr, schedule, optimizer and bn with ; between")
          .Group(kTraining);
  option.set = [o, phases](const std::string& given) {
    return ReadPhases(given, &o->phases);
  };
  option.text = [o] { return PhasesText(o->phases); };
  auto preset = std::make_shared<std::string>();
  verb.Add("--preset", preset.get(), "NAME",
           "Options that belong together; `temper list presets` has them. What "
           "is given besides stays as it is given")
      .Group(kTraining);
  // After the job file, before shorthands such as --wd, which add to specs.
  verb.after.insert(verb.after.begin() + 1,
                    [&verb, o, preset] { TakePreset(verb, *o, *preset); });
  verb.after.push_back([&verb, o] { CheckPhasesAgainstRun(verb, *o); });
  verb.Add("--accumulate", &o->accumulate, "N",
           "Batches whose gradients make one step; 0: all of an epoch "
           "(full-batch gradient descent)")
      .Whole(0, 1000000)
      .Group(kTraining);
  verb.Add("--clip", &o->clip, "LIST",
           "Clip gradients: norm=X (all of them together; 1 or 10 are usual), "
           "value=X (each by itself), or both with a comma")
      .Group(kTraining);
  verb.Add("--l1", &o->l1, "X",
           "L1 penalty on dense and convolution weights: drives them to exact "
           "zeros; with weight_decay an elastic net")
      .Range(0, 1e6)
      .Group(kRegularization);
  verb.Add("--max-norm", &o->max_norm, "X",
           "Largest norm of the weights of one output; 0: any (3 is usual)")
      .Range(0, 1e30)
      .Group(kRegularization);
  verb.Add("--mixup", &o->mixup, "ALPHA",
           "Train on mixtures of two samples and of their classes, with shares "
           "from Beta(ALPHA, ALPHA): 0.1 to 0.4 are usual; 0: none")
      .Range(0, kMostMixupAlpha)
      .Group(kRegularization);
  verb.Add("--average", &o->average, "SPEC",
           "Validate and keep averaged weights: ema?decay=0.999, or swa (the "
           "mean after each epoch of the last quarter)")
      .Group(kRegularization);
  verb.Add(
          "--class-weights", &o->class_weights, "WHAT",
          "How much each class counts: balanced (the rarer the more), a weight "
          "for each class (1,2.5,1), or a file with a class and its weight a "
          "line")
      .Default("all the same")
      .Group(kTraining);
  verb.Add("--sampler", &o->sampler, "HOW",
           "balanced: training samples are drawn so that classes come equally "
           "often")
      .Default("every sample once an epoch")
      .Group(kTraining);
  verb.Add("--early-stop", &o->early_stop, "N",
           "Stop when N epochs in a row were no better; 0: never")
      .Whole(0, 1000000)
      .Group(kRegularization);
  verb.Add(
          "--min-delta", &o->min_delta, "X",
          "By how much an epoch must be better than the last gain to count for "
          "--early-stop")
      .Range(0, 1e9)
      .Group(kRegularization);
  verb.Add("--monitor", &o->monitor, "WHAT",
           "What makes an epoch the best one: val_loss, val_accuracy or "
           "val_balanced_accuracy")
      .Default("val_loss with --early-stop, else val_accuracy")
      .Group(kRegularization);
}

}  // namespace temper::host
