// From graph and data to plans: what is frozen, schedule, arena. See job_plan.h.
#include "ports/host/train/job_plan.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/target_match.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/specs.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

void FreezeNodes(Job& job) {
  if (job.options.freeze.empty()) return;
  const Graph& graph = job.info.graph;
  std::vector<uint8_t>& frozen = job.plan_options.frozen;
  frozen.assign(graph.nodes.size(), 0);
  std::vector<std::string_view> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  for (const std::string& pattern : job.options.freeze) {
    bool matched = false;
    const bool body = pattern == "body" && graph.Find("body") == kNoNode;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const bool match =
          body ? i != models::HeadNode(graph)
               : fnmatch(pattern.c_str(), graph.nodes[i].name, 0) == 0;
      if (match) frozen[i] = 1;
      matched |= match;
    }
    if (!matched) {
      Fail(ErrorKind::kConfiguration, "--freeze matches no layer",
           Printable(pattern), "", Suggest(pattern, names));
    }
  }
}

void MakeSchedule(Job& job) {
  const JobOptions& o = job.options;
  const uint64_t samples = job.data.train.size();
  uint64_t steps = samples / o.batch;
  const uint64_t rest = samples % o.batch;
  if (rest != 0) {
    if (o.drop_last || rest < job.plan.minimum_rows) {
      job.dropped_per_epoch = rest;
      job.notes.push_back(
          o.drop_last
              ? fmt::format("the last {} samples of every epoch are left out "
                            "(--drop-last)",
                            rest)
              : fmt::format(
                    "the last batch of every epoch has {} sample and is "
                    "left out: a batch norm would see one value per "
                    "channel",
                    rest));
    } else {
      ++steps;
    }
  }
  if (steps == 0) {
    const bool rows = samples < job.plan.minimum_rows;
    Fail(
        ErrorKind::kBadData, "not one whole batch", Printable(o.data),
        rows ? fmt::format("{} sample; a trained batch norm needs {} at a time",
                           samples, job.plan.minimum_rows)
             : fmt::format("{} samples, batch {}", samples, o.batch),
        rows
            ? "Use more data, or --bn frozen"
            : fmt::format("Use --batch {}, or leave out --drop-last", samples));
  }
  job.batches_per_epoch = steps;
  job.accumulate =
      o.accumulate == 0 ? steps : std::min<uint64_t>(o.accumulate, steps);
  steps = (steps + job.accumulate - 1) / job.accumulate;
  job.steps_per_epoch = steps;
  Schedule& s = job.schedule;
  s = ReadSchedule(o.schedule, steps);
  s.base_lr = o.lr;
  s.total_steps = steps * o.epochs;
  const Status status = CheckSchedule(s);
  if (!status.ok()) {
    Fail(ErrorKind::kUsage, "--schedule",
         fmt::format("{}, --lr {}, {} steps", Printable(o.schedule), o.lr,
                     s.total_steps),
         status.message, "");
  }
}

// The plan with the most threads, fewer than now, that fits; nothing if not
// even one does. Every thread needs its own scratch memory.
std::optional<Plan> PlanOfFewerThreads(const Job& job, uint64_t bytes) {
  PlanOptions p = job.plan_options;
  std::optional<Plan> best;
  uint32_t fits = 0, too_many = p.threads;
  while (too_many - fits > 1) {
    p.threads = fits == 0 ? 1 : fits + (too_many - fits) / 2;
    Plan plan;
    if (MakePlan(job.info.graph, p, &plan).ok() &&
        (MeasureSegments(&plan, "plan"), TotalBytes(plan) <= bytes)) {
      fits = p.threads;
      best = std::move(plan);
    } else if (fits == 0) {
      return {};
    } else {
      too_many = p.threads;
    }
  }
  return best;
}

// A resumed run without --threads uses as many threads as fit: the
// machine may have more CPUs than the one it began on.
void FitArena(Job& job, bool resume) {
  const JobOptions& o = job.options;
  job.arena_bytes = job.plan.arena_bytes;
  if (o.arena.empty()) return;
  // What another backend takes comes out of it, too.
  const uint64_t bytes = ParseBytes(o.arena) / kTensorAlign * kTensorAlign;
  if (bytes >= TotalBytes(job.plan)) {
    job.arena_bytes = bytes - job.plan.backend_bytes;
    return;
  }
  std::optional<Plan> fewer = PlanOfFewerThreads(job, bytes);
  if (fewer && resume && o.threads == 0) {
    job.notes.push_back(
        fmt::format("{} of {} threads: more do not fit --arena {}",
                    fewer->options.threads, job.plan.options.threads, o.arena));
    job.plan = *std::move(fewer);
    job.plan_options.threads = job.plan.options.threads;
    job.arena_bytes = bytes - job.plan.backend_bytes;
    return;
  }
  Fail(ErrorKind::kDoesNotFit, "the job does not fit the arena",
       fmt::format("--arena {}", Printable(o.arena)),
       fmt::format("the plan needs {} bytes with {} thread{}",
                   TotalBytes(job.plan), job.plan.options.threads,
                   job.plan.options.threads == 1 ? "" : "s"),
       fmt::format(
           "Use --arena {}{}{}", TotalBytes(job.plan),
           fewer ? fmt::format(", --threads {}", fewer->options.threads) : "",
           resume ? "" : ", a smaller --batch, or --freeze"));
}

// --backend, where it changes nothing or costs exactness.
void NoteBackend(Job& job) {
  if (job.plan_options.backend == Backend::kHighway) return;
  if (job.plan.segments.empty()) {
    job.notes.push_back(fmt::format(
        "--backend {} has no effect: it is for frozen layers below the lowest "
        "one that trains (--freeze)",
        job.options.backend));
    return;
  }
  job.notes.push_back(fmt::format("--backend {} runs {}: not exact, {}",
                                  job.options.backend, SegmentsText(job.plan),
                                  WhyNotExact(job.plan)));
}

}  // namespace

void PlanJob(Job& job, bool resume) {
  const JobOptions& o = job.options;
  PlanOptions& p = job.plan_options;
  p.batch = o.batch;
  p.threads = o.threads == 0 ? DefaultThreads() : o.threads;
  if (p.threads > DefaultThreads() && !o.elsewhere) {
    job.notes.push_back(
        fmt::format("{} threads on {} CPUs: they will wait for each other",
                    p.threads, DefaultThreads()));
  }
  CheckTargets(job.info.graph, job.data.train.targets, o.model);
  p.optimizer = ReadOptimizer(o.optimizer);
  p.hooks = ReadClipping(o.clip);
  if (o.l1 > 0) p.hooks.push_back(L1Params{static_cast<float>(o.l1)});
  if (o.max_norm > 0) {
    p.hooks.push_back(MaxNormParams{static_cast<float>(o.max_norm)});
  }
  p.gradients =
      o.accumulate == 1 ? GradientsNeeded(p) : GradientMode::kAccumulated;
  if (const std::string note = RelativePathNote(o); !note.empty()) {
    job.notes.push_back(note);
  }
  p.batch_norm =
      o.bn == "frozen" ? BatchNormMode::kFrozen : BatchNormMode::kTrain;
  p.backend = ReadBackend(o.backend);
  FreezeNodes(job);
  if (!o.average.empty()) p.hooks.push_back(*ReadAverage(o.average, 0, 1));
  Status status = MakePlan(job.info.graph, p, &job.plan);
  if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  MakeSchedule(job);
  if (!o.average.empty()) {
    // When it begins depends on the steps of the run, and those on the plan.
    p.hooks.back() =
        *ReadAverage(o.average, job.steps_per_epoch, job.schedule.total_steps);
    status = MakePlan(job.info.graph, p, &job.plan);
    if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  }
  MeasureSegments(&job.plan, "plan");
  FitArena(job, resume);
  NoteBackend(job);
  job.augment = ReadAugmentations(o.augment, job.data.train.shape);
}

}  // namespace temper::host
