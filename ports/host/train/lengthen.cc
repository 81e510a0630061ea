// See lengthen.h.
#include "ports/host/train/lengthen.h"

#include <fmt/format.h>

#include "ports/host/base/failure.h"
#include "ports/host/train/job_plan.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/specs.h"

namespace temper::host {
namespace {

// The last phase takes what the others leave. False if that is nothing.
bool SetEpochs(JobOptions* options, uint32_t epochs) {
  if (!options->phases.empty()) {
    uint32_t& last = options->phases.back().epochs;
    const uint32_t before = options->epochs - last;
    if (epochs <= before) return false;
    last = epochs - before;
  }
  options->epochs = epochs;
  return true;
}

// Of the planned epochs, those that are gone: a phase that stopped early used up
// all of its own.
uint32_t UsedEpochs(const JobOptions& options, const Counters& at) {
  if (options.phases.empty()) return at.Epochs();
  uint32_t used = at.epoch;
  for (uint32_t k = 0; k < at.phase; ++k) used += options.phases[k].epochs;
  return used;
}

// Of the step that comes next.
double NextRate(const Job& job, const Counters& at) {
  const JobPhase& phase = job.Phase(at.phase);
  const uint64_t steps = phase.schedule.total_steps;
  return at.step < steps ? LearningRate(phase.schedule, at.step, at.schedule)
                         : 0.0;
}

uint64_t AverageBegins(const Job& job, const Counters& at) {
  return FirstAveragedStep(job.Phase(at.phase).plan_options.hooks);
}

// The average of the new length (swa) may begin elsewhere than that of the old
// one, which began at step `before`: then what is averaged so far is none of it.
// Where it would have begun with weights that are gone, there is none.
void BeginAverage(Job& job, const Counters& at, uint64_t before) {
  if (job.options.average.empty()) return;
  const uint64_t first = AverageBegins(job, at);
  if (first == before || first > at.step) return;
  if (first == at.step) {
    job.average_begins = true;
    return;
  }
  const uint64_t per_epoch = job.Phase(at.phase).steps_per_epoch;
  uint32_t epochs = job.options.epochs, own = job.Phase(at.phase).epochs;
  for (uint64_t step = first; step < at.step && epochs < kMostEpochs;) {
    ++epochs, ++own;
    step = FirstAveragedStep(
        {*ReadAverage(job.options.average, per_epoch, per_epoch * own)});
  }
  Fail(ErrorKind::kUsage, "--epochs", fmt::format("{}", job.options.epochs),
       fmt::format("the average of so long a run (--average {}) begins after "
                   "step {}; {} are done, and those weights are gone",
                   Printable(job.options.average), at.first_step + first,
                   at.Steps()),
       fmt::format("Give {} epochs or more", epochs));
}

}  // namespace

JobOptions AsSaved(const JobOptions& options,
                   const ModelDescription& checkpoint) {
  JobOptions before = options;
  if (options.lengthened_from == 0 ||
      StoredOptions(checkpoint) == OptionsFingerprint(options) ||
      !SetEpochs(&before, options.lengthened_from)) {
    return options;
  }
  return before;
}

void SetLength(Job& job, uint32_t epochs, Counters* at) {
  const uint32_t before = job.options.epochs;
  if (epochs == before) return;
  const bool was_finished = HasFinished(*at, job.options);
  const double rate = was_finished ? 0.0 : NextRate(job, *at);
  const uint64_t average = AverageBegins(job, *at);
  const uint32_t used = UsedEpochs(job.options, *at);
  if (epochs < used || (epochs == used && at->batch != 0) ||
      !SetEpochs(&job.options, epochs)) {
    Fail(
        ErrorKind::kUsage, "--epochs", fmt::format("{}", epochs),
        used == at->Epochs()
            ? fmt::format("the run has done {} epochs and has {}", used, before)
            : fmt::format("the run has done {} epochs, and {} of its {} are "
                          "used up: a phase stopped before its last",
                          at->Epochs(), used, before),
        fmt::format("Give the number of epochs in all, {} or more", used));
  }
  job.options.lengthened_from = before;
  if (was_finished) at->waited = 0;
  PlanJob(job, true);
  BeginAverage(job, *at, average);
  job.notes.push_back(fmt::format(
      "the run has {} epochs now, it had {}; its schedule is computed anew for "
      "that length: the next step has a rate of {:.6g}{}",
      epochs, before, NextRate(job, *at),
      was_finished ? "" : fmt::format(" in the place of {:.6g}", rate)));
}

}  // namespace temper::host
