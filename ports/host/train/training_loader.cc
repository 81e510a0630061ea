// See training_loader.h.
#include "ports/host/train/training_loader.h"

#include "ports/host/train/job_classes.h"

namespace temper::host {

LoaderOptions TrainingLoader(const Job& job) {
  const JobOptions& o = job.options;
  // A short last batch stays out if every phase leaves it out.
  bool drop = true;
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    drop &= job.Phase(k).dropped_per_epoch != 0;
  }
  return {.batch = o.batch,
          .seed = o.seed,
          .shuffle = true,
          .drop_last = drop,
          .augment = job.augment,
          .class_weights = job.class_weights,
          .balanced = !o.sampler.empty(),
          .mixup_alpha = static_cast<float>(o.mixup),
          .outputs = o.mixup > 0.0 ? OutputsOf(job) : 0};
}

}  // namespace temper::host
