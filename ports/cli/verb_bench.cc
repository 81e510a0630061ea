// bench: the time of whole training steps on this machine: forward, loss,
// backward, SGD with momentum 0.9 and weight decay 5e-4 on everything, f32,
// batch norm live, on random samples in memory. Next to it what the machine can
// do at best (machine.h), measured in the same process. --profile measures the
// kernels alone and prints a device profile; --device puts the estimate that a
// profile gives beside each time; --forward measures predictions, on either
// backend.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>

#include "models/work.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/base/version.h"
#include "ports/host/machine/devices.h"
#include "ports/host/machine/machine.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/backend.h"
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
  bool forward = false;
  std::string backend = "highway";
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
std::vector<Case> PlanCases(const Arguments& a, uint32_t threads,
                            std::vector<std::string>* notes) {
  const uint64_t limit = a.arena.empty() ? std::numeric_limits<uint64_t>::max()
                                         : ParseBytes(a.arena);
  std::vector<Case> cases;
  std::optional<Failure> left_out;
  for (const std::string& spec : JoinOptions(a.models)) {
    uint32_t classes = 0;
    const Graph graph = ReadyModel(spec, ElementType::kF32, &classes);
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
      options.training = !a.forward;
      options.pack_weights = a.forward;  // as predict does
      options.backend = ReadBackend(a.backend);
      const Status status = MakePlan(graph, options, &c.plan);
      const std::string what =
          fmt::format("{}, batch {}", Printable(spec), batch);
      if (status.ok()) {
        MeasureSegments(&c.plan, what);
        if (TotalBytes(c.plan) > limit) {
          Fail(ErrorKind::kDoesNotFit,
               what + ": the job does not fit the arena",
               fmt::format("--arena {}", Printable(a.arena)),
               fmt::format("the plan needs {} bytes", TotalBytes(c.plan)),
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
        notes->push_back(
            fmt::format("{} is left out: {}", what, status.message));
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
  PrepareSegments(trainer, name);

  Batch batch;
  batch.input = input.data();
  batch.labels = labels.data();
  batch.rows = c.batch;
  const auto step = [&] {
    const auto begin = Clock::now();
    // Slow enough that hours on one batch stay finite.
    const StepResult r = c.plan.options.training ? trainer.Step(batch, 1e-3f)
                                                 : trainer.Evaluate(batch);
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
  // Of a plan that does not train: forward alone.
  t.peak_part = 2e-9 * static_cast<double>(models::StepMultiplyAdds(c.plan)) *
                c.batch / t.seconds / peak_gflops;
  return t;
}

// The table's columns; the last two with a device alone.
std::vector<Column> TableColumns(const Arguments& a) {
  const bool device = !a.device.empty();
  std::vector<Column> columns = {
      {"model", "model", Column::kName},
      {"batch", "batch"},
      {"images_per_second", "samples/s", {}, {Format::kFixed, 1}},
      {"ms_per_step",
       a.forward ? "ms/pass" : "ms/step",
       {},
       {Format::kFixed, 3}},
      {"fraction_of_peak", "of peak", {}, kShare},
      {"arena_bytes", "arena", {}, kBytes},
      {"backend_bytes", a.backend == "highway" ? "" : "backend", {}, kBytes},
      {"estimated_ms_per_step",
       device ? "estimate" : "",
       {},
       {Format::kFixed, 3}}};
  // On the device itself it should be 1; elsewhere it says how much slower the
  // device is.
  if (device) {
    columns.push_back({"", "est./here", {}, {Format::kFixed, 2}});
  }
  return columns;
}

int Profile(Cli& cli, uint32_t threads) {
  const sim::DeviceProfile profile = MeasureThisMachine(
      threads, [](const char* what) { Message("measuring {}", what); });
  if (!cli.output.json) {
    PrintResult(sim::ProfileToml(profile));
    return kExitOk;
  }
  Report report(cli.verb);
  AddMachine(threads, &report);
  report.Data("profile", ParseValue(sim::ProfileJson(profile), UINT64_MAX));
  return cli.output.Print(report);
}

int Run(Cli& cli, const Arguments& a) {
  ChooseTarget(a.target);
  if (a.backend != "highway" && !a.forward) {
    Fail(ErrorKind::kUsage, "--backend", Printable(a.backend),
         "everything trains in a training step, and only temper's own kernels "
         "train",
         "Add --forward");
  }
  const uint32_t threads = a.threads == 0 ? DefaultThreads() : a.threads;
  if (a.profile) return Profile(cli, threads);
  sim::DeviceProfile device;
  if (!a.device.empty()) device = LoadDevice(a.device);
  std::vector<std::string> notes = device.notes;
  const std::vector<Case> cases = PlanCases(a, threads, &notes);
  if (threads > DefaultThreads()) {
    notes.push_back(
        fmt::format("{} threads on {} CPUs: they will wait for each other",
                    threads, DefaultThreads()));
  }
  const std::unique_ptr<ThreadPool> pool = MakeThreadPool(threads);
  const double peak = FmaPeakGflops(pool->runner());
  const double peak_one = threads == 1 ? peak : FmaPeakGflops({});
  const double copy = CopyGbytesPerSecond(pool->runner());
  const std::string cpu = CpuName();
  Report report(cli.verb);
  // Said before the time that the steps take.
  for (const std::string& note : notes) {
    if (!cli.output.json) Message("note: {}", note);
    report.SaidNote(note);
  }
  report.Line(fmt::format("{}{}{} of {} CPUs, target {}", cpu,
                          cpu.empty() ? "" : ", ", threads, DefaultThreads(),
                          simd::CurrentTarget().name));
  report.Line(
      fmt::format("FMA peak {:.1f} GFLOP/s, copy {:.1f} GB/s (read + written)",
                  peak, copy));
  report.Line("");
  report.Data("cpu", cpu.empty() ? Value() : Value(cpu));
  report.Data("cpus_usable", DefaultThreads());
  report.Data("temper", Version());
  report.Data("compiler", Compiler());
  // Some model may have nothing for the other backend.
  const auto other =
      std::find_if(cases.begin(), cases.end(),
                   [](const Case& c) { return !c.plan.segments.empty(); });
  AddMachine(threads, &report,
             &(other == cases.end() ? cases.front() : *other).plan);
  report.Data("measured", a.forward ? "forward pass" : "training step");
  report.Data("fma_peak_gflops", peak);
  report.Data("fma_peak_gflops_one_thread", peak_one);
  report.Data("copy_gbytes_per_s", copy);
  cli.output.Begin(report, "cases");

  // A row as soon as it is measured: widths come from what there may be.
  const std::vector<Column> columns = TableColumns(a);
  TextTable table(columns);
  for (const Case& c : cases) {
    table.Widen(table.CellsOf({c.model, c.batch, 99999.9, 9999.999, 0.9999,
                               c.plan.arena_bytes, c.plan.backend_bytes,
                               9999.999, 999.99}));
  }
  table.Fit();
  if (!cli.output.json) PrintResult(table.Header());
  for (const Case& c : cases) {
    const Timing t = Measure(c, pool->runner(), a.seconds, peak);
    std::optional<double> estimate, times;  // ms, measured ones
    if (!a.device.empty()) {
      const double seconds =
          sim::EstimateStep(device, c.plan, c.batch, threads, !a.forward)
              .seconds;
      estimate = 1e3 * seconds;
      times = seconds / t.seconds;
    }
    const std::vector<Value> row = {c.model,
                                    c.batch,
                                    c.batch / t.seconds,
                                    1e3 * t.seconds,
                                    t.peak_part,
                                    c.plan.arena_bytes,
                                    c.plan.backend_bytes,
                                    estimate,
                                    times};
    Value entry = Value::object();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!columns[i].key.empty()) entry[columns[i].key] = row[i];
    }
    cli.output.Row(entry, table.Row(table.CellsOf(row)));
    std::fflush(stdout);
  }
  return cli.output.End(report);
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
      .Excludes({"--models", "--batch", "--seconds", "--arena", "--device",
                 "--forward", "--backend"})
      .Group("What");
  verb.Flag("--forward", &a->forward,
            "Measure the forward pass of a prediction instead of a step")
      .Group("What");
  AddBackendOption(verb, &a->backend);
  AddMachineOptions(verb, &a->threads, &a->target);
}

}  // namespace temper::host
