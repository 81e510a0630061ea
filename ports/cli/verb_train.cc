// train, finetune, resume: the verbs that run a Session.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/cli/run_reporter.h"
#include "ports/cli/series_runs.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/lengthen.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/runs.h"
#include "ports/host/train/session.h"
#include "ports/host/train/signal_text.h"
#include "ports/host/train/validation_metrics.h"
#include "simd/target.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

// What is run, and from where.
void PrintHead(const Session& session, bool resumed) {
  const Job& job = session.job();
  const Plan& plan = job.plan;
  const Targets& targets = job.data.train.targets;
  Message("{} ({} layers) on {} samples, {}; {}, {}", job.options.model,
          plan.graph.nodes.size(), job.data.train.size(),
          !job.classes.empty() ? fmt::format("{} classes", job.classes.size())
          : targets.kind == TargetKind::kValues
              ? Counted(targets.width, "value") + " each"
              : "no classes",
          simd::CurrentTarget().name, Counted(plan.options.threads, "thread"));
  const uint64_t backend = plan.backend_bytes;
  Message(
      "arena {}, {}{} outside it (data, batches)", BytesText(plan.arena_bytes),
      backend == 0
          ? ""
          : fmt::format("{} of {}, ", BytesText(backend), job.options.backend),
      BytesText(OutsideBytes(job).Total()));
  for (size_t k = 0; k < job.options.phases.size(); ++k) {
    Message("phase {}: {}", k + 1, PhaseText(job.options.phases[k]));
  }
  Message("run folder {}", job.options.out);
  if (!job.data.val) {
    Message("no validation data (val= in --data): overfitting cannot be seen");
  }
  if (!resumed) return;
  const Counters c = session.counters();
  Message("goes on from step {}: epoch {} of {}, {} of {} batches done",
          c.Steps(), c.Epochs() + 1, job.options.epochs, c.batch,
          job.Phase(c.phase).batches_per_epoch);
}

// Data on which the model can be judged: --val, or what `eval` takes of --data.
std::string EvaluationData(const JobOptions& o) {
  if (!o.val.empty()) return o.val;
  const DataSpec spec = ParseDataSpec(o.data);
  const bool held_out = spec.HoldsOutVal() && !spec.split_given;
  return o.data + (held_out && !HasSplit(spec, "test") ? "&split=val" : "");
}

void AddNext(const JobOptions& o, const SessionResult& r, Report* report) {
  if (!r.finished) {
    report->Next({"resume", o.out});
    return;
  }
  report->Next({"eval", o.out, "--data", EvaluationData(o)});
  if (!r.was_finished) return;
  report->Next({"resume", o.out, "--epochs", fmt::to_string(2 * o.epochs)});
}

std::string BestText(const Job& job, const SessionResult& r) {
  if (!r.finished) return "";  // not known yet
  if (!job.data.val) return "none: no validation data (val= in --data)";
  if (r.best_epoch == 0) return "none: no validation loss was finite";
  if (!job.classes.empty()) {
    return fmt::format(
        "{}: validation {}accuracy {}", r.best_epoch,
        job.options.monitor == "val_balanced_accuracy" ? "balanced " : "",
        FormatValue(r.best_accuracy, kShare));
  }
  return fmt::format("{}: validation loss {:.6f}", r.best_epoch, r.best_loss);
}

// Nothing is told that was not computed.
Value Known(bool known, double value) {
  return known && std::isfinite(value) ? Value(value) : Value();
}

Report MakeReport(const std::string& verb, const Job& job,
                  const SessionResult& r) {
  const JobOptions& o = job.options;
  Report report(verb);
  const bool best = r.best_epoch != 0;
  const bool val_best = best && job.data.val.has_value();
  if (r.was_finished) {
    report.Line(
        fmt::format("already finished: {} of {} epochs, {} steps; nothing was "
                    "done",
                    r.epochs_done, o.epochs, r.steps_done));
  } else if (r.stopped_early) {
    report.Line(fmt::format(
        "stopped early after epoch {} of {}: no better one in {} epochs",
        r.epochs_done, o.epochs, o.early_stop));
  } else if (!r.finished) {
    report.Line(fmt::format("stopped after step {}", r.steps_done));
  }
  report.Data("run", o.out);
  report.Data("finished", r.finished);
  report.Data("stopped_early", r.stopped_early);
  report.Data("epochs", r.epochs_done);
  report.Data("epochs_total", o.epochs);
  report.Data("steps", r.steps_done);
  report.Data("train_loss", Known(r.trained, r.train_loss));
  report.Data("train_accuracy", r.train_accuracy);
  report.Data("val_loss", r.val_loss);
  report.Data("val_accuracy", r.val_accuracy);
  if (models::IsRegressor(job.info.graph)) {
    report.Data("val_mae", r.val_mae);
    report.Data("val_rmse", r.val_rmse);
  }
  if (MeasuresClasses(job)) {
    report.Data("val_balanced_accuracy", r.val_balanced_accuracy);
    report.Data("val_f1", r.val_f1);
    report.Data("val_auc", r.val_auc);
  }
  const std::string best_text = BestText(job, r);
  report.Fact("best_epoch", best_text.empty() ? "" : "best epoch",
              best ? Value(r.best_epoch) : Value(), best_text);
  report.Data("best_accuracy",
              Known(val_best && !job.classes.empty(), r.best_accuracy));
  report.Data("best_loss", Known(val_best, r.best_loss));
  // Not by looking: the folder may have been moved while the run worked in it.
  const std::string last = LastCheckpoint(o.out);
  const std::string taken = r.has_best_weights ? BestWeights(o.out) : last;
  report.Text("weights", taken, kVerbatim);
  report.Data("weights", last);
  report.Data("weights_sha256", r.Sha256());
  report.Data("best_weights", taken == last ? Value() : Value(taken));
  report.Fact(
      "arena_bytes", r.was_finished ? "" : "arena", job.plan.arena_bytes,
      fmt::format("{} planned, {} touched", BytesText(job.plan.arena_bytes),
                  BytesText(r.peak_bytes)));
  report.Data("arena_peak_bytes", r.peak_bytes);
  report.Data("lower_bound_bytes", job.plan.lower_bound);
  report.Data("outside_bytes", OutsideBytes(job).Total());
  const bool trained = r.images_per_second > 0 && !r.was_finished;
  report.Fact("seconds", trained ? "time" : "", r.seconds,
              fmt::format("{}; {:.0f} samples/s in training",
                          DurationText(r.seconds), r.images_per_second));
  report.Data("images_per_second", Known(trained, r.images_per_second));
  report.Data("backend_bytes", job.plan.backend_bytes);
  AddMachine(job.plan.options.threads, &report, &job.plan);
  // The session has said them.
  for (const std::string& note : job.data.train.notes) report.SaidNote(note);
  for (const std::string& note : job.notes) report.SaidNote(note);
  Value signals = Value::array();
  for (const SignalFinding& finding : r.signals) {
    report.SaidNote(SignalText(job.plan.graph, finding, o.init));
    signals.push_back({{"kind", SignalName(finding.kind)},
                       {"layer", job.plan.graph.nodes[finding.node].name},
                       {"rms", finding.rms},
                       {"input_rms", finding.input_rms}});
  }
  report.Data("signals", signals);
  AddNext(o, r, &report);
  return report;
}

int RunSession(Cli& cli, Job job, std::unique_ptr<RunFolder> folder, bool quiet,
               const Counters* from = nullptr) {
  RunReporter reporter(quiet);
  const bool resumed = folder != nullptr;
  Session session(std::move(job), std::move(folder), &reporter, from);
  const Job& j = session.job();
  if (!session.diverged().empty()) {
    Message(
        "warning: this run has diverged at {} and will again: begin a new one "
        "with a smaller --lr, or with --warmup",
        session.diverged());
  }
  if (!quiet && !session.Finished()) PrintHead(session, resumed);
  const SessionResult r = session.Run();
  reporter.Release(r.end);
  Report report = MakeReport(cli.verb, j, r);
  if (r.end == SessionEnd::kDiverged) {
    report.Error(ExitCodeOf(r.end),
                 "training diverged: the validation loss of the last epoch is "
                 "not finite\n  Start a new run with a smaller --lr, or with "
                 "--warmup");
  }
  cli.output.Print(report);
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
  Series series;
  bool quiet = false, strict = false;

  // --strict is an option of the data, and stored as such.
  JobOptions Options() const {
    JobOptions o = options;
    if (!strict) return o;
    o.data = WithOption(o.data, "strict", "1");
    if (!o.val.empty()) o.val = WithOption(o.val, "strict", "1");
    return o;
  }
};

void AddStrict(Verb& verb, bool* strict) {
  verb.Flag("--strict", strict,
            "A picture that cannot be read is an error, not left out")
      .Group("Data");
}

int Train(Cli& cli, const TrainArguments& a, const std::string& folder) {
  if (!a.series.any()) {
    return RunSession(cli, NewJob(a.Options(), folder), nullptr, a.quiet);
  }
  Series series = a.series;
  series.options = a.Options();
  if (series.options.out.empty()) {
    series.options.out = folder;
    series.options.numbered = true;
  }
  return RunSeries(cli, std::move(series), a.quiet);
}

}  // namespace

void AddTrainVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  Verb& verb = cli.Add(
      "train", "Train a new model, or continue training an existing one",
      [&cli, a] { return Train(cli, *a, "runs/train"); });
  verb.example =
      "temper train --model resnet8 --data 'idx:DIR?val=0.1' --epochs 20";
  verb.Add("--model", &a->options.model, "MODEL",
           "A ready model, with options as in 'mobilenet_v1?width=0.25' "
           "(`temper list models`); a .safetensors file or a .json graph")
      .Required()
      .Group("Model");
  AddJobOptions(cli, verb, &a->options);
  AddRunOptions(verb, &a->options, &a->quiet);
  AddStrict(verb, &a->strict);
  AddSeriesOptions(verb, &a->series);
  verb.At("--data").Required();
}

void AddFinetuneVerb(Cli& cli) {
  auto a = std::make_shared<TrainArguments>();
  a->options.finetune = a->options.head_first = true;
  Verb& verb = cli.Add(
      "finetune",
      "Continue training from a model file, with a new head if the classes "
      "differ",
      [&cli, a] { return Train(cli, *a, "runs/finetune"); });
  verb.example =
      "temper finetune MODEL.safetensors --data 'idx:DIR?val=0.2' --freeze "
      "body";
  verb.Add("model", &a->options.model, "MODEL",
           "The .safetensors model, or a run folder: its best weights")
      .Required()
      .Group("Model");
  AddJobOptions(cli, verb, &a->options);
  AddRunOptions(verb, &a->options, &a->quiet);
  AddStrict(verb, &a->strict);
  AddSeriesOptions(verb, &a->series);
  verb.At("--data").Required();
}

namespace {

struct ResumeArguments {
  std::string run, data, val, arena, target, backend;
  uint32_t threads = 0, epochs = 0;
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
  if (!a.backend.empty()) options.backend = a.backend;
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

// A series has no place for what a single run may be given.
int ResumeWholeSeries(Cli& cli, const ResumeArguments& a, const Verb& verb) {
  for (const Option& option : verb.options) {
    const std::string& name = option.Name();
    if (option.IsPositional() || !option.given() || name == "--quiet" ||
        name == "--json") {
      continue;
    }
    const Series series = ReadSeries(a.run);
    Fail(ErrorKind::kUsage, name, Printable(a.run),
         "a series goes on as it began",
         fmt::format("Of one run: `temper resume {}/{}-1 {} {}`",
                     Printable(a.run), series.noun(), name, option.value));
  }
  return ResumeSeries(cli, a.run, a.quiet);
}

int Resume(Cli& cli, const ResumeArguments& a, const Verb& verb) {
  if (IsSeries(a.run)) return ResumeWholeSeries(cli, a, verb);
  auto folder = std::make_unique<RunFolder>(a.run, FolderMode::kResume);
  JobOptions options = ReadRunOptions(*folder);
  const JobOptions stored = options;
  // A target without FMA has bits of its own: the run keeps the one it was
  // given, unless told otherwise.
  if (!a.target.empty()) options.target = a.target;
  ChooseTarget(options.target);
  auto checkpoint =
      std::make_unique<ModelSource>(folder->Weights(kLastCheckpoint));
  const JobOptions saved = AsSaved(options, checkpoint->header());
  Job job = ResumedJob(a, saved, std::move(checkpoint));
  // The next resume finds the data there, too; machine and memory are asked
  // each time. Known to be the run's own before anything is written.
  Counters from = ReadCounters(job.source->header(), job);
  SetLength(job, a.epochs != 0 ? a.epochs : options.epochs, &from);
  if (!a.data.empty() || !a.val.empty() || a.epochs != 0) {
    JobOptions moved = stored;
    moved.data = DataOf(a.data, stored.data);
    moved.val = DataOf(a.val, stored.val);
    moved.epochs = job.options.epochs;
    moved.phases = job.options.phases;
    moved.lengthened_from = job.options.lengthened_from;
    folder->WriteFile("config.json", OptionsJson(moved));
  }
  return RunSession(cli, std::move(job), std::move(folder), a.quiet, &from);
}

}  // namespace

void AddResumeVerb(Cli& cli) {
  auto a = std::make_shared<ResumeArguments>();
  Verb& verb = cli.Add("resume", "Continue a run that was stopped, bit for bit",
                       nullptr);
  verb.run = [&cli, &verb, a] { return Resume(cli, *a, verb); };
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
  verb.Add("--epochs", &a->epochs, "N",
           "Make the run longer or shorter: N epochs in all. Its schedule is "
           "computed anew for that length")
      .Whole(1, 1000000)
      .Default("the run's")
      .Group("Run");
  verb.Add("--arena", &a->arena, "SIZE", "Memory for the job, such as 16MiB")
      .Default("the run's")
      .Group("Machine");
  AddBackendOption(verb, &a->backend);
  verb.At("--backend").Default("the run's");
  AddMachineOptions(verb, &a->threads, &a->target);
  verb.Flag("--quiet,-q", &a->quiet, "No progress and no notes").Group("Run");
}

}  // namespace temper::host
