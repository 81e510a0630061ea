// simulate: runs a job here under the constraints of another device (memory,
// cores, SIMD target), and estimates from the device's profile how long the
// steps, the saves and the whole job take there. The run is that of `train`: on
// exact targets it ends in the weights that the device would end in.
// Next: ports/sim/estimate.h, docs/simulation.md.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/cli/run_reporter.h"
#include "ports/host/base/failure.h"
#include "ports/host/machine/devices.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/simulate/memory_limit.h"
#include "ports/host/simulate/prediction.h"
#include "ports/host/simulate/slow_storage.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/session.h"
#include "ports/sim/estimate.h"
#include "simd/target.h"

namespace temper::host {
namespace {

struct Arguments {
  JobOptions options;
  std::string run, device, memory;
  bool no_run = false, all = false, quiet = false;
};

// The device's target where this CPU has it; else the best one here. Exact
// targets give the same bits, so that only speed differs.
std::string ChooseDeviceTarget(const sim::DeviceProfile& device,
                               const std::string& asked, bool backend) {
  if (!asked.empty()) {
    ChooseTarget(asked);
  } else if (!simd::ForceTarget(device.cpu.target.c_str())) {
    ChooseTarget("");
  }
  const simd::Target target = simd::CurrentTarget();
  // 32-bit ARM's NEON has the name of the 64-bit one, but not its bits.
  if (target.name == device.cpu.target && target.exact == device.Exact()) {
    return "";
  }
  return fmt::format(
      "runs with {} in place of the device's {}: {}", target.name,
      device.cpu.target,
      device.Exact() && target.exact && !backend
          ? "both are exact, the weights are the same"
          : "not both are exact, the device's weights will differ slightly");
}

JobOptions OptionsOf(const Arguments& a, Verb& verb) {
  if (a.run.empty()) {
    if (a.options.model.empty() || a.options.data.empty()) {
      Fail(ErrorKind::kUsage, "nothing to simulate", "",
           "a job is a run folder, or --model and --data as for train", "");
    }
    return a.options;
  }
  // The folder's own options decide everything but how and where it runs here.
  constexpr std::string_view kOwn[] = {
      "--device", "--memory",  "--no-run", "--all",   "--out",  "--overwrite",
      "--quiet",  "--threads", "--target", "--arena", "--json", "run"};
  for (const Option& option : verb.options) {
    const std::string& name = option.Name();
    if (!option.given() ||
        std::find(std::begin(kOwn), std::end(kOwn), name) != std::end(kOwn)) {
      continue;
    }
    Fail(ErrorKind::kUsage, name, "", "a run folder brings this option itself",
         "Leave it out, or give --model and --data instead of the folder");
  }
  JobOptions o = ReadRunOptions(a.run);
  if (!a.options.out.empty()) {
    std::error_code ignored;
    if (std::filesystem::equivalent(a.options.out, a.run, ignored)) {
      Fail(ErrorKind::kUsage, "--out", Printable(a.options.out),
           "a simulation does not touch the run that it repeats",
           "Choose another folder");
    }
  }
  o.out = a.options.out;
  o.overwrite = a.options.overwrite;
  o.threads = a.options.threads;
  o.target = a.options.target;
  if (!a.options.arena.empty()) o.arena = a.options.arena;
  return o;
}

void AddProvenance(const sim::DeviceProfile& device, Report* report) {
  const auto add = [&](const char* name, const sim::Provenance& origin) {
    report->Data(
        std::string("provenance.") + name,
        {{"origin", OriginName(origin.origin)}, {"source", origin.source}});
  };
  add("cpu", device.cpu.provenance);
  add("memory", device.memory.provenance);
  add("storage", device.storage.provenance);
  add("overhead", device.overhead.provenance);
  add("threads", device.threads.provenance);
  add("kernels", device.rates[0].provenance);
  report->Text("numbers",
               fmt::format("kernels {}, memory {}, storage {}",
                           OriginName(device.rates[0].provenance.origin),
                           OriginName(device.memory.provenance.origin),
                           OriginName(device.storage.provenance.origin)));
}

void AddLayers(const Plan& plan, const sim::Estimate& e, bool all,
               Report* report) {
  constexpr double kSmall = 0.01;
  constexpr Format kMs = {Format::kFixed, 3};
  report->Line("");
  Table& table =
      report->AddTable("layers", {{"layer", "layer", Column::kName},
                                  {"kind", "kind", Column::kName},
                                  {"forward_ms", "forward ms", {}, kMs},
                                  {"backward_ms", "backward", {}, kMs},
                                  {"update_ms", "update", {}, kMs},
                                  {"share", "share", {}, kShare},
                                  {"operations", ""},
                                  {"bytes", ""},
                                  {"bound", "bound by", Column::kText}});
  table.more = "below 1 %: --all";
  for (size_t i = 0; i < e.layers.size(); ++i) {
    const sim::LayerEstimate& layer = e.layers[i];
    sim::Cost cost = layer.forward;
    cost.Add(layer.backward);
    cost.Add(layer.update);
    if (cost.Total() <= 0) continue;
    const Node& node = plan.graph.nodes[i];
    const double share = cost.Total() / e.seconds;
    table.Add({node.name, LayerName(node.kind), 1e3 * layer.forward.Total(),
               1e3 * layer.backward.Total(), 1e3 * layer.update.Total(), share,
               layer.operations, layer.bytes, BoundName(cost.Most())},
              all || share >= kSmall);
  }
}

void AddPrediction(const sim::DeviceProfile& device, const Job& job,
                   const DevicePrediction& p, bool all, Report* report) {
  const uint32_t threads = job.plan.options.threads;
  report->Data("fits", true);  // what does not is refused
  report->Fact(
      "planned_bytes", "fits", p.planned,
      fmt::format("yes: {} (arena {}{}, outside it {}) of {}",
                  BytesText(p.planned), BytesText(p.arena),
                  p.backend == 0 ? "" : ", XNNPACK " + BytesText(p.backend),
                  BytesText(p.outside), BytesText(p.limit)));
  report->Data("arena_bytes", p.arena);
  report->Data("backend_bytes", p.backend);
  report->Data("outside_bytes", p.outside);
  report->Data("memory_limit_bytes", p.limit);
  report->Data("process_constant_bytes", kProcessBytes);
  const uint64_t batches = p.step_count;
  report->Text("whole job",
               fmt::format("{}: {} batches {}, validation {}, {} saves {}",
                           DurationText(p.Total()), batches,
                           DurationText(p.steps), DurationText(p.evaluation),
                           p.save_count, DurationText(p.saves)));
  report->Text("step",
               fmt::format("{:.4g} ms at batch {}, {}: {:.4g} samples/s",
                           1e3 * p.step.seconds, job.options.batch,
                           Counted(threads, "thread"),
                           job.options.batch / p.step.seconds));
  report->Text("forward pass",
               fmt::format("{:.4g} ms at batch {}: {:.4g} samples/s; {:.4g} ms "
                           "for one sample",
                           1e3 * p.forward, job.options.batch,
                           job.options.batch / p.forward, 1e3 * p.forward_one));
  report->Fact("device", "device", device.name,
               fmt::format("{}: {}, {}, {} for programs", device.name,
                           Counted(device.cpu.cores, "core"), device.cpu.target,
                           BytesText(device.memory.bytes)));
  report->Data("device_target", device.cpu.target);
  report->Data("target", simd::CurrentTarget().name);
  report->Data("exact", device.Exact() && WhyNotExact(job.plan).empty());
  report->Data("threads", threads);
  report->Data("estimate",
               {{"ms_per_step", 1e3 * p.step.seconds},
                {"images_per_second", job.options.batch / p.step.seconds},
                {"forward_ms_per_batch", 1e3 * p.forward},
                {"forward_ms_of_one", 1e3 * p.forward_one},
                {"steps", batches},
                {"steps_seconds", p.steps},
                {"validation_seconds", p.evaluation},
                {"save_seconds", p.saves},
                {"saves", p.save_count},
                {"total_seconds", p.Total()}});
  if (!job.phases.empty()) {
    report->Note(
        fmt::format("{} phases: times are sums over all of them; the step and "
                    "its layers are "
                    "those of the phase that needs the most memory",
                    job.phases.size()));
  }
  AddProvenance(device, report);
  AddLayers(job.plan, p.step, all, report);
}

// What the repeated run ended in, if it came to its end.
std::optional<std::string> WeightsOfRun(const std::string& run,
                                        const Job& job) {
  if (run.empty() || !std::filesystem::exists(LastCheckpoint(run))) return {};
  try {
    ModelSource file(LastCheckpoint(run));
    if (HasFinished(ReadCounters(file.header(), job), job.options)) {
      return file.WeightsSha256();
    }
  } catch (const Failure& failure) {
    Message("note: not compared with the run in {}: {}", Printable(run),
            failure.message);
  }
  return {};
}

// What the run here was like; what it ended in.
void AddRun(const Arguments& a, const Session& session, const SessionResult& r,
            uint64_t limit, Report* report) {
  const uint64_t peak = StatusBytes("VmHWM");
  const bool inside = peak <= limit + kProcessBytes;
  std::optional<std::string> original;
  if (r.end == SessionEnd::kFinished)
    original = WeightsOfRun(a.run, session.job());
  const bool same = !original || *original == r.Sha256();
  const std::string& out = session.job().options.out;
  report->Line("");
  report->Fact("seconds", "ran here", r.seconds,
               fmt::format("{}, of which {} saves {} at the speed of the "
                           "device's storage",
                           DurationText(r.seconds), r.saves,
                           DurationText(r.save_seconds)));
  report->Data("finished", r.end == SessionEnd::kFinished);
  report->Data("steps", r.steps_done);
  report->Data("saves", r.saves);
  report->Data("save_seconds", r.save_seconds);
  report->Data("arena_peak_bytes", r.peak_bytes);
  report->Fact(
      "process_peak_bytes", "process", peak,
      fmt::format("{} at most, {} the limit and {}", BytesText(peak),
                  inside ? "inside" : "OUTSIDE", BytesText(kProcessBytes)));
  report->Data("process_inside", inside);
  report->Fact(
      "same_as_run", original ? "weights are" : "",
      original ? Value(same) : Value(),
      fmt::format("{} the run in {}",
                  same ? "the same as those of" : "NOT those of", a.run));
  report->Fact("run", "run folder", out, kVerbatim);
  report->Fact("weights", "weights", LastCheckpoint(out), kVerbatim);
  report->Data("weights_sha256", r.Sha256());
  if (r.end != SessionEnd::kFinished) return;
  if (!inside) {
    report->Error(kExitDoesNotFit,
                  fmt::format("the process took more than the limit and {}: {}",
                              BytesText(kProcessBytes), BytesText(peak)));
  } else if (!same) {
    report->Error(kExitMismatch, "the weights differ from those of the run: " +
                                     Printable(a.run));
  }
}

int Run(Cli& cli, const Arguments& a, Verb& verb) {
  const sim::DeviceProfile device = LoadDevice(a.device);
  JobOptions options = OptionsOf(a, verb);
  const uint64_t limit =
      a.memory.empty() ? device.memory.bytes : ParseBytes(a.memory);
  Report report(cli.verb);
  report.Notes(device.notes);
  const std::string target_note =
      ChooseDeviceTarget(device, options.target,
                         ReadBackend(options.backend) != Backend::kHighway);
  if (!target_note.empty()) report.Note(target_note);
  if (options.threads == 0) options.threads = device.cpu.cores;
  if (options.threads > device.cpu.cores) {
    Fail(ErrorKind::kUsage, "--threads", fmt::format("{}", options.threads),
         fmt::format("the device has {} cores", device.cpu.cores), "");
  }
  options.elsewhere = true;
  if (options.out.empty() && !a.no_run) {
    options.out = "simulations/run";
    options.numbered = true;
  }
  Job job = PrepareJob(options);
  report.Notes(job.notes);
  const DevicePrediction p = Predict(device, job, limit);
  if (p.planned > limit) {
    Fail(ErrorKind::kDoesNotFit, "the job does not fit the device",
         a.memory.empty() ? device.name : "--memory " + Printable(a.memory),
         fmt::format(
             "arena {}{} and {} outside it (data, batches) are {} "
             "bytes, the limit is {}",
             p.arena,
             p.backend == 0 ? "" : fmt::format(", {} of XNNPACK", p.backend),
             p.outside, p.planned, limit),
         fmt::format("Use --memory {}, a smaller --batch, or {}", p.planned,
                     p.backend == 0 ? "--freeze" : "--backend highway"));
  }
  AddPrediction(device, job, p, a.all, &report);
  if (a.no_run) {
    report.Data("weights_sha256", Value());
    return cli.output.Print(report);
  }

  cli.output.Show(report);
  RunReporter reporter(a.quiet);
  SlowStorage storage(reporter, device.storage.fsync_ms * 1e-3,
                      1e-6 / device.storage.write_mbytes);
  // More threads than CPUs would only wait for each other.
  job.run_threads = std::min(job.plan.options.threads, DefaultThreads());
  std::optional<MemoryLimit> limited(
      std::in_place, p.arena + p.backend + p.outside, job.plan.options.threads);
  Session session(std::move(job), nullptr, &storage);
  const SessionResult r = session.Run();
  reporter.Release(r.end);
  limited.reset();
  AddRun(a, session, r, limit, &report);
  const int code = cli.output.Print(report);
  return r.end == SessionEnd::kFinished ? code : ExitCodeOf(r.end);
}

}  // namespace

void AddSimulateVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add(
      "simulate",
      "Run a job as another device would, and estimate its time there", [] {
        return static_cast<int>(kExitBug);  // set below: it needs the verb
      });
  verb.run = [&cli, &verb, a] { return Run(cli, *a, verb); };
  verb.example = "temper simulate --device pi-4 --model resnet8 --data idx:DIR";
  verb.Add("run", &a->run, "RUN",
           "A run folder whose job is run again; or --model and --data")
      .NotInFiles()
      .Group("Device");
  std::string names;
  for (const sim::BuiltInProfile& p : sim::BuiltInProfiles()) {
    names += fmt::format("{}, ", p.name);
  }
  verb.Add("--device", &a->device, "NAME",
           fmt::format("{}or a profile, FILE.toml", names))
      .Required()
      .Group("Device");
  verb.Add("--memory", &a->memory, "SIZE", "Memory for the job, data included")
      .Default("the device's")
      .Group("Device");
  verb.Flag("--no-run", &a->no_run, "Estimate only").Group("Device");
  verb.Flag("--all", &a->all, "Show small layers as well").Group("Output");
  verb.Add("--model", &a->options.model, "MODEL", "As for train or finetune")
      .Group("Model");
  verb.Flag("--finetune", &a->options.finetune,
            "As finetune: a new head if the classes differ")
      .Group("Model");
  AddJobOptions(cli, verb, &a->options);
  verb.after.push_back([a] { a->options.head_first = a->options.finetune; });
  AddRunOptions(verb, &a->options, &a->quiet);
}

}  // namespace temper::host
