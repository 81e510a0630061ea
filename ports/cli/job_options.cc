// See job_options.h. Knobs of optimizers and schedules are fields of their
// specs; the common ones have an option of their own as well (shorthands).
#include "ports/cli/job_options.h"

#include <fmt/format.h>

#include <cctype>
#include <memory>
#include <vector>

#include "models/spec.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_file.h"
#include "ports/cli/messages.h"
#include "ports/cli/schedule_plot.h"
#include "ports/cli/technique_options.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/stats.h"
#include "ports/host/train/loss_option.h"
#include "ports/host/train/specs.h"

namespace temper::host {
namespace {

constexpr const char* kData = "Data";
constexpr const char* kModel = "Model";
constexpr const char* kTraining = "Training";
constexpr const char* kJob = "Job";

// A spec that shorthands add to.
struct SpecOption {
  const char* name;   // "--schedule"
  std::string* spec;  // of the job
  Catalogue catalogue;
};

std::string NamesOf(const Catalogue& catalogue) {
  std::string names;
  for (uint32_t i = 0; i < catalogue.count; ++i) {
    names += fmt::format("{}{}", i == 0 ? "" : ", ", catalogue.entry(i).name);
  }
  return names;
}

void AddSpec(Verb& verb, const SpecOption& of, const std::string& help) {
  verb.Add(of.name, of.spec, "SPEC",
           fmt::format("{}: {}; `temper list {}` has their fields", help,
                       NamesOf(of.catalogue), of.catalogue.name))
      .Check([of](const std::string& given) {
        Choice choice;
        Schedule common;
        return ReadSpec(given, of.catalogue, 0, &choice, &common);
      })
      .Group(kTraining);
}

// The value of a shorthand, until all options have been read.
struct Shorthand {
  std::string text;
  bool flag = false;
};

// That the entry has the field, or else which ones do.
std::string WhoHas(const SpecOption& of, const std::string& entry_name,
                   const char* field) {
  const Catalogue& catalogue = of.catalogue;
  std::string names;
  for (uint32_t i = 0; i < catalogue.count; ++i) {
    const Entry entry = catalogue.entry(i);
    if (entry.fields.Find(field) == nullptr) continue;
    if (entry.name == entry_name) {
      return fmt::format("It is a field of {} {}", of.name, entry.name);
    }
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  if (names.empty()) return fmt::format("It is a field of every {}", of.name);
  return fmt::format("Of {} these have {}: {}", of.name, field, names);
}

// `field` of the spec, by an option of its own.
void AddShorthand(Verb& verb, const char* name, const SpecOption& of,
                  const char* field_name) {
  const Catalogue& catalogue = of.catalogue;
  // Described by the first entry that has it.
  Entry entry = catalogue.Common();
  const Field* field = catalogue.common.Find(field_name);
  for (uint32_t i = 0; i < catalogue.count && field == nullptr; ++i) {
    entry = catalogue.entry(i);
    field = entry.fields.Find(field_name);
  }
  std::string help =
      fmt::format("{} ({}of {})", field->help,
                  field->IsTime() ? fmt::format("in {}; ", field->unit) : "",
                  entry.name[0] == '\0' ? "any schedule" : entry.name);
  help[0] = static_cast<char>(std::toupper(help[0]));
  auto given = std::make_shared<Shorthand>();
  if (field->IsFlag()) {
    verb.Flag(name, &given->flag, help).Group(kTraining);
  } else {
    verb.Add(name, &given->text, field->IsTime() ? "TIME" : "X", help)
        .Default(DefaultText(entry, *field))
        .Group(kTraining);
  }
  verb.At(name).text = nullptr;  // shown as a part of the spec
  verb.after.push_back([&verb, name, of, field_name, given] {
    const Option& option = verb.At(name);
    if (!option.given() || (option.IsFlag() && !given->flag)) return;
    SpecText spec;
    SplitSpec(*of.spec, &spec);  // checked when it was read
    const std::string& value = option.IsFlag() ? "1" : given->text;
    // The spec may be a job file's and the shorthand typed, or the reverse.
    if (spec.Find(field_name) != nullptr) {
      const Option& of_spec = verb.At(of.name);
      throw Failure(
          option.Wrong() == of_spec.Wrong() ? option.Wrong()
                                            : ErrorKind::kConfiguration,
          fmt::format("{} is given twice: by {} ({}) and in {} ({})\n  Give it "
                      "once",
                      field_name, name, option.from, of.name, of_spec.from));
    }
    spec.options.push_back({field_name, value});
    Choice choice;
    Schedule common;
    const std::string wrong =
        ReadSpec(spec.Text(), of.catalogue, 0, &choice, &common);
    if (!wrong.empty()) {
      const bool typed = option.from == kCommandLine;
      Fail(option.Wrong(), typed ? std::string(name) : option.from,
           typed ? "" : std::string(option.Key()), wrong,
           WhoHas(of, spec.name, field_name));
    }
    *of.spec = spec.Text();
    std::string& from = verb.At(of.name).from;
    if (from.empty()) {
      from = option.from;
    } else if (from != option.from) {
      from += ", " + option.from;
    }
  });
}

std::string NormalizeHelp() {
  std::string text;
  for (const NormalizeKind& kind : NormalizeKinds()) {
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", kind.name,
                        kind.help);
  }
  return text;
}

void AddJob(const Verb& verb, Report* report) {
  Value options = Value::object();
  Table& table = report->AddTable("", {{"", "option", Column::kText},
                                       {"", "value", Column::kName},
                                       {"", "from", Column::kText}});
  for (const Option& option : verb.options) {
    if (!option.in_files || !option.text) continue;
    const std::string text = option.given() || option.default_text.empty()
                                 ? option.text()
                                 : option.default_text;
    if (text.empty() && !option.given()) continue;
    const std::string from = option.given() ? option.from : "default";
    table.Add({option.Key(), text, from});
    options[option.Key()] = {{"value", text}, {"from", from}};
  }
  report->Data("options", options);
}

}  // namespace

void AddJobOptions(Cli& cli, Verb& verb, JobOptions* o) {
  auto config = std::make_shared<std::string>();
  auto dry_run = std::make_shared<bool>(false);
  auto plot = std::make_shared<bool>(false);
  // First of all: it brings values for the others.
  verb.after.push_back([&verb, config] {
    if (!config->empty()) ReadJobFile(verb, *config);
  });
  verb.Add("--data", &o->data, "SPEC",
           "Data, such as 'idx:DIR?classes=0-7&limit=N&val=0.1'; `temper list "
           "data`")
      .Group(kData);
  verb.Add("--val", &o->val, "SPEC",
           "Validation data of their own, in place of val= in --data")
      .Group(kData);
  verb.Add("--normalize", &o->normalize, "HOW",
           "Preprocessing of a new model: " + NormalizeHelp())
      .Group(kData);
  verb.Add("--channels", &o->channels, "ORDER",
           "Three channels for a new model: rgb, or bgr (blue first); gray "
           "samples have their value in all of them")
      .Default("as the data have them")
      .Group(kData);
  verb.Add("--augment", &o->augment, "LIST",
           "Training samples varied, in this order: " +
               NamesOf(AugmentationCatalogue()) +
               "; as in 'hflip,crop=4' (`temper list augmentations`)")
      .Group(kData);
  verb.Flag("--drop-last", &o->drop_last,
            "Leave out a short last batch of an epoch")
      .Group(kData);

  verb.Add("--init", &o->init, "SPEC",
           "First weights: " + NamesOf(InitializerCatalogue()) +
               "; `temper list initializers` has their fields")
      .Check([](const std::string& given) {
        Choice choice;
        InitializeCommon common;
        return ReadSpec(given, InitializerCatalogue(), 0, &choice, &common);
      })
      .Group(kModel);
  verb.Add("--loss", &o->loss, "SPEC",
           "The loss, in place of the model's: cross_entropy, bce, mse, or " +
               NamesOf(LossCatalogue()) +
               "; `temper list losses` has their fields")
      .Check(WrongLoss)
      .Default(
          "softmax_cross_entropy for classes, binary_cross_entropy for "
          "several labels, mean_squared_error for values")
      .Group(kModel);
  verb.Add(
          "--dropout", &o->dropout, "RATE",
          "Rate of the dropout layers, usually 0.1 to 0.5; adds one before the "
          "head if there is none")
      .Alone("0.5")
      .Range(0, 0.999)
      .Group(kModel);
  verb.Add("--label-smoothing", &o->label_smoothing, "X",
           "Share of the target that is spread over all classes")
      .Range(0, 0.999)
      .Group(kModel);
  verb.Add("--freeze", &o->freeze, "LAYERS",
           "Layers that stay as they are: names or patterns such as 'block1*', "
           "separated by commas; body = all but the head")
      .Group(kModel);
  verb.Add("--bn", &o->bn, "HOW",
           "Statistics of trained batch norms: train or frozen")
      .Group(kModel);

  verb.Add("--epochs", &o->epochs, "N", "Times through the data")
      .Whole(1, 1000000)
      .Group(kTraining);
  verb.Add("--batch", &o->batch, "N", "Samples per step")
      .Whole(1, kMaxBatch)
      .Group(kTraining);
  verb.Add("--lr", &o->lr, "RATE", "Learning rate")
      .Range(1e-30, 1e6)
      .Default("the optimizer's own; finetune: a fifth of it")
      .Group(kTraining);
  const SpecOption schedule = {"--schedule", &o->schedule, ScheduleCatalogue()};
  const SpecOption optimizer = {"--optimizer", &o->optimizer,
                                OptimizerCatalogue()};
  AddSpec(verb, schedule, "How the rate changes");
  AddShorthand(verb, "--warmup", schedule, "warmup");
  AddShorthand(verb, "--min-lr", schedule, "min_lr");
  AddShorthand(verb, "--step-size", schedule, "step_size");
  AddShorthand(verb, "--gamma", schedule, "gamma");
  AddSpec(verb, optimizer, "The update of the weights");
  AddShorthand(verb, "--momentum", optimizer, "momentum");
  AddShorthand(verb, "--nesterov", optimizer, "nesterov");
  AddShorthand(verb, "--wd", optimizer, "weight_decay");
  AddShorthand(verb, "--wd-all", optimizer, "decay_all");
  AddTechniqueOptions(verb, o);
  verb.Add("--seed", &o->seed, "N", "Seed of everything random")
      .Whole(0, UINT64_MAX)
      .Group(kTraining);

  verb.Add("--arena", &o->arena, "SIZE", "Memory for the job, such as 16MiB")
      .Default("what it needs")
      .Group("Machine");
  AddBackendOption(verb, &o->backend);
  AddMachineOptions(verb, &o->threads, &o->target);

  verb.Add("--config", config.get(), "FILE",
           "A job as TOML: key = value lines, keys as the options here without "
           "--; options override it")
      .NotInFiles()
      .Group(kJob);
  verb.Flag("--dry-run", dry_run.get(),
            "Print the options of the job and where each comes from, and end")
      .NotInFiles()
      .Group(kJob);
  verb.Flag("--plot-schedule", plot.get(),
            "Draw the learning rate over the epochs of the job, and end")
      .NotInFiles()
      .Group(kJob);
  verb.after.push_back([&cli, &verb, config, dry_run, plot, o] {
    if (!*dry_run && !*plot) return;
    verb.At("--lr").default_text = fmt::format("{}", DefaultRate(*o));
    o->schedule = CompleteSpec(o->schedule, ScheduleCatalogue());
    o->optimizer = CompleteSpec(o->optimizer, OptimizerCatalogue());
    verb.At("--schedule").default_text = o->schedule;
    verb.At("--optimizer").default_text = o->optimizer;
    // What the options point into belongs to the verb's work.
    verb.run = [&cli, &verb, o, dry_run = *dry_run, plot = *plot,
                owner = verb.run] {
      Report report(verb.name);
      if (dry_run) AddJob(verb, &report);
      if (plot) AddSchedule(*o, &report);
      return cli.output.Print(report);
    };
  });
}

void AddRunOptions(Verb& verb, JobOptions* o, bool* quiet, const char* group) {
  verb.Add("--out", &o->out, "DIR", "The run folder, created")
      .Check([](const std::string& text) {
        return std::string(text.empty() ? "is empty" : "");
      })
      .Default("a new one in runs/")
      .Group(group);
  verb.Add("--save-every", &o->save_seconds, "SECONDS",
           "Between saves within an epoch; 0: only at its end")
      .Range(0, 1e9)
      .Group(group);
  verb.Flag("--overwrite", &o->overwrite, "Replace an older run in --out")
      .Group(group);
  verb.Flag("--quiet,-q", quiet, "No progress and no notes").Group(group);
}

}  // namespace temper::host
