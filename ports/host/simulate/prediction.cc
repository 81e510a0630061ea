// See prediction.h.
#include "ports/host/simulate/prediction.h"

namespace temper::host {

Prediction Predict(const sim::DeviceProfile& device, const Job& job,
                   uint64_t limit) {
  const Plan& plan = job.plan;
  const uint32_t threads = plan.options.threads;
  const JobOptions& o = job.options;
  Prediction p;
  p.limit = limit;
  p.arena = job.arena_bytes;
  p.outside = OutsideBytes(job).Total();
  p.planned = p.arena + p.outside;
  const auto seconds = [&](uint64_t rows, bool training) {
    return sim::EstimateStep(device, plan, static_cast<uint32_t>(rows), threads,
                             training)
        .seconds;
  };
  const auto epoch = [&](uint64_t samples, bool training, bool short_batch) {
    double sum = 0;
    if (samples >= o.batch) {
      sum +=
          static_cast<double>(samples / o.batch) * seconds(o.batch, training);
    }
    const uint64_t rest = samples % o.batch;
    if (rest != 0 && short_batch) sum += seconds(rest, training);
    return sum;
  };
  p.step = sim::EstimateStep(device, plan, o.batch, threads, true);
  p.forward = seconds(o.batch, false);
  p.forward_one = seconds(1, false);
  double update = 0;
  for (const sim::LayerEstimate& layer : p.step.layers) {
    update += layer.update.Total();
  }
  // Batches whose gradients are added to others' have no update of their own.
  p.steps = o.epochs *
            (epoch(job.data.train.size(), true, job.dropped_per_epoch == 0) -

             static_cast<double>(job.batches_per_epoch - job.steps_per_epoch) *
                 update);
  if (job.data.val)
    p.evaluation = o.epochs * epoch(job.data.val->size(), false, true);
  uint64_t weights = 0, state = 0;
  for (const PlannedTensor& t : plan.tensors) {
    if (t.kind == TensorKind::kWeight) weights += t.bytes;
    if (t.kind == TensorKind::kOptimizer) state += t.bytes;
  }
  // last: at the start, after every epoch, and every save_seconds within one;
  // best: at most once an epoch, or at the end.
  p.save_bytes = weights + state;
  p.save_count = 1 + uint64_t{o.epochs};
  if (o.save_seconds > 0) {
    p.save_count += uint64_t{o.epochs} *
                    static_cast<uint64_t>(p.steps / o.epochs / o.save_seconds);
  }
  const uint64_t best = job.data.val ? o.epochs : 1;
  p.saves = static_cast<double>(p.save_count) *
                sim::EstimateSave(device, p.save_bytes) +
            static_cast<double>(best) * sim::EstimateSave(device, weights);
  return p;
}

}  // namespace temper::host
