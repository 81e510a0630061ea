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
#include <nlohmann/json.hpp>
#include <optional>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/cli/run_reporter.h"
#include "ports/host/base/failure.h"
#include "ports/host/machine/devices.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/simulate/memory_limit.h"
#include "ports/host/simulate/prediction.h"
#include "ports/host/simulate/slow_storage.h"
#include "ports/host/train/session.h"
#include "ports/sim/estimate.h"
#include "simd/target.h"

namespace temper::host {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  JobOptions options;
  std::string run, device, memory;
  bool no_run = false, all = false, quiet = false;
};

// The device's target where this CPU has it; else the best one here. Exact
// targets give the same bits, so that only speed differs.
std::string ChooseDeviceTarget(const sim::DeviceProfile& device,
                               const std::string& asked) {
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
      device.Exact() && target.exact
          ? "both are exact, the weights are the same"
          : "not both are exact, the device's weights will differ slightly");
}

JobOptions OptionsOf(const Arguments& a, Verb& verb) {
  if (a.run.empty()) {
    if (a.options.model.empty() || a.options.data.empty()) {
      Fail(ErrorKind::kUsage, "nothing to simulate", "",
           "a job is a run folder, or --model and --data as for train", "");
    }
    JobOptions o = a.options;
    // The verb's own default.
    if (o.finetune && !verb.At("--lr").given()) o.lr = kFinetuneRate;
    return o;
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

struct LayerRow {
  std::string name, kind, bound;
  double forward, backward, update, share;  // seconds; of the step
  double operations, bytes;
};
std::vector<LayerRow> LayersOf(const Plan& plan, const sim::Estimate& e) {
  std::vector<LayerRow> rows;
  for (size_t i = 0; i < e.layers.size(); ++i) {
    const sim::LayerEstimate& layer = e.layers[i];
    sim::Cost all = layer.forward;
    all.Add(layer.backward);
    all.Add(layer.update);
    if (all.Total() <= 0) continue;
    const Node& node = plan.graph.nodes[i];
    rows.push_back({node.name, LayerName(node.kind), BoundName(all.Most()),
                    layer.forward.Total(), layer.backward.Total(),
                    layer.update.Total(), all.Total() / e.seconds,
                    layer.operations, layer.bytes});
  }
  return rows;
}

Json JsonOf(const sim::DeviceProfile& device, const Job& job,
            const Prediction& p, const std::vector<std::string>& notes) {
  Json layers = Json::array();
  for (const LayerRow& row : LayersOf(job.plan, p.step)) {
    layers.push_back({{"layer", row.name},
                      {"kind", row.kind},
                      {"forward_ms", 1e3 * row.forward},
                      {"backward_ms", 1e3 * row.backward},
                      {"update_ms", 1e3 * row.update},
                      {"share", row.share},
                      {"operations", row.operations},
                      {"bytes", row.bytes},
                      {"bound", row.bound}});
  }
  Json provenance = Json::object();
  const auto add = [&](const char* name, const sim::Provenance& origin) {
    provenance[name] = {{"origin", OriginName(origin.origin)},
                        {"source", origin.source}};
  };
  add("cpu", device.cpu.provenance);
  add("memory", device.memory.provenance);
  add("storage", device.storage.provenance);
  add("overhead", device.overhead.provenance);
  add("threads", device.threads.provenance);
  add("kernels", device.rates[0].provenance);
  return {{"device", device.name},
          {"device_target", device.cpu.target},
          {"target", simd::CurrentTarget().name},
          {"exact", device.Exact() && simd::CurrentTarget().exact},
          {"threads", job.plan.options.threads},
          {"fits", true},  // what does not is refused
          {"memory_limit", p.limit},
          {"arena_bytes", p.arena},
          {"outside_bytes", p.outside},
          {"planned_bytes", p.planned},
          {"process_constant_bytes", kProcessBytes},
          {"estimate",
           {{"ms_per_step", 1e3 * p.step.seconds},
            {"images_per_second", job.options.batch / p.step.seconds},
            {"steps", job.steps_per_epoch * job.options.epochs},
            {"steps_seconds", p.steps},
            {"validation_seconds", p.evaluation},
            {"save_seconds", p.saves},
            {"saves", p.save_count},
            {"total_seconds", p.Total()}}},
          {"layers", layers},
          {"provenance", provenance},
          {"notes", notes}};
}

std::string Duration(double seconds) {
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

void Print(const sim::DeviceProfile& device, const Job& job,
           const Prediction& p, bool all) {
  const auto mib = [](uint64_t bytes) {
    return static_cast<double>(bytes) / 1048576.0;
  };
  Result("device        {}: {} core{}, {}, {:.0f} MiB for programs\n",
         device.name, device.cpu.cores, device.cpu.cores == 1 ? "" : "s",
         device.cpu.target, mib(device.memory.bytes));
  Result("numbers       kernels {}, memory {}, storage {}\n",
         OriginName(device.rates[0].provenance.origin),
         OriginName(device.memory.provenance.origin),
         OriginName(device.storage.provenance.origin));
  Result(
      "memory        {} bytes planned ({:.2f} MiB: arena {}, outside {}) of "
      "{}: "
      "fits\n",
      p.planned, mib(p.planned), p.arena, p.outside, p.limit);
  Result("step          {:.4g} ms at batch {}, {} thread{}: {:.4g} images/s\n",
         1e3 * p.step.seconds, job.options.batch, job.plan.options.threads,
         job.plan.options.threads == 1 ? "" : "s",
         job.options.batch / p.step.seconds);
  Result("whole job     {}: {} steps {}, validation {}, {} saves {}\n\n",
         Duration(p.Total()), job.steps_per_epoch * job.options.epochs,
         Duration(p.steps), Duration(p.evaluation), p.save_count,
         Duration(p.saves));
  std::vector<LayerRow> rows = LayersOf(job.plan, p.step);
  Result("{:<24} {:<18} {:>10} {:>10} {:>10} {:>7}  {}\n", "layer", "kind",
         "forward ms", "backward", "update", "share", "bound by");
  size_t left_out = 0;
  for (const LayerRow& row : rows) {
    if (!all && row.share < 0.01) {
      ++left_out;
      continue;
    }
    Result("{:<24} {:<18} {:>10.4f} {:>10.4f} {:>10.4f} {:>6.1f}%  {}\n",
           Printable(row.name), row.kind, 1e3 * row.forward, 1e3 * row.backward,
           1e3 * row.update, 100 * row.share, row.bound);
  }
  if (left_out != 0) Result("({} below 1 %: --all)\n", left_out);
  Result("\n");
}

int Run(const Cli& cli, const Arguments& a, Verb& verb) {
  const sim::DeviceProfile device = LoadDevice(a.device);
  JobOptions options = OptionsOf(a, verb);
  const uint64_t limit =
      a.memory.empty() ? device.memory.bytes : ParseBytes(a.memory);
  std::vector<std::string> notes = device.notes;
  const std::string target_note = ChooseDeviceTarget(device, options.target);
  if (!target_note.empty()) notes.push_back(target_note);
  if (options.threads == 0) options.threads = device.cpu.cores;
  if (options.threads > device.cpu.cores) {
    Fail(ErrorKind::kUsage, "--threads", fmt::format("{}", options.threads),
         fmt::format("the device has {} cores", device.cpu.cores), "");
  }
  options.elsewhere = true;
  if (options.out.empty() && !a.no_run) {
    options.out = "runs/simulate";
    options.numbered = true;
  }
  Job job = PrepareJob(options);
  for (const std::string& note : job.notes) notes.push_back(note);
  const Prediction p = Predict(device, job, limit);
  if (p.planned > limit) {
    Fail(ErrorKind::kDoesNotFit, "the job does not fit the device",
         a.memory.empty() ? device.name : "--memory " + Printable(a.memory),
         fmt::format("arena {} and {} outside it (data, batches) are {} bytes, "
                     "the limit is {}",
                     p.arena, p.outside, p.planned, limit),
         fmt::format("Use --memory {}, a smaller --batch, or --freeze",
                     p.planned));
  }
  Json json;
  if (cli.json) json = JsonOf(device, job, p, notes);
  if (!cli.json) {
    Print(device, job, p, a.all);
    for (const std::string& note : notes) Result("note: {}\n", note);
  }
  if (a.no_run) {
    if (cli.json) {
      json["weights_sha256"] = nullptr;
      PrintJson(json);
    }
    return kExitOk;
  }

  std::fflush(stdout);
  RunReporter reporter(a.quiet);
  SlowStorage storage(reporter, device.storage.fsync_ms * 1e-3,
                      1e-6 / device.storage.write_mbytes);
  // More threads than CPUs would only wait for each other.
  job.run_threads = std::min(job.plan.options.threads, DefaultThreads());
  std::optional<MemoryLimit> limited(std::in_place, p.arena + p.outside,
                                     job.plan.options.threads);
  Session session(std::move(job), nullptr, &storage);
  const SessionResult r = session.Run();
  reporter.Release(r.end);
  limited.reset();
  const uint64_t peak = StatusBytes("VmHWM");
  const bool inside = peak <= limit + kProcessBytes;
  // What the repeated run ended in, if it came to its end.
  std::optional<std::string> original;
  if (!a.run.empty() && r.end == SessionEnd::kFinished &&
      std::filesystem::exists(LastCheckpoint(a.run))) {
    try {
      ModelSource file(LastCheckpoint(a.run));
      if (ReadCounters(file.header(), session.job()).epoch ==
          session.job().options.epochs) {
        original = file.WeightsSha256();
      }
    } catch (const Failure& failure) {
      Message("note: not compared with the run in {}: {}", Printable(a.run),
              failure.message);
    }
  }
  const bool same = !original || *original == r.Sha256();
  if (cli.json) {
    json["out"] = session.job().options.out;
    json["finished"] = r.end == SessionEnd::kFinished;
    json["steps"] = r.steps_done;
    json["host_seconds"] = r.seconds;
    json["host_saves"] = r.saves;
    json["host_save_seconds"] = r.save_seconds;
    json["arena_peak_bytes"] = r.peak_bytes;
    json["process_peak_bytes"] = peak;
    json["process_inside"] = inside;
    json["same_as_run"] = original ? Json(same) : Json();
    json["weights_sha256"] = r.Sha256();
    PrintJson(json);
  } else {
    Result(
        "ran here      {:.1f} s, of which {} saves {:.2f} s at the speed of "
        "the "
        "device's storage; run folder {}\n",
        r.seconds, r.saves, r.save_seconds, session.job().options.out);
    Result("process       {} bytes at most, {} the limit and {} MiB\n", peak,
           inside ? "inside" : "OUTSIDE", kProcessBytes >> 20);
    if (original) {
      Result("weights       {} the run in {}\n",
             same ? "the same as those of" : "NOT those of", a.run);
    }
    Result("sha256        {}\n", r.Sha256());
  }
  if (r.end != SessionEnd::kFinished) return ExitCodeOf(r.end);
  if (!inside) {
    Message("temper: the process took {} bytes, more than the limit and {}",
            peak, kProcessBytes);
    return kExitDoesNotFit;
  }
  if (!same) {
    Message("temper: the weights differ from those of the run in {}",
            Printable(a.run));
    return kExitMismatch;
  }
  return kExitOk;
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
  AddRunOptions(verb, &a->options, &a->quiet);
}

}  // namespace temper::host
