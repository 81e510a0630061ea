// See prediction.h.
#include "ports/host/simulate/prediction.h"

#include <algorithm>

namespace temper::host {

namespace {

// What one phase adds.
void AddPhase(const sim::DeviceProfile& device, const Job& job,
              const JobPhase& phase, DevicePrediction* p) {
  const Plan& plan = phase.plan;
  const uint32_t threads = plan.options.threads;
  const JobOptions& o = job.options;
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
  p->step_count += phase.batches_per_epoch * phase.epochs;
  double update = 0;
  const sim::Estimate step =
      sim::EstimateStep(device, plan, o.batch, threads, true);
  for (const sim::LayerEstimate& layer : step.layers) {
    update += layer.update.Total();
  }
  // Batches whose gradients are added to others' have no update of their own.
  const double steps =
      phase.epochs *
      (epoch(job.data.train.size(), true, phase.dropped_per_epoch == 0) -
       static_cast<double>(phase.batches_per_epoch - phase.steps_per_epoch) *
           update);
  p->steps += steps;
  if (job.data.val) {
    p->evaluation += phase.epochs * epoch(job.data.val->size(), false, true);
  }
  uint64_t weights = 0, state = 0;
  for (const PlannedTensor& t : plan.tensors) {
    if (t.kind == TensorKind::kWeight) weights += t.bytes;
    if (t.kind == TensorKind::kOptimizer) state += t.bytes;
  }
  // last: at the start, after every epoch, and every save_seconds within one;
  // best: at most once an epoch, or at the end.
  p->save_bytes = std::max(p->save_bytes, weights + state);
  uint64_t saves = 1 + uint64_t{phase.epochs};
  if (o.save_seconds > 0) {
    saves += uint64_t{phase.epochs} *
             static_cast<uint64_t>(steps / phase.epochs / o.save_seconds);
  }
  p->save_count += saves;
  const bool last = &phase == &job.Phase(job.PhaseCount() - 1);
  const uint64_t best = job.data.val ? phase.epochs : last ? 1 : 0;
  p->saves +=
      static_cast<double>(saves) * sim::EstimateSave(device, weights + state) +
      static_cast<double>(best) * sim::EstimateSave(device, weights);
}

}  // namespace

DevicePrediction Predict(const sim::DeviceProfile& device, const Job& job,
                         uint64_t limit) {
  const JobOptions& o = job.options;
  DevicePrediction p;
  p.limit = limit;
  p.arena = job.arena_bytes;
  p.backend = job.plan.backend_bytes;
  p.outside = OutsideBytes(job).Total();
  p.planned = p.arena + p.backend + p.outside;
  p.step = sim::EstimateStep(device, job.plan, o.batch,
                             job.plan.options.threads, true);
  const auto forward = [&](uint32_t rows) {
    return sim::EstimateStep(device, job.plan, rows, job.plan.options.threads,
                             false)
        .seconds;
  };
  p.forward = forward(o.batch);
  p.forward_one = forward(1);
  for (uint32_t k = 0; k < job.PhaseCount(); ++k) {
    AddPhase(device, job, job.Phase(k), &p);
  }
  return p;
}

}  // namespace temper::host
