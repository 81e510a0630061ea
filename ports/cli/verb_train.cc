// train, finetune, resume: the verbs that run a Session.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/cli/run_reporter.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/session.h"
#include "simd/target.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

// What is run, and from where.
void PrintHead(const Session& session, bool resumed) {
  const Job& job = session.job();
  const Plan& plan = job.plan;
  const Targets& targets = job.data.train.targets;
  Message("{} ({} layers) on {} samples, {}; {}, {} thread{}",
          job.options.model, plan.graph.nodes.size(), job.data.train.size(),
          !job.classes.empty() ? fmt::format("{} classes", job.classes.size())
          : targets.kind == TargetKind::kValues
              ? fmt::format("{} value{} each", targets.width,
                            targets.width == 1 ? "" : "s")
              : "no classes",
          simd::CurrentTarget().name, plan.options.threads,
          plan.options.threads == 1 ? "" : "s");
  Message(
      "arena {} bytes ({:.2f} MiB), lower bound {}; data {:.1f} MiB outside it",
      plan.arena_bytes, static_cast<double>(plan.arena_bytes) / 1048576.0,
      plan.lower_bound,
      static_cast<double>(job.data.train.MemoryBytes()) / 1048576.0);
  Message("run folder {}", job.options.out);
  if (!resumed) return;
  const Counters c = session.counters();
  Message("goes on from step {}: epoch {} of {}, {} of {} batches done", c.step,
          c.epoch + 1, job.options.epochs, c.batch, job.steps_per_epoch);
}

std::string HowToTrainOn(const JobOptions& options) {
  return fmt::format(
      "To train on, begin a new run with its weights: temper train --model "
      "{}/weights/last.safetensors --data ... --epochs N",
      options.out);
}

void PrintJson(const Job& job, const SessionResult& r,
               const std::string& error) {
  using Json = nlohmann::ordered_json;
  const bool classes = !job.classes.empty();
  Json json = {{"out", job.options.out},
               {"epochs", r.epochs_done},
               {"steps", r.steps_done},
               {"finished", r.epochs_done == job.options.epochs}};
  // Nothing is written that was not computed.
  const auto add = [&](const char* name, bool known, double value) {
    json[name] = known && std::isfinite(value) ? Json(value) : Json();
  };
  add("train_loss", r.trained, r.train_loss);
  add("train_accuracy", r.train_accuracy.has_value(),
      r.train_accuracy.value_or(0));
  add("val_loss", r.val_loss.has_value(), r.val_loss.value_or(0));
  add("val_accuracy", r.val_accuracy.has_value(), r.val_accuracy.value_or(0));
  if (models::IsRegressor(job.info.graph)) {
    add("val_mae", r.val_mae.has_value(), r.val_mae.value_or(0));
    add("val_rmse", r.val_rmse.has_value(), r.val_rmse.value_or(0));
  }
  const bool best = r.best_epoch != 0;
  json["best_epoch"] = best ? Json(r.best_epoch) : Json();
  const bool val_best = best && job.data.val.has_value();
  add("best_accuracy", val_best && classes, r.best_accuracy);
  add("best_loss", val_best, r.best_loss);
  json["arena_bytes"] = job.plan.arena_bytes;
  json["lower_bound"] = job.plan.lower_bound;
  json["peak_bytes"] = r.peak_bytes;
  json["train_seconds"] = r.seconds;
  add("images_per_second", r.images_per_second > 0, r.images_per_second);
  json["target"] = simd::CurrentTarget().name;
  json["exact"] = simd::CurrentTarget().exact;
  json["threads"] = job.plan.options.threads;
  json["weights_sha256"] = r.Sha256();
  if (!error.empty()) {
    json["error"] = {{"exit_code", ExitCodeOf(r.end)}, {"message", error}};
  }
  host::PrintJson(json);
}

void PrintText(const Job& job, const SessionResult& r) {
  if (r.was_finished) {
    Result(
        "already finished: {} of {} epochs, {} steps; nothing was done\n  {}\n",
        r.epochs_done, job.options.epochs, r.steps_done,
        HowToTrainOn(job.options));
  } else if (r.epochs_done < job.options.epochs) {
    Result("stopped after step {}; go on with: temper resume {}\n",
           r.steps_done, job.options.out);
  }
  if (r.epochs_done < job.options.epochs) {
    // Which epoch is best is not known yet.
  } else if (!job.data.val) {
    Result("no validation data (val= in --data): best = last\n");
  } else if (r.best_epoch == 0) {
    Result("best epoch    none: no validation loss was finite\n");
  } else if (!job.classes.empty()) {
    Result("best epoch {}: validation accuracy {:.4f}\n", r.best_epoch,
           r.best_accuracy);
  } else {
    Result("best epoch {}: validation loss {:.6f}\n", r.best_epoch,
           r.best_loss);
  }
  Result("weights       {}/weights/last.safetensors\n", job.options.out);
  Result("sha256        {}\n", r.Sha256());
  if (r.was_finished) return;
  Result("arena         {} bytes planned, {} touched\n", job.plan.arena_bytes,
         r.peak_bytes);
  if (r.images_per_second > 0) {
    Result("time          {:.1f} s, {:.0f} images/s\n", r.seconds,
           r.images_per_second);
  }
}

int RunSession(const Cli& cli, Job job, std::unique_ptr<RunFolder> folder,
               bool quiet) {
  RunReporter reporter(quiet);
  const bool resumed = folder != nullptr;
  Session session(std::move(job), std::move(folder), &reporter);
  const Job& j = session.job();
  if (!session.diverged().empty()) {
    Message(
        "warning: this run has diverged at {} and will again: begin a new one "
        "with a smaller --lr, or with --warmup",
        session.diverged());
  }
  const bool finished = session.counters().epoch == j.options.epochs;
  if (!quiet && !finished) PrintHead(session, resumed);
  const SessionResult r = session.Run();
  reporter.Release(r.end);
  std::string error;
  if (r.end == SessionEnd::kDiverged) {
    error =
        "training diverged: the validation loss of the last epoch is not "
        "finite.\n  Start a new run with a smaller --lr, or with --warmup";
  }
  if (cli.json) {
    PrintJson(j, r, error);
  } else {
    PrintText(j, r);
  }
  if (!error.empty()) MessageLine("temper: " + error);
  return ExitCodeOf(r.end);
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
  Verb& verb = cli.Add(
      "train", "Train a new model, or continue training an existing one",
      [&cli, a] {
        return RunSession(cli, NewJob(a->options, "runs/train"), nullptr,
                          a->quiet);
      });
  verb.example =
      "temper train --model resnet8 --data 'idx:DIR?val=0.1' --epochs 20";
  verb.Add("--model", &a->options.model, "MODEL",
           "A ready model, with options as in 'mobilenet_v1?width=0.25' "
           "(`temper list models`); a .safetensors file or a .json graph")
      .Required()
      .Group("Model");
  AddJobOptions(cli, verb, &a->options);
  AddRunOptions(verb, &a->options, &a->quiet);
  verb.At("--data").Required();
}

void AddFinetuneVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  a->options.finetune = true;
  a->options.lr = kFinetuneRate;
  Verb& verb = cli.Add(
      "finetune",
      "Continue training from a model file, with a new head if the classes "
      "differ",
      [&cli, a] {
        return RunSession(cli, NewJob(a->options, "runs/finetune"), nullptr,
                          a->quiet);
      });
  verb.example =
      "temper finetune MODEL.safetensors --data 'idx:DIR?val=0.2' --freeze "
      "body";
  verb.Add("model", &a->options.model, "MODEL", "The .safetensors model")
      .Required()
      .Group("Model");
  AddJobOptions(cli, verb, &a->options);
  AddRunOptions(verb, &a->options, &a->quiet);
  verb.At("--data").Required();
}

namespace {

struct ResumeArguments {
  std::string run, data, val, arena, target;
  uint32_t threads = 0;
  bool quiet = false;
};

// Where the run's data are now: as given, with the run's own options of the
// spec unless there are others.
std::string DataOf(const std::string& given, const std::string& stored) {
  if (given.empty()) return stored;
  const size_t own = stored.rfind('?');
  const bool alone = given.find('?') == std::string::npos;
  return given + (alone && own != std::string::npos ? stored.substr(own) : "");
}

// What the run was begun with, and what this machine needs otherwise.
Job ResumedJob(const ResumeArguments& a, JobOptions options,
               std::unique_ptr<ModelSource> checkpoint) {
  if (a.threads != 0) options.threads = a.threads;
  if (!a.arena.empty()) options.arena = a.arena;
  options.data = DataOf(a.data, options.data);
  options.val = DataOf(a.val, options.val);
  try {
    return PrepareResume(options, std::move(checkpoint));
  } catch (const Failure& failure) {
    // Whether they are the run's, their fingerprint tells.
    if (failure.kind != ErrorKind::kNotFound || !a.data.empty()) throw;
    const std::string kind = options.data.substr(0, options.data.find(':'));
    throw Failure(
        failure.kind,
        failure.message +
            "\n  If the data of the run are elsewhere now, name them: "
            "--data " +
            kind + (TakesPathList(kind) ? ":X,Y..." : ":DIR..."));
  }
}

int Resume(const Cli& cli, const ResumeArguments& a) {
  auto folder = std::make_unique<RunFolder>(a.run, FolderMode::kResume);
  JobOptions options = ReadRunOptions(*folder);
  const JobOptions stored = options;
  // A target without FMA has bits of its own: the run keeps the one it was
  // given, unless told otherwise.
  if (!a.target.empty()) options.target = a.target;
  ChooseTarget(options.target);
  auto checkpoint =
      std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint));
  Job job = ResumedJob(a, options, std::move(checkpoint));
  // The next resume finds the data there, too; machine and memory are asked
  // each time. Known to be the run's own before anything is written.
  ReadCounters(job.source->header(), job);
  if (!a.data.empty() || !a.val.empty()) {
    JobOptions moved = stored;
    moved.data = DataOf(a.data, stored.data);
    moved.val = DataOf(a.val, stored.val);
    folder->WriteFile("config.json", OptionsJson(moved));
  }
  return RunSession(cli, std::move(job), std::move(folder), a.quiet);
}

}  // namespace

void AddResumeVerb(Cli& cli) {
  auto a = std::make_shared<ResumeArguments>();
  Verb& verb = cli.Add("resume", "Continue a run that was stopped, bit for bit",
                       [&cli, a] { return Resume(cli, *a); });
  verb.example = "temper resume runs/train";
  const auto not_empty = [](const std::string& text) {
    return std::string(text.empty() ? "is empty" : "");
  };
  verb.Add("run", &a->run, "RUN", "The run folder").Required().Group("Run");
  verb.Add("--data", &a->data, "SPEC",
           "Where the run's data are now, such as idx:DIR; options after ? "
           "are the run's unless given; stored in the run")
      .Check(not_empty)
      .Group("Run");
  verb.Add("--val", &a->val, "SPEC",
           "The same for a run with validation data of their own")
      .Check(not_empty)
      .Group("Run");
  verb.Add("--arena", &a->arena, "SIZE", "Memory for the job, such as 16MiB")
      .Default("the run's")
      .Group("Machine");
  AddMachineOptions(verb, &a->threads, &a->target);
  verb.Flag("--quiet,-q", &a->quiet, "No progress").Group("Run");
}

}  // namespace temper::host
