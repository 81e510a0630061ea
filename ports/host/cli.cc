// Parsing, shared options and error output. See cli.h.
#include "ports/host/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "models/text.h"
#include "ports/host/dataset.h"
#include "ports/host/failure.h"
#include "ports/host/messages.h"
#include "simd/target.h"

namespace temper::host {
namespace {

constexpr void (*kVerbs[])(Cli&) = {
    AddTrainVerb,   AddFinetuneVerb, AddResumeVerb,  AddEvalVerb,
    AddPredictVerb, AddPlanVerb,     AddInspectVerb, AddDataVerb,
    AddBenchVerb,   AddSimulateVerb, AddDoctorVerb};

// What CLI11 says of a word it does not know, with the nearest one it does.
std::string UnknownWord(Cli& cli, const std::string& message, int argc,
                        char** argv) {
  std::vector<std::string> known;
  const CLI::App* scope = &cli.app;
  for (CLI::App* verb : cli.app.get_subcommands({})) {
    if (verb->parsed()) scope = verb;
  }
  for (const CLI::Option* option : scope->get_options()) {
    for (const std::string& name : option->get_lnames()) {
      known.push_back("--" + name);
    }
  }
  if (scope == &cli.app) {
    for (CLI::App* verb : cli.app.get_subcommands({})) {
      known.push_back(verb->get_name());
    }
  }
  const std::vector<std::string_view> names(known.begin(), known.end());
  // CLI11 only says that a verb is missing; the user has typed one.
  if (scope == &cli.app && argc > 1 && argv[1][0] != '-') {
    return fmt::format("unknown verb '{}'\n  {}", Printable(argv[1]),
                       Suggest(argv[1], names));
  }
  // A misspelt option says more than what is missing because of it.
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view stem = word.substr(0, word.find('='));
    if (stem.size() < 3 || stem.substr(0, 2) != "--" || stem == "--json" ||
        std::find(names.begin(), names.end(), stem) != names.end()) {
      continue;
    }
    const std::string_view near = NearestName(stem, names);
    if (near.empty() && scope->get_name() == "resume") {
      return fmt::format(
          "resume takes no {}: a run keeps the options that it began with\n  "
          "To "
          "train on, begin a new run with its weights: temper train --model "
          "RUN/weights/last.safetensors ...",
          Printable(stem));
    }
    return fmt::format(
        "unknown option {}\n  {}", Printable(stem),
        near.empty() ? fmt::format("`temper {}{}--help` lists them.",
                                   scope == &cli.app ? "" : scope->get_name(),
                                   scope == &cli.app ? "" : " ")
                     : fmt::format("Did you mean '{}'?", near));
  }
  return fmt::format("{}\n  `temper {}{}--help` lists what there is.", message,
                     scope == &cli.app ? "" : scope->get_name(),
                     scope == &cli.app ? "" : " ");
}

constexpr const char* kNoOutput = "cannot write to standard output";

int Report(const Cli& cli, int code, const std::string& message) {
  MessageLine("temper: " + message);
  if (cli.json) {
    PrintJson({{"error", {{"exit_code", code}, {"message", message}}}});
    std::fflush(stdout);
  }
  return code;
}

}  // namespace

CLI::App* Cli::Verb(const std::string& name, const std::string& help,
                    std::function<int()> run) {
  CLI::App* verb = app.add_subcommand(name, help);
  verb->add_flag("--json", json, "One JSON document on stdout");
  verb->callback([this, run = std::move(run)] { work = run; });
  return verb;
}

CLI::Validator InRange(double min, double max) {
  const std::string text = fmt::format("{} to {}", min, max);
  return CLI::Validator(
      [=](std::string& input) -> std::string {
        double value;
        if (!CLI::detail::lexical_cast(input, value) || !(value >= min) ||
            !(value <= max)) {
          return "must be " + text + ", not " + Printable(input);
        }
        return {};
      },
      text);
}

CLI::Validator Whole(uint64_t min, uint64_t max) {
  const std::string range =
      fmt::format("a whole number from {} to {}", min, max);
  return CLI::Validator(
      [=](std::string& input) -> std::string {
        const std::optional<uint64_t> value = ParseCount(input, max);
        // Digits behind a 0 would be read as octal.
        const bool octal = input.size() > 1 && input[0] == '0';
        if (!value || *value < min || octal) {
          return "must be " + range + ", not " + Printable(input);
        }
        return {};
      },
      range);
}

void AddMachineOptions(CLI::App* verb, uint32_t* threads, std::string* target) {
  verb->add_option("--threads", *threads,
                   "Threads (default: all CPUs); results do not depend on it")
      ->check(Whole(1, kMaxThreads));
  verb->add_option("--target", *target,
                   "SIMD target: avx2, avx3 (or avx512), neon, sve, sse4, "
                   "scalar (default: the best)");
}

void AddJobOptions(CLI::App* verb, JobOptions* o) {
  verb->add_option("--data", o->data,
                   "Data: idx:DIR?split=train&classes=0-7&limit=N&val=0.1 ...");
  verb->add_option("--epochs", o->epochs, "Times through the data")
      ->check(Whole(1, 1000000))
      ->capture_default_str();
  verb->add_option("--batch", o->batch, "Samples per step")
      ->check(Whole(1, kMaxBatch))
      ->capture_default_str();
  verb->add_option("--lr", o->lr, "Learning rate")
      ->check(InRange(1e-30, 1e6))
      ->capture_default_str();
  verb->add_option("--min-lr", o->min_lr, "Rate at the end of cosine annealing")
      ->check(InRange(0, 1e6))
      ->capture_default_str();
  verb->add_option("--schedule", o->schedule, "constant, step or cosine")
      ->capture_default_str();
  verb->add_option("--warmup", o->warmup, "Steps of linear warm-up")
      ->check(Whole(0, uint64_t{1} << 50))
      ->capture_default_str();
  verb->add_option("--step-size", o->step_size,
                   "Epochs between drops of the step schedule")
      ->check(Whole(1, 1000000))
      ->capture_default_str();
  verb->add_option("--gamma", o->gamma, "Factor of a drop of the step schedule")
      ->check(InRange(1e-6, 1))
      ->capture_default_str();
  verb->add_option("--momentum", o->momentum, "Momentum of SGD")
      ->check(InRange(0, 0.99999))
      ->capture_default_str();
  verb->add_flag("--nesterov", o->nesterov, "Nesterov's momentum");
  verb->add_option("--wd", o->wd,
                   "Weight decay, on dense and convolution weights")
      ->check(InRange(0, 1e6))
      ->capture_default_str();
  verb->add_flag("--wd-all", o->wd_all,
                 "Weight decay on biases and batch norm, too");
  verb->add_option("--init", o->init,
                   "First weights: auto, he_normal, he_uniform, xavier_normal, "
                   "xavier_uniform, zero")
      ->capture_default_str();
  verb->add_option("--dropout", o->dropout,
                   "Rate of the dropout layers; adds one before the head if "
                   "there is none")
      ->check(InRange(0, 0.999));
  verb->add_option("--label-smoothing", o->label_smoothing, "0 up to below 1")
      ->check(InRange(0, 0.999));
  verb->add_option("--augment", o->augment,
                   "Training samples varied: hflip, vflip, crop=4, "
                   "brightness=0.2, contrast=0.2, cutout=8, separated by "
                   "commas, in this order");
  verb->add_option_function<std::string>(
      "--freeze",
      [o](const std::string& list) {
        for (size_t begin = 0; begin <= list.size();) {
          const size_t end = std::min(list.find(',', begin), list.size());
          o->freeze.push_back(list.substr(begin, end - begin));
          begin = end + 1;
        }
      },
      "Layers that stay as they are: names or patterns such as 'block1*', "
      "separated by commas; body = all but the head");
  verb->add_option("--bn", o->bn,
                   "Statistics of trained batch norms: train or frozen")
      ->capture_default_str();
  verb->add_option("--normalize", o->normalize,
                   "Preprocessing of a new model: channel or pixel (mean and "
                   "deviation), none")
      ->capture_default_str();
  verb->add_flag("--drop-last", o->drop_last,
                 "Leave out a short last batch of an epoch");
  verb->add_option("--seed", o->seed, "Seed of everything random")
      ->check(Whole(0, UINT64_MAX))
      ->capture_default_str();
  verb->add_option(
      "--arena", o->arena,
      "Memory for the job, such as 16MiB (default: what it needs)");
  AddMachineOptions(verb, &o->threads, &o->target);
}

void AddRunOptions(CLI::App* verb, JobOptions* o, bool* quiet) {
  verb->add_option("--out", o->out,
                   "The run folder, created (default: a new one in runs/)");
  verb->add_option("--save-every", o->save_seconds,
                   "Seconds between saves within an epoch (0: only at its end)")
      ->check(InRange(0, 1e9))
      ->capture_default_str();
  verb->add_flag("--overwrite", o->overwrite, "Replace an older run in --out");
  verb->add_flag("-q,--quiet", *quiet, "No progress");
}

int RunCli(int argc, char** argv) {
  OpenStandardDescriptors();
  Cli cli;
  // A file-size limit is an error of write(2), not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);  // messages.h: EndWithReader
  // Known before anything else can fail: every exit has its document.
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    cli.json |= word == "--json" || word.substr(0, 7) == "--json=";
  }
  for (int i = 1; i < argc; ++i) {
    if (!IsUtf8(argv[i])) {
      return Report(
          cli, kExitUsage,
          fmt::format("argument {} is not UTF-8: {}", i, Printable(argv[i])));
    }
  }
  cli.app.description(
      "temper trains and fine-tunes neural networks on this CPU, inside one "
      "block of memory of fixed size.");
  cli.app.name("temper");
  cli.app.require_subcommand(1);
  cli.app.set_version_flag(
      "--version",
      fmt::format("temper {} (arithmetic {}, Highway {}, {})", TEMPER_VERSION,
                  kArithmeticVersion, simd::HighwayVersion(), TEMPER_COMPILER));
  cli.app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string(error.what());
  });
  try {
    for (const auto add : kVerbs) add(cli);
    cli.app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    const int code = cli.app.exit(success);  // --help, --version
    return std::cout.flush() ? code : Report(cli, kExitIo, kNoOutput);
  } catch (const CLI::ParseError& error) {
    return Report(cli, kExitUsage, UnknownWord(cli, error.what(), argc, argv));
  } catch (const std::exception& error) {
    return Report(cli, kExitBug, error.what());
  }
  try {
    const int code = cli.work();
    // What a stopped run says of itself counts more than its output: a terminal
    // that is gone takes both.
    if (!FlushResults() && code == kExitOk) {
      return Report(cli, kExitIo, kNoOutput);
    }
    return code;
  } catch (const Failure& failure) {
    return Report(cli, failure.exit_code, failure.message);
  } catch (const std::system_error& error) {
    return Report(cli, kExitIo, error.what());
  } catch (const std::bad_alloc&) {
    return Report(cli, kExitDoesNotFit,
                  "out of memory outside the arena (data set, files).");
  } catch (const std::exception& error) {
    return Report(
        cli, kExitBug,
        fmt::format("a bug in temper, please report it: {}", error.what()));
  }
}

}  // namespace temper::host
