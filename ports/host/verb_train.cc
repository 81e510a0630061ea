// train, finetune, resume: the verbs that run a Session.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "ports/host/cli.h"
#include "ports/host/failure.h"
#include "ports/host/session.h"
#include "simd/target.h"

namespace temper::host {
namespace {

int RunSession(const Cli& cli, Job job, const ModelFile* checkpoint,
               bool quiet) {
  if (!quiet) {
    fmt::print(stderr, "{} ({} layers) on {} samples, {} classes; {}, {} thread{}\n",
               job.options.model, job.plan.graph.nodes.size(), job.data.train.size(),
               job.classes.size(), simd::CurrentTarget().name,
               job.options.threads, job.options.threads == 1 ? "" : "s");
    fmt::print(stderr,
               "arena {} bytes ({:.2f} MiB), lower bound {}; data {:.1f} MiB "
               "outside it\n",
               job.plan.arena_bytes,
               static_cast<double>(job.plan.arena_bytes) / 1048576.0,
               job.plan.lower_bound,
               static_cast<double>(job.data.train.MemoryBytes()) / 1048576.0);
  }
  Session session(std::move(job), checkpoint, quiet);
  const SessionResult r = session.Run();
  const Job& j = session.job();
  if (cli.json) {
    nlohmann::ordered_json json = {
        {"out", j.options.out},
        {"epochs", r.epochs_done},
        {"steps", r.steps_done},
        {"finished", r.exit_code == 0},
        {"train_loss", r.train_loss},
        {"train_accuracy", r.train_accuracy}};
    if (r.val_loss >= 0) {
      json["val_loss"] = r.val_loss;
      json["val_accuracy"] = r.val_accuracy;
      json["best_epoch"] = r.best_epoch;
      json["best_accuracy"] = r.best_accuracy;
    }
    json["arena_bytes"] = j.plan.arena_bytes;
    json["lower_bound"] = j.plan.lower_bound;
    json["peak_bytes"] = r.peak_bytes;
    json["train_seconds"] = r.seconds;
    json["images_per_second"] = r.images_per_second;
    json["target"] = simd::CurrentTarget().name;
    json["exact"] = simd::CurrentTarget().exact;
    json["threads"] = j.options.threads;
    json["weights_sha256"] = r.Sha256();
    fmt::print("{}\n", json.dump(1));
  } else {
    if (r.exit_code != 0) {
      fmt::print("stopped after step {}; go on with: temper resume {}\n",
                 r.steps_done, j.options.out);
    } else if (r.val_loss >= 0) {
      fmt::print("best epoch {}: validation accuracy {:.4f}\n", r.best_epoch,
                 r.best_accuracy);
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
Job NewJob(const JobOptions& options) {
  ChooseTarget(options.target);
  return PrepareJob(options);
}

struct TrainArguments {
  JobOptions options;
  bool quiet = false;
};

void AddRunOptions(CLI::App* verb, TrainArguments* a) {
  AddJobOptions(verb, &a->options);
  verb->add_option("--out", a->options.out, "The run folder (created)")
      ->capture_default_str();
  verb->add_option("--save-every", a->options.save_seconds,
                   "Seconds between saves within an epoch (0: only at its end)")
      ->check(InRange(0, 1e9, "0 or more"))
      ->capture_default_str();
  verb->add_flag("--overwrite", a->options.overwrite,
                 "Replace an older run in --out");
  verb->add_flag("-q,--quiet", a->quiet, "No progress");
}

}  // namespace

void AddTrainVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  a->options.out = "runs/train";
  CLI::App* verb =
      cli.Verb("train", "Train a model, or go on training one on its classes",
               [&cli, a] { return RunSession(cli, NewJob(a->options), nullptr, a->quiet); });
  verb->add_option("--model", a->options.model,
                   "mlp, lenet5, resnet8, ds_cnn, mobilenet_v1?width=0.25, "
                   "fc_autoencoder; a .safetensors model or a .json graph")
      ->required();
  AddRunOptions(verb, a.get());
  verb->get_option("--data")->required();
}

void AddFinetuneVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  a->options.finetune = true;
  a->options.out = "runs/finetune";
  a->options.lr = 0.01;
  CLI::App* verb = cli.Verb(
      "finetune",
      "Train on from a model file; a new head if the classes differ",
      [&cli, a] { return RunSession(cli, NewJob(a->options), nullptr, a->quiet); });
  verb->add_option("model", a->options.model, "The .safetensors model")
      ->required();
  AddRunOptions(verb, a.get());
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
        JobOptions options = ReadRunOptions(a->run);
        if (a->threads != 0) options.threads = a->threads;
        options.target = a->target;
        ChooseTarget(options.target);
        const ModelFile checkpoint = ReadModel(LastCheckpoint(a->run));
        return RunSession(cli, PrepareResume(options, checkpoint), &checkpoint,
                          a->quiet);
      });
  verb->add_option("run", a->run, "The run folder")->required();
  AddMachineOptions(verb, &a->threads, &a->target);
  verb->add_flag("-q,--quiet", a->quiet, "No progress");
}

}  // namespace temper::host
