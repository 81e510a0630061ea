// train, finetune, resume: the verbs that run a Session.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "ports/host/cli.h"
#include "ports/host/failure.h"
#include "ports/host/session.h"
#include "ports/host/signals.h"
#include "simd/target.h"

namespace temper::host {
namespace {

int RunSession(const Cli& cli, Job job, std::unique_ptr<RunFolder> resumed,
               bool quiet) {
  InstallStopHandler();
  if (!quiet) {
    fmt::print(
        stderr, "{} ({} layers) on {} samples, {} classes; {}, {} thread{}\n",
        job.options.model, job.plan.graph.nodes.size(), job.data.train.size(),
        job.classes.size(), simd::CurrentTarget().name,
        job.plan.options.threads, job.plan.options.threads == 1 ? "" : "s");
    fmt::print(stderr,
               "arena {} bytes ({:.2f} MiB), lower bound {}; data {:.1f} MiB "
               "outside it\n",
               job.plan.arena_bytes,
               static_cast<double>(job.plan.arena_bytes) / 1048576.0,
               job.plan.lower_bound,
               static_cast<double>(job.data.train.MemoryBytes()) / 1048576.0);
  }
  Session session(std::move(job), std::move(resumed), quiet);
  if (!quiet) {
    fmt::print(stderr, "run folder {}\n", session.job().options.out);
  }
  const SessionResult r = session.Run();
  const Job& j = session.job();
  if (cli.json) {
    nlohmann::ordered_json json = {{"out", j.options.out},
                                   {"epochs", r.epochs_done},
                                   {"steps", r.steps_done},
                                   {"finished", r.exit_code == 0}};
    const bool classes = !j.classes.empty();
    const auto add = [&](const char* name, bool known, double value) {
      json[name] =
          known ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
    };
    add("train_loss", r.trained, r.train_loss);
    add("train_accuracy", r.trained && classes, r.train_accuracy);
    add("val_loss", r.val_loss >= 0, r.val_loss);
    add("val_accuracy", r.val_loss >= 0 && classes, r.val_accuracy);
    json["best_epoch"] = r.best_epoch;
    add("best_accuracy", j.data.val.has_value() && classes, r.best_accuracy);
    add("best_loss", j.data.val.has_value(), r.best_loss);
    json["arena_bytes"] = j.plan.arena_bytes;
    json["lower_bound"] = j.plan.lower_bound;
    json["peak_bytes"] = r.peak_bytes;
    json["train_seconds"] = r.seconds;
    json["images_per_second"] = r.images_per_second;
    json["target"] = simd::CurrentTarget().name;
    json["exact"] = simd::CurrentTarget().exact;
    json["threads"] = j.plan.options.threads;
    json["weights_sha256"] = r.Sha256();
    fmt::print("{}\n", json.dump(1));
  } else {
    if (r.exit_code != 0) {
      fmt::print("stopped after step {}; go on with: temper resume {}\n",
                 r.steps_done, j.options.out);
    } else if (j.data.val && !j.classes.empty()) {
      fmt::print("best epoch {}: validation accuracy {:.4f}\n", r.best_epoch,
                 r.best_accuracy);
    } else if (j.data.val) {
      fmt::print("best epoch {}: validation loss {:.6f}\n", r.best_epoch,
                 r.best_loss);
    } else {
      fmt::print("no validation data (val= in --data): best = last\n");
    }
    fmt::print("weights       {}/weights/last.safetensors\n", j.options.out);
    fmt::print("sha256        {}\n", r.Sha256());
    fmt::print("arena         {} bytes planned, {} touched\n",
               j.plan.arena_bytes, r.peak_bytes);
    fmt::print("time          {:.1f} s, {:.0f} images/s\n", r.seconds,
               r.images_per_second);
  }
  return r.exit_code;
}

// The target must be chosen before the first kernel runs.
Job NewJob(JobOptions options, const std::string& folder) {
  ChooseTarget(options.target);
  if (options.out.empty()) {
    options.out = folder;
    options.numbered = true;
  }
  return PrepareJob(options);
}

struct TrainArguments {
  JobOptions options;
  bool quiet = false;
};

}  // namespace

void AddTrainVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  CLI::App* verb =
      cli.Verb("train", "Train a model, or go on training one on its classes",
               [&cli, a] {
                 return RunSession(cli, NewJob(a->options, "runs/train"),
                                   nullptr, a->quiet);
               });
  verb->add_option("--model", a->options.model,
                   "mlp, lenet5, resnet8, ds_cnn, mobilenet_v1?width=0.25, "
                   "fc_autoencoder; a .safetensors model or a .json graph")
      ->required();
  AddJobOptions(verb, &a->options);
  AddRunOptions(verb, &a->options, &a->quiet);
  verb->get_option("--data")->required();
}

void AddFinetuneVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  a->options.finetune = true;
  a->options.lr = kFinetuneRate;
  CLI::App* verb =
      cli.Verb("finetune",
               "Train on from a model file; a new head if the classes differ",
               [&cli, a] {
                 return RunSession(cli, NewJob(a->options, "runs/finetune"),
                                   nullptr, a->quiet);
               });
  verb->add_option("model", a->options.model, "The .safetensors model")
      ->required();
  AddJobOptions(verb, &a->options);
  AddRunOptions(verb, &a->options, &a->quiet);
  verb->get_option("--data")->required();
}

void AddResumeVerb(Cli& cli) {
  struct Arguments {
    std::string run, target;
    uint32_t threads = 0;
    bool quiet = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = cli.Verb(
      "resume", "Go on with a run that was stopped, bit for bit", [&cli, a] {
        auto folder = std::make_unique<RunFolder>(a->run, FolderMode::kResume);
        JobOptions options = ReadRunOptions(*folder);
        if (a->threads != 0) options.threads = a->threads;
        // A target without FMA has bits of its own: the run keeps the one it
        // was given, unless told otherwise.
        if (!a->target.empty()) options.target = a->target;
        ChooseTarget(options.target);
        auto checkpoint =
            std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint));
        return RunSession(cli, PrepareResume(options, std::move(checkpoint)),
                          std::move(folder), a->quiet);
      });
  verb->add_option("run", a->run, "The run folder")->required();
  AddMachineOptions(verb, &a->threads, &a->target);
  verb->add_flag("-q,--quiet", a->quiet, "No progress");
}

}  // namespace temper::host
