// Judging the curve of a learning-rate finder: loss over a rate that grows by a
// constant factor a step. Pure functions of the points.
#ifndef TEMPER_RUNTIME_RECIPE_LR_CURVE_H_
#define TEMPER_RUNTIME_RECIPE_LR_CURVE_H_

#include <cstdint>
#include <span>

namespace temper::recipe {

// The finder stops at this multiple of the best smoothed loss.
inline constexpr double kLrStop = 4.0;

struct LrPoint {
  double rate = 0;
  float loss = 0;      // of the batch, before the step at this rate
  float smoothed = 0;  // SmoothLosses
};

enum class LrVerdict : uint32_t {
  kFound,
  kTooShort,  // it ended before there was anything to judge
  kNoFall,    // the loss has not fallen at any of these rates
  kNoEnd,     // it still falls at the highest of them
};

struct LrJudgement {
  LrVerdict verdict = LrVerdict::kTooShort;
  // Of kFound: within [low, high], the rates over which the loss falls; all of
  // them rates that were tested.
  double suggestion = 0, low = 0, high = 0;
  // The rate at which it had become clearly worse than at its best; 0: at none.
  double limit = 0;
  // Of kNoFall: the rate from which on it was clearly worse than at the start; 0:
  // at none. What falls lies below it, in steps too few to show.
  double rise = 0;
  double first_loss = 0, best_loss = 0;  // smoothed
  // Of the other verdicts: the range to try next.
  double next_min = 0, next_max = 0;
};

// Exponential mean with the bias of its zero start taken out (Kingma and Ba
// 2015): m = b m + (1 - b) x, smoothed = m / (1 - b^n).
class LossMean {
 public:
  // `steps`: of the whole curve. The mean looks back over 1/20 of it, so that its
  // delay is the same share of the range however many steps there are.
  explicit LossMean(uint32_t steps);
  double Add(double loss);

 private:
  double beta_, mean_ = 0, weight_ = 1;
};

// `points`: those that were reached, their losses finite, of `steps` planned.
// `stopped`: the finder ended before the last step because the loss exploded.
LrJudgement JudgeLrCurve(std::span<const LrPoint> points, uint32_t steps,
                         bool stopped);

}  // namespace temper::recipe

#endif  // TEMPER_RUNTIME_RECIPE_LR_CURVE_H_
