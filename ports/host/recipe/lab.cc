// See lab.h.
#include "ports/host/recipe/lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/training_loader.h"
#include "ports/host/train/weights.h"

namespace temper::host {
namespace {

uint64_t ArenaOf(const Job& job, uint64_t more) {
  const uint64_t bytes = job.plan.arena_bytes + more;
  if (!job.options.arena.empty() && job.arena_bytes < bytes) {
    Fail(ErrorKind::kDoesNotFit, "the job does not fit the arena",
         fmt::format("--arena {}", Printable(job.options.arena)),
         fmt::format("the plan needs {} bytes, and {} more hold a copy of its "
                     "state and what is measured",
                     job.plan.arena_bytes, more),
         fmt::format("Use --arena {}, or a smaller --batch",
                     bytes + job.plan.backend_bytes));
  }
  return bytes;
}

}  // namespace

Lab::Lab(Job job, uint64_t more)
    : job_(std::move(job)),
      arena_(ArenaOf(job_, more)),
      pool_(MakeThreadPool(job_.plan.options.threads)),
      loader_(job_.data.train, TrainingLoader(job_)) {
  const Status status = trainer_.Create(
      job_.plan, arena_.data(), static_cast<size_t>(job_.plan.arena_bytes),
      pool_->runner());
  if (!status.ok()) FailStatus(status, job_.info.graph, "arena");
  SetWeights(job_, trainer_);
  PrepareSegments(trainer_, "backend");
}

recipe::LrFindResult FindRate(Lab& lab, const recipe::LrFindOptions& options) {
  recipe::LrFindOptions o = options;
  o.accumulate = lab.job().accumulate;
  o.seed = lab.job().options.seed;
  const recipe::LrFindResult found = recipe::FindLearningRate(
      lab.trainer(), SourceOf(&lab.loader()), o, lab.more(),
      static_cast<size_t>(lab.more_bytes()));
  if (!found.status.ok()) {
    FailStatus(found.status, lab.job().info.graph, "learning-rate finder");
  }
  return found;
}

recipe::LrFindResult FindRateInTwo(Lab& lab, recipe::LrFindOptions* options) {
  const recipe::LrFindResult whole = FindRate(lab, *options);
  const recipe::LrJudgement& j = whole.curve;
  const bool narrower = j.verdict == recipe::LrVerdict::kNoFall && j.rise > 0 &&
                        j.next_min > options->min &&
                        j.next_max / j.next_min < options->max / options->min;
  if (!narrower) return whole;
  options->min = j.next_min;
  options->max = std::min(j.next_max, options->max);
  return FindRate(lab, *options);
}

}  // namespace temper::host
