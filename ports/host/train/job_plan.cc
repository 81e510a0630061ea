// From graph and data to plans: what is frozen, schedule, arena. See job_plan.h.
#include "ports/host/train/job_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/target_match.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/ignored_options.h"
#include "ports/host/train/job_classes.h"
#include "ports/host/train/job_data.h"
#include "ports/host/train/layer_groups.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/specs.h"
#include "temper/graph_edit.h"

namespace temper::host {
namespace {

void FreezeNodes(const Job& job, const JobOptions& o, const PhaseOptions* as,
                 JobPhase* phase) {
  std::vector<uint8_t>& frozen = phase->plan_options.frozen;
  if (!o.freeze.empty()) {
    frozen = LayersOf(job.info.graph, o.freeze, "--freeze");
  }
  if (as != nullptr) FreezeOthers(job.info.graph, as->train, &frozen);
}

// A note that several phases have is told once.
void Note(Job& job, const std::string& text) {
  if (std::find(job.notes.begin(), job.notes.end(), text) == job.notes.end()) {
    job.notes.push_back(text);
  }
}

// An average that begins after the end, in one phase or in all.
void CheckAverage(Job& job) {
  const std::string& average = job.options.average;
  if (average.empty()) return;
  uint32_t never = 0;
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    if (job.Phase(k).averages) continue;
    ++never;
    if (!job.phases.empty()) {
      Note(job, fmt::format("--average {}: phase {} ends before it begins",
                            Printable(average), k + 1));
    }
  }
  if (never < job.PhaseCount()) return;
  Fail(ErrorKind::kUsage, "--average", Printable(average),
       fmt::format("it begins after the last of the {} steps of the run",
                   job.Phase(job.PhaseCount() - 1).schedule.total_steps),
       "Give an earlier start=, or leave it out: the last quarter");
}

void MakeSchedule(Job& job, const JobOptions& o, JobPhase* phase) {
  const uint64_t samples = job.data.train.size();
  uint64_t steps = samples / o.batch;
  const uint64_t rest = samples % o.batch;
  if (rest != 0) {
    if (o.drop_last || rest < phase->plan.minimum_rows) {
      phase->dropped_per_epoch = rest;
      Note(job, o.drop_last
                    ? fmt::format("the last {} samples of every epoch are left "
                                  "out (--drop-last)",
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
    const bool rows = samples < phase->plan.minimum_rows;
    Fail(
        ErrorKind::kBadData, "not one whole batch", Printable(o.data),
        rows ? fmt::format("{} sample; a trained batch norm needs {} at a time",
                           samples, phase->plan.minimum_rows)
             : fmt::format("{} samples, batch {}", samples, o.batch),
        rows
            ? "Use more data, or --bn frozen"
            : fmt::format("Use --batch {}, or leave out --drop-last", samples));
  }
  if (samples < o.batch) {
    Note(job, fmt::format("--batch {} has room for more than the {} samples: "
                          "--batch {} trains the same in fewer bytes",
                          o.batch, samples, samples));
  }
  phase->batches_per_epoch = steps;
  phase->accumulate =
      o.accumulate == 0 ? steps : std::min<uint64_t>(o.accumulate, steps);
  steps = (steps + phase->accumulate - 1) / phase->accumulate;
  phase->steps_per_epoch = steps;
  phase->epochs = o.epochs;
  Schedule& s = phase->schedule;
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

// The plans of all phases, or of the job where there are none.
using Plans = std::vector<Plan>;
std::optional<Plans> PlansWith(const Job& job, uint32_t threads,
                               uint64_t bytes) {
  Plans plans;
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    PlanOptions p = job.Phase(k).plan_options;
    p.threads = threads;
    Plan& plan = plans.emplace_back();
    if (!MakePlan(job.info.graph, p, &plan).ok()) return std::nullopt;
    MeasureSegments(&plan, "plan");
    if (TotalBytes(plan) > bytes) return std::nullopt;
  }
  return plans;
}

// The plans with the most threads, fewer than now, that fit; nothing if not
// even one does. Every thread needs its own scratch memory.
std::optional<Plans> PlansOfFewerThreads(const Job& job, uint64_t bytes) {
  std::optional<Plans> best;
  uint32_t fits = 0, too_many = job.plan_options.threads;
  while (too_many - fits > 1) {
    const uint32_t threads = fits == 0 ? 1 : fits + (too_many - fits) / 2;
    if (std::optional<Plans> plans = PlansWith(job, threads, bytes)) {
      fits = threads;
      best = std::move(plans);
    } else if (fits == 0) {
      return {};
    } else {
      too_many = threads;
    }
  }
  return best;
}

// The largest batch below the one asked for that fits; 0: not even 1.
uint32_t BatchThatFits(const Job& job, uint64_t bytes) {
  uint32_t fits = 0, too_many = job.plan_options.batch;
  while (too_many - fits > 1) {
    const uint32_t batch = fits + (too_many - fits) / 2;
    bool good = true;
    for (uint32_t k = 0; good && k < job.PhaseCount(); ++k) {
      PlanOptions p = job.Phase(k).plan_options;
      p.batch = batch;
      Plan plan;
      good = MakePlan(job.info.graph, p, &plan).ok();
      if (!good) break;
      MeasureSegments(&plan, "plan");
      good = TotalBytes(plan) <= bytes;
    }
    (good ? fits : too_many) = batch;
  }
  return fits;
}

// "16777216 bytes (16.00 MiB)": rounded up, as everywhere.
std::string WithMib(uint64_t bytes) {
  return fmt::format(
      "{} bytes ({:.2f} MiB)", bytes,
      std::ceil(std::ldexp(static_cast<double>(bytes), -20) * 100) / 100);
}

// The job is as its largest phase.
void TakeLargest(Job& job) {
  if (job.phases.empty()) return;
  static_cast<JobPhase&>(job) =
      *std::max_element(job.phases.begin(), job.phases.end(),
                        [](const JobPhase& a, const JobPhase& b) {
                          return TotalBytes(a.plan) < TotalBytes(b.plan);
                        });
}

void TakePlans(Job& job, Plans plans) {
  const auto take = [](Plan& plan, JobPhase* phase) {
    phase->plan_options.threads = plan.options.threads;
    phase->plan = std::move(plan);
  };
  if (job.phases.empty()) take(plans[0], &job);
  for (size_t k = 0; k < job.phases.size(); ++k) {
    take(plans[k], &job.phases[k]);
  }
  TakeLargest(job);
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
  std::optional<Plans> fewer = PlansOfFewerThreads(job, bytes);
  if (fewer && resume && o.threads == 0) {
    Note(job, fmt::format("{} of {} threads: more do not fit --arena {}",
                          fewer->front().options.threads,
                          job.plan.options.threads, o.arena));
    TakePlans(job, *std::move(fewer));
    job.arena_bytes = bytes - job.plan.backend_bytes;
    return;
  }
  const uint32_t batch = resume ? 0 : BatchThatFits(job, bytes);
  const std::string freeze =
      o.freeze.empty() && job.source != nullptr ? ", or --freeze body" : "";
  const auto smallest = [&] {
    PlanOptions p = job.plan_options;
    p.batch = p.threads = 1;
    Plan plan;
    if (!job.phases.empty() || !MakePlan(job.info.graph, p, &plan).ok()) {
      return std::string("with batch 1 it does not fit, either");
    }
    MeasureSegments(&plan, "plan");
    return TotalBytes(plan) <= bytes
               ? std::string("--batch 1 --threads 1 fits")
               : "batch 1 and 1 thread take " + WithMib(TotalBytes(plan));
  };
  Fail(ErrorKind::kDoesNotFit, "the job does not fit the arena",
       fmt::format("--arena {}", Printable(o.arena)),
       fmt::format("the plan needs {} with {} thread{} and batch {}",
                   WithMib(TotalBytes(job.plan)), job.plan.options.threads,
                   job.plan.options.threads == 1 ? "" : "s", o.batch),
       fmt::format(
           "Use --arena {}{}{}{}", TotalBytes(job.plan),
           job.plan.backend_bytes != 0 ? ", --backend highway" : "",
           fewer ? fmt::format(", --threads {}", fewer->front().options.threads)
                 : "",
           resume       ? ""
           : batch == 0 ? freeze + "; " + smallest()
                        : fmt::format(", --batch {}{}", batch, freeze)));
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

// `as`: what a phase trains; null for a run without phases.
void PlanPhase(Job& job, const JobOptions& o, const PhaseOptions* as,
               JobPhase* phase) {
  PlanOptions& p = phase->plan_options;
  p.batch = o.batch;
  p.threads = o.threads == 0 ? DefaultThreads() : o.threads;
  p.optimizer = ReadOptimizer(o.optimizer);
  p.hooks = ReadClipping(o.clip);
  if (o.l1 > 0) p.hooks.push_back(L1Params{static_cast<float>(o.l1)});
  if (o.max_norm > 0) {
    p.hooks.push_back(MaxNormParams{static_cast<float>(o.max_norm)});
  }
  p.gradients =
      o.accumulate == 1 ? GradientsNeeded(p) : GradientMode::kAccumulated;
  p.batch_norm =
      o.bn == "frozen" ? BatchNormMode::kFrozen : BatchNormMode::kTrain;
  p.backend = ReadBackend(o.backend);
  FreezeNodes(job, o, as, phase);
  LayerFactors factors = ReadGroups(job.info.graph, o.group, o.layer_decay);
  p.rate_factors = std::move(factors.rate);
  p.decay_factors = std::move(factors.decay);
  if (!o.average.empty()) p.hooks.push_back(*ReadAverage(o.average, 0, 0));
  Status status = MakePlan(job.info.graph, p, &phase->plan);
  if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  MakeSchedule(job, o, phase);
  if (!o.average.empty()) {
    // When it begins depends on the steps of the run, and those on the plan.
    p.hooks.back() = *ReadAverage(o.average, phase->steps_per_epoch,
                                  phase->schedule.total_steps);
    phase->averages = FirstAveragedStep(p.hooks) <= phase->schedule.total_steps;
    status = MakePlan(job.info.graph, p, &phase->plan);
    if (!status.ok()) FailStatus(status, job.info.graph, "plan");
  }
  MeasureSegments(&phase->plan, "plan");
}

}  // namespace

void PlanJob(Job& job, bool resume) {
  const JobOptions& o = job.options;
  const uint32_t threads = o.threads == 0 ? DefaultThreads() : o.threads;
  if (threads > DefaultThreads() && !o.elsewhere) {
    Note(job,
         fmt::format("{} threads on {} CPUs: they will wait for each other",
                     threads, DefaultThreads()));
  }
  CheckTargets(job.info.graph, job.data.train.targets, o.model);
  BalanceClasses(job);
  if (const std::string note = RelativePathNote(o); !note.empty()) {
    Note(job, note);
  }
  job.phases.clear();
  if (o.phases.empty()) {
    PlanPhase(job, o, nullptr, &job);
  } else {
    CompletePhases(&job.options);
    for (size_t k = 0; k < o.phases.size(); ++k) {
      PlanPhase(job, OptionsOfPhase(o, k), &o.phases[k],
                &job.phases.emplace_back());
    }
    TakeLargest(job);
  }
  CheckAverage(job);
  NoteFlatSchedules(job);
  FitArena(job, resume);
  NoteBackend(job);
  job.augment = ReadAugmentations(o.augment, job.data.train.Input(),
                                  job.data.train.shape);
  NoteWorkingSize(job);
}

}  // namespace temper::host
