// See lr_curve.h.
#include "runtime/recipe/lr_curve.h"

#include <algorithm>
#include <cmath>

namespace temper::recipe {
namespace {

// Of the points that come before any learning: mean and deviation of the losses.
struct Plateau {
  double mean = 0, deviation = 0;
};
Plateau PlateauOf(std::span<const LrPoint> points) {
  Plateau p;
  for (const LrPoint& point : points) p.mean += double{point.loss};
  p.mean /= static_cast<double>(points.size());
  double squares = 0;
  for (const LrPoint& point : points) {
    const double away = double{point.loss} - p.mean;
    squares += away * away;
  }
  p.deviation = std::sqrt(squares / static_cast<double>(points.size()));
  return p;
}

}  // namespace

LossMean::LossMean(uint32_t steps)
    : beta_(1.0 - 1.0 / std::max(2.0, steps / 20.0)) {}

double LossMean::Add(double loss) {
  mean_ = beta_ * mean_ + (1.0 - beta_) * loss;
  weight_ *= beta_;
  return mean_ / (1.0 - weight_);
}

LrJudgement JudgeLrCurve(std::span<const LrPoint> points, uint32_t steps,
                         bool stopped) {
  LrJudgement j;
  constexpr size_t kLeast = 8;  // points that say anything
  if (points.size() < kLeast) {
    // It explodes at once.
    j.verdict = LrVerdict::kTooShort;
    if (!points.empty()) {
      j.next_min = points.front().rate / 10000;
      j.next_max = points.front().rate;
    }
    return j;
  }
  const size_t head = std::clamp<size_t>(steps / 10, 5, points.size() / 2);
  const Plateau start = PlateauOf(points.first(head));
  // The first means are of single batches.
  size_t best = head;
  for (size_t i = head; i < points.size(); ++i) {
    if (points[i].smoothed < points[best].smoothed) best = i;
  }
  j.first_loss = start.mean;
  j.best_loss = points[best].smoothed;
  const double fall = j.first_loss - j.best_loss;
  // A fall within the noise of single batches, or of less than 2 %, is none.
  const double noise =
      4.0 * start.deviation / std::sqrt(std::max(1.0, steps / 10.0));
  for (size_t i = best; i < points.size() && j.limit == 0; ++i) {
    // As bad again as before, or worse by half of what was won.
    if (points[i].smoothed > j.best_loss + 0.5 * fall) j.limit = points[i].rate;
  }
  if (j.limit == 0 && stopped) j.limit = points.back().rate;
  const double clear = std::max(noise, 0.02 * std::abs(j.first_loss));
  if (!(fall > clear)) {
    j.verdict = LrVerdict::kNoFall;
    size_t rise = points.size();
    while (rise > head && points[rise - 1].smoothed > j.first_loss + clear) {
      --rise;
    }
    if (rise < points.size()) j.rise = points[rise].rate;
    // Of a wide range most steps went to rates that are too small: the decade and
    // a half below the rise is looked at more closely.
    constexpr double kBelow = 30, kAbove = 2, kWide = 300;
    if (j.rise > kWide * points.front().rate) {
      j.next_min = j.rise / kBelow;
      j.next_max = j.rise * kAbove;
    } else if (stopped || j.rise > 0) {  // all of these rates are too large
      j.next_min = points.front().rate / 10000;
      j.next_max = points.back().rate;
    } else {  // or too small
      j.next_min = points.back().rate / 10;
      j.next_max = points.back().rate * 10000;
    }
    return j;
  }
  size_t low = best;
  while (low > 0 && points[low - 1].smoothed < j.first_loss - 0.1 * fall) {
    --low;
  }
  // The mean comes late by so much.
  low -= std::min<size_t>(low, steps / 20);
  j.low = points[low].rate;
  j.high = points[best].rate;
  if (j.limit == 0 && best + 1 == points.size()) {
    j.verdict = LrVerdict::kNoEnd;
    j.next_min = j.low / 10;
    j.next_max = points.back().rate * 1000;
    return j;
  }
  j.verdict = LrVerdict::kFound;
  // Where the curve turns bad is seen better than where it is lowest: near its
  // bottom it is flat. The mean comes late there, too, and a whole run suffers
  // more from a rate than a single step does.
  const double bad = j.limit > 0 ? j.limit : points.back().rate;
  j.suggestion = std::clamp(bad / 6, j.low, j.high);
  return j;
}

}  // namespace temper::recipe
