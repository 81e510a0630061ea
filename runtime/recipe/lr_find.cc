// The steps of the learning-rate finder. See lr_find.h.
#include "runtime/recipe/lr_find.h"

#include <cmath>
#include <optional>

#include "runtime/exact_math.h"

namespace temper::recipe {
namespace {

constexpr uint64_t Rounded(uint64_t bytes) {
  return (bytes + kTensorAlign - 1) / kTensorAlign * kTensorAlign;
}

// Batches without an end.
class Batches {
 public:
  Batches(const BatchSource& source, uint64_t seed)
      : source_(source), seed_(seed) {
    source_.start(source_.context, 0, 0);
  }

  // Nothing: the source has no batch at all.
  std::optional<Batch> Next() {
    const Batch* next = source_.next(source_.context);
    if (next == nullptr) {
      source_.start(source_.context, ++epoch_, 0);
      next = source_.next(source_.context);
    }
    if (next == nullptr) return std::nullopt;
    Batch batch = *next;
    if (batch.sample_ids != nullptr && !batch.random) {
      batch.random = RandomKey{seed_, epoch_};
    }
    return batch;
  }
  uint32_t epochs() const { return epoch_ + 1; }

 private:
  const BatchSource source_;
  const uint64_t seed_;
  uint32_t epoch_ = 0;
};

// One step over `accumulate` batches.
StepResult TakeStep(Trainer& trainer, Batches& batches, uint64_t accumulate,
                    float rate) {
  StepResult all;
  double loss = 0;
  for (uint64_t i = 0; i < accumulate; ++i) {
    const std::optional<Batch> batch = batches.Next();
    if (!batch) {
      all.status = Error(StatusCode::kBadData, "there are no batches");
      return all;
    }
    if (accumulate == 1) return trainer.Step(*batch, rate);
    const StepResult r = trainer.Accumulate(*batch);
    if (!r.status.ok()) return r;
    loss += double{r.loss} * r.rows;
    all.rows += r.rows;
  }
  all.loss = static_cast<float>(loss / all.rows);
  all.status = trainer.Apply(StepOptions{.learning_rate = rate});
  return all;
}

Status CheckOptions(const Trainer& trainer, const LrFindOptions& o,
                    const void* memory, size_t bytes) {
  const bool rates = o.min > 0 && o.max > o.min && std::isfinite(o.max) &&
                     static_cast<float>(o.min) > 0 &&
                     std::isfinite(static_cast<float>(o.max));
  if (!rates || o.steps < 10 || o.steps > kMostLrSteps || o.accumulate == 0) {
    return Error(
        StatusCode::kInvalidArgument,
        "a range test needs rates 0 < min < max and 10 to 10000 steps");
  }
  Status status;
  const uint64_t needed = LrFindBytes(trainer.plan(), o.steps);
  if (memory == nullptr || bytes < needed ||
      reinterpret_cast<uintptr_t>(memory) % kTensorAlign != 0) {
    status = Error(StatusCode::kArenaTooSmall,
                   "the memory is smaller than the range test needs, or not "
                   "aligned to 64 bytes");
    status.bytes = needed;
  }
  return status;
}

}  // namespace

uint64_t SnapshotBytes(const Plan& plan) {
  uint64_t bytes = 0;
  for (const PlannedTensor& t : plan.tensors) {
    if (IsPersistent(t.kind)) bytes += t.bytes;
  }
  return bytes;
}

uint64_t LrFindBytes(const Plan& plan, uint32_t steps) {
  return Rounded(SnapshotBytes(plan)) +
         Rounded(uint64_t{steps} * sizeof(LrPoint));
}

LrFindResult FindLearningRate(Trainer& trainer, const BatchSource& source,
                              const LrFindOptions& o, void* memory,
                              size_t bytes) {
  LrFindResult result;
  result.status = CheckOptions(trainer, o, memory, bytes);
  if (!result.status.ok()) return result;
  uint8_t* const snapshot = static_cast<uint8_t*>(memory);
  LrPoint* const points = reinterpret_cast<LrPoint*>(
      snapshot + Rounded(SnapshotBytes(trainer.plan())));
  trainer.TakeSnapshot(snapshot);

  // log of the factor between two rates
  const double growth = (exact::Log(o.max) - exact::Log(o.min)) / (o.steps - 1);
  Batches batches(source, o.seed);
  LossMean mean(o.steps);
  double best = 0;
  bool stopped = false;
  uint32_t count = 0;
  while (count < o.steps && !stopped) {
    const double rate = count + 1 == o.steps ? o.max
                        : count == 0         ? o.min
                                     : o.min * exact::Exp(growth * count);
    const StepResult r =
        TakeStep(trainer, batches, o.accumulate, static_cast<float>(rate));
    if (r.status.code == StatusCode::kNotFinite) {
      stopped = true;  // no number: in no mean
      break;
    }
    if (!r.status.ok()) {
      result.status = r.status;
      break;
    }
    LrPoint& point = points[count++];
    point.rate = rate;
    point.loss = r.loss;
    point.smoothed = static_cast<float>(mean.Add(double{r.loss}));
    if (count == 1 || point.smoothed < best) best = point.smoothed;
    stopped = double{point.smoothed} > kLrStop * best;
  }
  trainer.RestoreSnapshot(snapshot);
  result.points = {points, count};
  result.epochs = batches.epochs();
  if (result.status.ok()) {
    result.curve = JudgeLrCurve(result.points, o.steps, stopped);
  }
  // What a rate that was never reached cannot say, the options can.
  if (result.curve.next_min == 0) result.curve.next_min = o.min / 1000;
  if (result.curve.next_max == 0) result.curve.next_max = o.max * 1000;
  return result;
}

}  // namespace temper::recipe
