// Lab: a job whose trainer is tried out, without a run folder: threads, the
// memory of its plan and some more beside it, a loader. What the verbs that
// judge (lr-find, check) work on.
// Next: ports/host/train/session.h (a run with a folder).
#ifndef TEMPER_PORTS_HOST_RECIPE_LAB_H_
#define TEMPER_PORTS_HOST_RECIPE_LAB_H_

#include <cstdint>
#include <memory>

#include "ports/host/data/loader.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/job.h"
#include "runtime/recipe/lr_find.h"
#include "temper/fit.h"

namespace temper::host {

class Lab {
 public:
  // `more`: bytes beside the plan's, in the same block. kDoesNotFit if
  // --arena is less than both together, with the size that works. The trainer
  // has the job's first weights.
  Lab(Job job, uint64_t more);

  const Job& job() const { return job_; }
  Trainer& trainer() { return trainer_; }
  Loader& loader() { return loader_; }
  uint8_t* more() { return arena_.data() + job_.plan.arena_bytes; }
  uint64_t more_bytes() const { return arena_.size() - job_.plan.arena_bytes; }
  uint64_t arena_bytes() const { return arena_.size(); }
  // Beside the arena and the samples, which parts of a data set share.
  uint64_t outside_bytes() const {
    const Outside o = OutsideBytes(job_);
    return o.Total() - o.data;
  }

 private:
  Job job_;
  HostArena arena_;
  std::unique_ptr<ThreadPool> pool_;
  Trainer trainer_;
  Loader loader_;
};

// The range test on the job's training data.
recipe::LrFindResult FindRate(Lab& lab, const recipe::LrFindOptions& options);
// The same, and where the loss rose without having fallen clearly, once more over
// the rates below that, with as many steps: deep networks fall slowly. `options`:
// in, the whole range; out, the range of the result.
recipe::LrFindResult FindRateInTwo(Lab& lab, recipe::LrFindOptions* options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_RECIPE_LAB_H_
