// plan: the exact bytes of a job, tensor by tensor, before a step is taken.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/files/text.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/job_options.h"
#include "ports/cli/messages.h"
#include "ports/host/base/failure.h"
#include "ports/host/machine/system.h"
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

void PrintPlan(const Job& job, bool all) {
  const Plan& plan = job.plan;
  constexpr size_t kKinds = static_cast<size_t>(TensorKind::kCount);
  uint64_t totals[kKinds] = {};
  for (const PlannedTensor& t : plan.tensors) {
    totals[static_cast<size_t>(t.kind)] += t.bytes;
  }
  Result("{:<16} {:<30} {:>12} {:>12}  {}\n", "kind", "layer", "bytes",
         "offset", "steps");
  std::vector<const PlannedTensor*> order;
  for (const PlannedTensor& t : plan.tensors) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(),
                   [](auto* a, auto* b) { return a->offset < b->offset; });
  size_t shown = 0;
  for (const PlannedTensor* t : order) {
    if (!all && t->bytes < plan.arena_bytes / 200) continue;
    ++shown;
    Result("{:<16} {} {:>12} {:>12}  {}-{}\n", TensorKindName(t->kind),
           LeftCell(LayerOf(plan, *t), 30), t->bytes, t->offset, t->first,
           t->last);
  }
  if (shown < order.size()) {
    Result("({} smaller ones: --all)\n", order.size() - shown);
  }
  Result("\nsums over all buffers (memory is shared over time):\n");
  for (size_t k = 0; k < kKinds; ++k) {
    if (totals[k] == 0) continue;
    Result("  {:<16} {:>12}\n", TensorKindName(static_cast<TensorKind>(k)),
           totals[k]);
  }
  const Outside outside = OutsideBytes(job);
  Result("\nshared over time  {:>12} bytes\n", plan.transient_bytes);
  Result("weights, state    {:>12} bytes\n",
         plan.arena_bytes - plan.transient_bytes);
  Result(
      "arena             {:>12} bytes ({:.2f} MiB): works; 64 less is "
      "refused\n",
      plan.arena_bytes, static_cast<double>(plan.arena_bytes) / 1048576.0);
  const uint64_t whole = BytesWithWholeGradients(job);
  Result("arena with whole gradients {} bytes ({:.2f} MiB)\n", whole,
         static_cast<double>(whole) / 1048576.0);
  Result("lower bound       {:>12} bytes (arena is {:.4f} of it)\n",
         plan.lower_bound,
         static_cast<double>(plan.arena_bytes) /
             static_cast<double>(plan.lower_bound));
  Result(
      "outside the arena {:>12} bytes (data set {}, batches {}, model file {}, "
      "plan {}), and the program itself\n",
      outside.Total(), outside.data, outside.batches, outside.model,
      outside.plan);
  Result("steps             {:>12} per epoch of {} samples, batch {}\n",
         job.steps_per_epoch, job.data.train.size(), job.options.batch);
  const simd::Target target = simd::CurrentTarget();
  Result("target            {:>12} ({})\n", target.name,
         target.exact ? "exact: the same bits on every exact target"
                      : "not exact: without FMA results differ slightly");
  if (const auto available = AvailableMemory()) {
    Result("memory available  {:>12} bytes here and now{}\n", *available,
           *available < plan.arena_bytes + outside.Total()
               ? ": LESS than arena and data need"
               : "");
  }
  for (const std::string& note : job.notes) Result("note: {}\n", note);
}

int Run(const Cli& cli, const Arguments& a) {
  ChooseTarget(a.options.target);
  const Job job = PrepareJob(a.options);
  if (!cli.json) {
    PrintPlan(job, a.all);
    return kExitOk;
  }
  nlohmann::ordered_json json =
      nlohmann::ordered_json::parse(PlanJson(job.plan));
  const Outside outside = OutsideBytes(job);
  json["arena_bytes_with_whole_gradients"] = BytesWithWholeGradients(job);
  json["outside_bytes"] = outside.Total();
  const std::optional<uint64_t> available = AvailableMemory();
  json["available_bytes"] =
      available ? nlohmann::ordered_json(*available) : nlohmann::ordered_json();
  json["steps_per_epoch"] = job.steps_per_epoch;
  json["notes"] = job.notes;
  PrintJson(json);
  return kExitOk;
}

}  // namespace

void AddPlanVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb = cli.Add(
      "plan", "State the exact memory of a job, tensor by tensor; runs nothing",
      [&cli, a] { return Run(cli, *a); });
  verb.example = "temper plan --model resnet8 --data idx:DIR --batch 8";
  verb.Add("--model", &a->options.model, "MODEL", "As for train or finetune")
      .Required()
      .Group("Model");
  verb.Flag("--finetune", &a->options.finetune,
            "Plan for finetune: a new head if the classes differ")
      .Group("Model");
  verb.Flag("--all", &a->all, "Show small buffers as well").Group("Output");
  AddJobOptions(cli, verb, &a->options);
  // So that a command for train or finetune is one for plan with the verb
  // changed. They decide nothing about memory, and nothing is written.
  AddRunOptions(verb, &a->options, &a->quiet,
                "Without effect on a plan, accepted from train");
  verb.At("--data").Required();
}

}  // namespace temper::host
