// plan: the exact bytes of a job before a step is taken: does it fit, what takes
// the most, and with --all every buffer.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "models/work.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/machine/system.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/session.h"
#include "simd/target.h"

namespace temper::host {
namespace {

struct Arguments {
  JobOptions options;
  bool all = false;
  bool quiet = false;
};

std::string LayerOf(const Plan& plan, const PlannedTensor& t) {
  if (t.node == kNoNode) return "";
  std::string name = plan.graph.nodes[t.node].name;
  const NodePlan& node = plan.nodes[t.node];
  if (t.kind == TensorKind::kWeight || t.kind == TensorKind::kWeightGradient) {
    name += fmt::format(".{}", node.specs[t.slot].name);
  } else if (t.kind == TensorKind::kOptimizer) {
    name += fmt::format(".{}", node.specs[t.slot % kMaxWeights].name);
  }
  return name;
}

// The arena of the same job with all gradients at hand at the end of a step.
uint64_t BytesWithWholeGradients(const Job& job) {
  PlanOptions options = job.plan.options;
  options.gradients = GradientMode::kWhole;
  Plan whole;
  const Status status = MakePlan(job.info.graph, options, &whole);
  if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  return whole.arena_bytes;
}

// The same job with nothing frozen: what freezing saves.
struct Unfrozen {
  uint64_t arena_bytes = 0, multiply_adds = 0;
};
std::optional<Unfrozen> WithoutFreezing(const Job& job) {
  PlanOptions options = job.plan.options;
  if (std::none_of(options.frozen.begin(), options.frozen.end(),
                   [](uint8_t frozen) { return frozen != 0; })) {
    return {};
  }
  options.frozen.clear();
  options.backend = Backend::kHighway;
  Plan whole;
  const Status status = MakePlan(job.info.graph, options, &whole);
  if (!status.ok()) return {};  // a batch norm of one value trains nowhere
  return Unfrozen{whole.arena_bytes, models::StepMultiplyAdds(whole)};
}

// The arena of the same job on temper's own kernels.
uint64_t HighwayBytes(const Job& job) {
  PlanOptions options = job.plan.options;
  options.backend = Backend::kHighway;
  Plan plan;
  const Status status = MakePlan(job.info.graph, options, &plan);
  if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  return plan.arena_bytes;
}

// What another backend has of the job, and takes beside the arena.
void AddBackend(const Job& job, Report* report) {
  const Plan& plan = job.plan;
  if (plan.segments.empty()) {
    report->Data("backend_bytes", plan.backend_bytes);
    return;
  }
  Value segments = Value::array();
  for (const Segment& segment : plan.segments) {
    segments.push_back({{"first", plan.graph.nodes[segment.first].name},
                        {"last", plan.graph.nodes[segment.last].name}});
  }
  report->Fact("segments", "backend", segments,
               ArithmeticOfBackend(plan) + ": " + SegmentsText(plan));
  report->Fact("backend_bytes", "its memory", plan.backend_bytes,
               fmt::format("{}, measured on this CPU: weights were packed, no "
                           "forward pass was run",
                           BytesText(plan.backend_bytes)));
  const uint64_t highway = HighwayBytes(job);
  report->Fact("highway_arena_bytes", "arena and it", highway,
               fmt::format("{}; with --backend highway {}",
                           BytesText(TotalBytes(plan)), BytesText(highway)));
}

void AddFreezing(const Job& job, Report* report) {
  const std::optional<Unfrozen> whole = WithoutFreezing(job);
  if (!whole) return;
  const uint64_t work = models::StepMultiplyAdds(job.plan);
  const uint64_t bytes = TotalBytes(job.plan);
  const std::string memory =
      bytes <= whole->arena_bytes
          ? fmt::format("saves {} of {}", BytesText(whole->arena_bytes - bytes),
                        BytesText(whole->arena_bytes))
          : fmt::format("takes {} more", BytesText(bytes - whole->arena_bytes));
  report->Fact("freezing", "freezing",
               {{"arena_bytes_without", whole->arena_bytes},
                {"multiply_adds", work},
                {"multiply_adds_without", whole->multiply_adds}},
               fmt::format("{}, and {} of {} multiply-adds of a sample", memory,
                           whole->multiply_adds - work, whole->multiply_adds));
}

struct KindTotal {
  const char* name;
  uint64_t bytes;
};
// The largest first; those of no bytes left out.
std::vector<KindTotal> Totals(const Plan& plan) {
  constexpr size_t kKinds = static_cast<size_t>(TensorKind::kCount);
  std::vector<KindTotal> totals;
  for (size_t k = 0; k < kKinds; ++k) {
    totals.push_back({TensorKindName(static_cast<TensorKind>(k)), 0});
  }
  for (const PlannedTensor& t : plan.tensors) {
    totals[static_cast<size_t>(t.kind)].bytes += t.bytes;
  }
  std::erase_if(totals, [](const KindTotal& t) { return t.bytes == 0; });
  std::stable_sort(totals.begin(), totals.end(),
                   [](auto& a, auto& b) { return a.bytes > b.bytes; });
  return totals;
}

void AddAnswer(const Job& job, Report* report) {
  const Plan& plan = job.plan;
  const Outside outside = OutsideBytes(job);
  const uint64_t all = TotalBytes(plan) + outside.Total();
  const std::optional<uint64_t> available = AvailableMemory();
  std::string fits = fmt::format("{} in all", BytesText(all));
  if (available) {
    fits = fmt::format("{}: {} in all, {} available here and now",
                       *available < all ? "NO" : "yes", BytesText(all),
                       BytesText(*available));
  }
  report->Fact("fits", "fits", available ? Value(*available >= all) : Value(),
               fits);
  report->Fact("arena_bytes", "arena", plan.arena_bytes,
               fmt::format("{}: works; 64 bytes less is refused",
                           BytesText(plan.arena_bytes)));
  AddBackend(job, report);
  std::string parts;
  const auto add = [&](const char* name, uint64_t bytes) {
    if (bytes == 0) return;
    parts += fmt::format("{} {} {}", parts.empty() ? ":" : ",", name,
                         BytesText(bytes));
  };
  add("data set", outside.data);
  add("batches", outside.batches);
  add("model file", outside.model);
  add("plan", outside.plan);
  report->Fact("outside_bytes", "outside it", outside.Total(),
               BytesText(outside.Total()) + parts + "; and the program itself");
  report->Data("outside.data_bytes", outside.data);
  report->Data("outside.batch_bytes", outside.batches);
  report->Data("outside.model_bytes", outside.model);
  report->Data("outside.plan_bytes", outside.plan);
  report->Data("available_bytes", available);
  // What dominates at the fullest step: buffers share memory over time.
  std::string largest;
  Value sums = Value::array();
  const std::vector<KindTotal> totals = Totals(plan);
  for (size_t i = 0; i < totals.size(); ++i) {
    sums.push_back({{"kind", totals[i].name}, {"bytes", totals[i].bytes}});
    if (i >= 3) continue;
    largest += fmt::format("{}{} {}", i == 0 ? "" : ", ", totals[i].name,
                           BytesText(totals[i].bytes));
  }
  report->Fact("kinds", "by kind", sums,
               fmt::format("{} (each the sum of all its buffers, which share "
                           "memory over time)",
                           largest));
}

// What each phase trains and needs; the arena is the largest one's.
void AddPhases(const Job& job, Report* report) {
  if (job.phases.empty()) return;
  report->Line("");
  Table& table =
      report->AddTable("phases", {{"phase", "phase"},
                                  {"layers", "layers", Column::kName},
                                  {"epochs", "epochs"},
                                  {"lr", "rate"},
                                  {"steps", "steps"},
                                  {"arena_bytes", "arena", {}, kBytes},
                                  {"state_bytes", "state", {}, kBytes}});
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    const JobPhase& phase = job.Phase(k);
    uint64_t state = 0;
    for (const PlannedTensor& t : phase.plan.tensors) {
      if (t.kind == TensorKind::kOptimizer) state += t.bytes;
    }
    table.Add({k + 1, job.options.phases[k].train, phase.epochs,
               phase.schedule.base_lr, phase.schedule.total_steps,
               phase.plan.arena_bytes, state});
  }
}

void AddDetails(const Job& job, Report* report) {
  const Plan& plan = job.plan;
  report->Fact("transient_bytes", "shared", plan.transient_bytes,
               fmt::format("{} of the arena over time; {} for weights and "
                           "state all the time",
                           BytesText(plan.transient_bytes),
                           BytesText(plan.arena_bytes - plan.transient_bytes)));
  report->Data("lower_bound_bytes", plan.lower_bound);
  AddFreezing(job, report);
  const uint64_t whole = BytesWithWholeGradients(job);
  report->Fact("whole_gradients_arena_bytes", "whole gradients", whole,
               fmt::format("{}: the arena if all were kept until the end of a "
                           "step",
                           BytesText(whole)));
  report->Fact(
      "steps_per_epoch", "steps", job.steps_per_epoch,
      fmt::format("{} per epoch of {} samples, batch {}", job.steps_per_epoch,
                  job.data.train.size(), job.options.batch));
  report->Data("samples", job.data.train.size());
  report->Data("batch", job.options.batch);
  const std::string why = WhyNotExact(plan);
  report->Text(
      "computed with",
      fmt::format("{}, {} ({})", Counted(plan.options.threads, "thread"),
                  simd::CurrentTarget().name,
                  why.empty() ? "the same bits on every exact target"
                              : "not exact: " + why));
  AddMachine(plan.options.threads, report, &plan);
}

void AddBuffers(const Plan& plan, bool all, Report* report) {
  report->Line("");
  Table& table = report->AddTable("buffers", {{"kind", "kind", Column::kText},
                                              {"layer", "layer", Column::kName},
                                              {"bytes", "size", {}, kBytes},
                                              {"offset", "offset"},
                                              {"first_step", "first"},
                                              {"last_step", "last"}});
  std::vector<const PlannedTensor*> order;
  for (const PlannedTensor& t : plan.tensors) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(),
                   [](auto* a, auto* b) { return a->offset < b->offset; });
  for (const PlannedTensor* t : order) {
    const std::string layer = LayerOf(plan, *t);
    table.Add({TensorKindName(t->kind), layer.empty() ? Value() : Value(layer),
               t->bytes, t->offset, t->first, t->last},
              all);
  }
  if (!all) {
    report->Line(
        fmt::format("{} buffers: --all lists them", plan.tensors.size()));
  }
}

// The same words for another verb; what belongs to plan alone left out.
std::vector<std::string> CommandFor(const std::string& verb_name,
                                    const Arguments& a, const Verb& verb) {
  std::vector<std::string> words = {verb_name};
  for (const Option& option : verb.options) {
    const std::string& name = option.Name();
    if (option.from != kCommandLine || name == "--all" || name == "--json" ||
        name == "--finetune") {
      // A job file sets what it sets for the other verb, too.
      continue;
    }
    if (name == "--model" && a.options.finetune) {
      words.push_back(a.options.model);
    } else if (option.IsFlag()) {
      if (option.text && option.text() == "true") words.push_back(name);
    } else if (option.text) {
      words.push_back(name);
      words.push_back(option.text());
    }
  }
  return words;
}

int Run(Cli& cli, const Arguments& a, const Verb& verb) {
  ChooseTarget(a.options.target);
  const Job job = PrepareJob(a.options);
  Report report(cli.verb);
  AddAnswer(job, &report);
  AddDetails(job, &report);
  AddPhases(job, &report);
  AddBuffers(job.plan, a.all, &report);
  report.Notes(job.notes);
  report.Next(CommandFor(a.options.finetune ? "finetune" : "train", a, verb));
  return cli.output.Print(report);
}

}  // namespace

void AddPlanVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb =
      cli.Add("plan", "State the exact memory of a job; runs nothing", [] {
        return static_cast<int>(kExitBug);  // set below: it needs the verb
      });
  verb.run = [&cli, &verb, a] { return Run(cli, *a, verb); };
  verb.example = "temper plan --model resnet8 --data idx:DIR --batch 8";
  verb.Add("--model", &a->options.model, "MODEL", "As for train or finetune")
      .Required()
      .Group("Model");
  verb.Flag("--finetune", &a->options.finetune,
            "Plan for finetune: a new head if the classes differ")
      .Group("Model");
  verb.Flag("--all", &a->all, "Show every buffer").Group("Output");
  AddJobOptions(cli, verb, &a->options);
  verb.after.push_back([a] { a->options.head_first = a->options.finetune; });
  // So that a command for train or finetune is one for plan with the verb
  // changed. They decide nothing about memory, and nothing is written.
  AddRunOptions(verb, &a->options, &a->quiet,
                "Without effect on a plan, accepted from train");
  verb.At("--data").Required();
}

}  // namespace temper::host
