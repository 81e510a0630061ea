// bench: the time of whole training steps on this machine: forward, loss,
// backward, SGD with momentum 0.9 and weight decay 5e-4 on everything, f32,
// batch norm live, on random samples in memory. Next to it what the machine can
// do at best (machine.h), measured in the same process. --profile measures the
// kernels alone and prints a device profile; --device puts the estimate that a
// profile gives beside each time.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/graphs/models.h"
#include "models/work.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/version.h"
#include "ports/host/machine/devices.h"
#include "ports/host/machine/machine.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/job.h"
#include "ports/sim/estimate.h"
#include "simd/target.h"
#include "temper/random.h"
#include "temper/trainer.h"

namespace temper::host {
namespace {

struct Arguments {
  std::vector<std::string> models = {"resnet8",      "ds_cnn",
                                     "mobilenet_v1", "fc_autoencoder",
                                     "mobilenet_v2", "resnet18"};
  std::vector<uint32_t> batches = {1, 8, 32};
  uint32_t threads = 0;
  std::string target, arena, device;
  double seconds = 1.0;
  bool profile = false;
};

// One line of the table before it is measured.
struct Case {
  std::string model;  // as given
  uint32_t batch = 0, classes = 0;
  Plan plan;
};
struct Timing {
  double seconds = 0;    // of a step; the median
  double peak_part = 0;  // of the FMA peak
};

// "mlp?hidden=256,128,lenet5" came in as four words; no model's name begins
// with a digit.
std::vector<std::string> JoinOptions(const std::vector<std::string>& words) {
  std::vector<std::string> specs;
  for (const std::string& word : words) {
    const bool digit = !word.empty() && word[0] >= '0' && word[0] <= '9';
    if (digit && !specs.empty()) {
      specs.back() += "," + word;
    } else {
      specs.push_back(word);
    }
  }
  return specs;
}

// Everything that can be wrong is found here, before the first step. What
// cannot be trained at one batch size is left out, unless nothing remains.
std::vector<Case> PlanCases(const Arguments& a, uint32_t threads) {
  const uint64_t limit = a.arena.empty() ? std::numeric_limits<uint64_t>::max()
                                         : ParseBytes(a.arena);
  std::vector<Case> cases;
  std::optional<Failure> left_out;
  for (const std::string& spec : JoinOptions(a.models)) {
    Shape input{1, 1, 1};
    uint32_t classes = 2;
    for (const models::ModelInfo* info : models::Models()) {
      if (spec.substr(0, spec.find('?')) != info->name) continue;
      input = info->input;
      classes = std::max(2u, info->classes);
    }
    const Graph graph =
        BuildModelOrFail(spec, input, {TargetKind::kClasses, classes});
    for (const uint32_t batch : a.batches) {
      Case c;
      c.model = spec;
      c.batch = batch;
      c.classes = classes;
      PlanOptions options;
      options.batch = batch;
      options.threads = threads;
      SgdParams sgd;
      sgd.decay_all = 1;
      options.optimizer = sgd;
      const Status status = MakePlan(graph, options, &c.plan);
      const std::string what =
          fmt::format("{}, batch {}", Printable(spec), batch);
      if (status.ok()) {
        if (c.plan.arena_bytes > limit) {
          Fail(ErrorKind::kDoesNotFit,
               what + ": the job does not fit the arena",
               fmt::format("--arena {}", Printable(a.arena)),
               fmt::format("the plan needs {} bytes", c.plan.arena_bytes),
               "Use a larger --arena or a smaller --batch");
        }
        cases.push_back(std::move(c));
        continue;
      }
      try {
        FailStatus(status, graph, what);
      } catch (const Failure& failure) {
        // Batch norm on one value per channel.
        if (status.node >= graph.nodes.size() ||
            !HasBatchStatistics(graph.nodes[status.node].kind)) {
          throw;
        }
        left_out = failure;
      }
      if (a.batches.size() > 1) {
        Message("note: {} is left out: {}", what, status.message);
      }
    }
  }
  if (cases.empty()) throw *left_out;
  return cases;
}

Timing Measure(const Case& c, const ParallelRunner& parallel, double seconds,
               double peak_gflops) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const std::string name =
      fmt::format("{}, batch {}", Printable(c.model), c.batch);
  std::unique_ptr<HostArena> arena;
  std::vector<float> input;
  try {
    arena = std::make_unique<HostArena>(c.plan.arena_bytes);
    input.resize(c.batch * c.plan.shapes[0].Count());
  } catch (const Failure& failure) {
    throw Failure(failure.kind, name + ": " + failure.message);
  } catch (const std::bad_alloc&) {
    Fail(ErrorKind::kDoesNotFit, name, "samples", "out of memory",
         "Use a smaller batch");
  }
  for (size_t i = 0; i < input.size(); ++i) {
    const uint32_t word = RandomWord(1, static_cast<uint32_t>(i), 0, 0, 0);
    input[i] = static_cast<float>(static_cast<int32_t>(word)) * 0x1p-31f;
  }
  std::vector<int32_t> labels(c.batch);
  for (uint32_t i = 0; i < c.batch; ++i) {
    labels[i] = static_cast<int32_t>(i % c.classes);
  }
  Trainer trainer;
  const Status status =
      trainer.Create(c.plan, arena->data(), arena->size(), parallel);
  if (!status.ok()) FailStatus(status, c.plan.graph, name);
  trainer.Initialize(1);

  Batch batch;
  batch.input = input.data();
  batch.labels = labels.data();
  batch.rows = c.batch;
  const auto step = [&] {
    const auto begin = Clock::now();
    // Slow enough that hours on one batch stay finite.
    const StepResult r = trainer.Step(batch, 1e-3f);
    if (!r.status.ok()) FailStatus(r.status, c.plan.graph, name);
    return since(begin);
  };
  double last = 0;
  for (int i = 0; i < 3; ++i) last = step();
  // Room for every step there can be: nothing is allocated while steps run.
  const double expected = 4 * seconds / std::max(last, 1e-7);
  std::vector<double> times;
  times.reserve(static_cast<size_t>(std::min(expected, 4e6)) + 16);
  const auto start = Clock::now();
  while (times.size() < times.capacity() &&
         (times.size() < 5 || since(start) < seconds)) {
    times.push_back(step());
  }
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  Timing t;
  t.seconds = *middle;
  t.peak_part = 2e-9 * static_cast<double>(models::StepMultiplyAdds(c.plan)) *
                c.batch / t.seconds / peak_gflops;
  return t;
}

int Run(const Cli& cli, const Arguments& a) {
  ChooseTarget(a.target);
  const uint32_t threads = a.threads == 0 ? DefaultThreads() : a.threads;
  if (a.profile) {
    const sim::DeviceProfile profile = MeasureThisMachine(
        threads, [](const char* what) { Message("measuring {}", what); });
    if (cli.json) {
      PrintJson(nlohmann::ordered_json::parse(sim::ProfileJson(profile)));
    } else {
      PrintResult(sim::ProfileToml(profile));
    }
    return kExitOk;
  }
  sim::DeviceProfile device;
  if (!a.device.empty()) device = LoadDevice(a.device);
  for (const std::string& note : device.notes) Message("note: {}", note);
  const std::vector<Case> cases = PlanCases(a, threads);
  if (threads > DefaultThreads()) {
    Message("note: {} threads on {} CPUs: they will wait for each other",
            threads, DefaultThreads());
  }
  const std::unique_ptr<ThreadPool> pool = MakeThreadPool(threads);
  const double peak = FmaPeakGflops(pool->runner());
  const double peak_one = threads == 1 ? peak : FmaPeakGflops({});
  const double copy = CopyGbytesPerSecond(pool->runner());
  const simd::Target target = simd::CurrentTarget();
  const std::string cpu = CpuName();
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  if (!cli.json) {
    Result("{}{}{} of {} CPUs, target {}\n", cpu, cpu.empty() ? "" : ", ",
           threads, DefaultThreads(), target.name);
    Result("FMA peak {:.1f} GFLOP/s, copy {:.1f} GB/s (read + written)\n\n",
           peak, copy);
    Result("{:<24} {:>6} {:>12} {:>12} {:>12} {:>12}{}\n", "model", "batch",
           "images/s", "ms/step", "of FMA peak", "arena MiB",
           a.device.empty() ? "" : "     estimate    off by");
  }
  for (const Case& c : cases) {
    const Timing t = Measure(c, pool->runner(), a.seconds, peak);
    double estimate = 0;  // seconds
    if (!a.device.empty()) {
      estimate =
          sim::EstimateStep(device, c.plan, c.batch, threads, true).seconds;
    }
    if (cli.json) {
      steps.push_back({{"model", c.model},
                       {"batch", c.batch},
                       {"threads", threads},
                       {"images_per_second", c.batch / t.seconds},
                       {"ms_per_step", 1e3 * t.seconds},
                       {"fraction_of_peak", t.peak_part},
                       {"arena_bytes", c.plan.arena_bytes}});
      if (estimate > 0) steps.back()["estimated_ms_per_step"] = 1e3 * estimate;
    } else {
      Result("{:<24} {:>6} {:>12.1f} {:>12.3f} {:>11.1f}% {:>12.2f}",
             Printable(c.model), c.batch, c.batch / t.seconds, 1e3 * t.seconds,
             100 * t.peak_part,
             static_cast<double>(c.plan.arena_bytes) / 1048576.0);
      if (estimate > 0) {
        Result(" {:>12.3f} {:>8.1f}%", 1e3 * estimate,
               100 * (estimate / t.seconds - 1));
      }
      Result("\n");
      std::fflush(stdout);
    }
  }
  if (cli.json) {
    const nlohmann::ordered_json json = {
        {"machine",
         {{"cpu", cpu},
          {"cpus", DefaultThreads()},
          {"temper", Version()},
          {"compiler", Compiler()},
          {"target", target.name},
          {"exact", target.exact},
          {"threads", threads},
          {"fma_peak_gflops", peak},
          {"fma_peak_gflops_one_thread", peak_one},
          {"copy_gbytes_per_s", copy}}},
        {"steps", steps}};
    PrintJson(json);
  }
  return kExitOk;
}

}  // namespace

void AddBenchVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb =
      cli.Add("bench", "Measure the time of training steps on this machine",
              [&cli, a] { return Run(cli, *a); });
  verb.example = "temper bench --models resnet8 --batch 1,32";
  verb.Add("--models", &a->models, "A,B,...",
           "Models, separated by commas, at the sizes they were made for: "
           "resnet8,mobilenet_v1?width=0.5")
      .Group("What");
  verb.Add("--batch", &a->batches, "N,M,...", "Batch sizes")
      .Whole(1, kMaxBatch)
      .Group("What");
  verb.Add("--seconds", &a->seconds, "SECONDS",
           "How long each is measured; at least 5 steps")
      .Range(0.001, 3600)
      .Group("What");
  verb.Add("--arena", &a->arena, "SIZE",
           "Memory that each must fit, such as 16MiB")
      .Group("What");
  verb.Add(
          "--device", &a->device, "NAME",
          "Estimate the times, too: a device's name (`temper list devices`) or "
          "its profile, FILE.toml")
      .Group("What");
  verb.Flag("--profile", &a->profile,
            "Measure kernels instead and print this machine's device profile "
            "(TOML); about a minute")
      .Excludes({"--models", "--batch", "--seconds", "--arena", "--device"})
      .Group("What");
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
