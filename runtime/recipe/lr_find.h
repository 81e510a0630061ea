// The learning-rate finder: a range test (Smith 2017). The rate grows from step
// to step by the same factor; the rates at which the loss falls are worth
// trying. No heap, no clock, no files; the trainer is afterwards in the state in
// which it was, bit for bit.
//
//   std::vector<uint8_t> memory(LrFindBytes(plan, options.steps));  // yours
//   const LrFindResult found = FindLearningRate(
//       trainer, batches, options, memory.data(), memory.size());
//   if (found.verdict == LrVerdict::kFound) Train(found.suggestion);
//
// How the curve is judged: lr_curve.h. Next: ports/cli/verb_lr_find.cc.
#ifndef TEMPER_RUNTIME_RECIPE_LR_FIND_H_
#define TEMPER_RUNTIME_RECIPE_LR_FIND_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/recipe/lr_curve.h"
#include "temper/fit.h"
#include "temper/plan.h"
#include "temper/trainer.h"

namespace temper::recipe {

struct LrFindOptions {
  double min = 1e-7, max = 10.0;  // rates, 0 < min < max
  uint32_t steps = 100;           // 10 to kMostLrSteps
  uint64_t accumulate = 1;        // batches of a step, as FitOptions
  uint64_t seed = 0;              // as FitOptions::seed
};
inline constexpr uint32_t kMostLrSteps = 10000;

struct LrFindResult {
  LrJudgement curve;
  std::span<const LrPoint> points;  // in the caller's memory
  uint32_t epochs = 0;              // times through the data that were begun
  // kOk, or why a step failed otherwise than by a number that is not finite:
  // then nothing was judged.
  Status status;
};

// What Trainer::SnapshotBytes will say of a trainer of this plan.
uint64_t SnapshotBytes(const Plan& plan);

// The memory of a search: the snapshot and the points. A multiple of 64.
uint64_t LrFindBytes(const Plan& plan, uint32_t steps);

// Takes `steps` steps at growing rates and puts everything back: weights,
// statistics, the optimizer's and the hooks' state, the count of steps and of
// draws. It ends early where the smoothed loss is kLrStop times the best one or
// a number is not finite. Where the batches of an epoch are fewer, it begins the
// next epoch. kInvalidArgument: options out of range, memory too small (then
// `status.bytes` is enough) or not aligned to 64.
LrFindResult FindLearningRate(Trainer& trainer, const BatchSource& batches,
                              const LrFindOptions& options, void* memory,
                              size_t bytes);

}  // namespace temper::recipe

#endif  // TEMPER_RUNTIME_RECIPE_LR_FIND_H_
