// See step_watch.h.
#include "ports/host/train/step_watch.h"

#include <algorithm>
#include <cmath>

#include "runtime/recipe/layer_statistics.h"

namespace temper::host {
namespace {

// Calls visit(weight) for every stride-th trained weight.
template <class Visit>
void ForSomeWeights(const Trainer& trainer, uint64_t stride, Visit&& visit) {
  uint64_t next = 0;  // within the present tensor
  for (const TensorView& view : trainer.Tensors()) {
    if (!view.trained) continue;
    for (; next < view.count; next += stride) visit(view.data[next]);
    next -= view.count;
  }
}

}  // namespace

StepWatch::StepWatch(Trainer& trainer, uint64_t total_steps)
    : trainer_(trainer),
      every_(total_steps <= kFirstSteps + kLaterSteps
                 ? 1
                 : (total_steps - kFirstSteps + kLaterSteps - 1) /
                       kLaterSteps) {
  uint64_t weights = 0;
  for (const TensorView& view : trainer.Tensors()) {
    if (view.trained) weights += view.count;
  }
  stride_ = std::max<uint64_t>(1, (weights + kMostWeights - 1) / kMostWeights);
  before_.reserve(
      static_cast<size_t>(std::min<uint64_t>(weights, kMostWeights) + 1));
}

void StepWatch::Before(uint64_t step) {
  const bool wanted = step <= kFirstSteps || (step - kFirstSteps) % every_ == 0;
  if (!wanted) {
    if (measured_ != 0) recipe::LayerProbe::MeasureGradients(trainer_, false);
    measured_ = 0;
    return;
  }
  measured_ = step;
  recipe::LayerProbe::MeasureGradients(trainer_, true);
  before_.clear();
  ForSomeWeights(trainer_, stride_, [&](float w) { before_.push_back(w); });
}

std::optional<StepsRow> StepWatch::After(uint64_t step, float loss,
                                         float rate) {
  if (measured_ != step) return {};
  double moved = 0, squares = 0;
  size_t i = 0;
  ForSomeWeights(trainer_, stride_, [&](float w) {
    const double was = double{before_[i++]}, by = double{w} - was;
    moved += by * by;
    squares += was * was;
  });
  return StepsRow{step, loss, rate, recipe::LayerProbe::GradientNorm(trainer_),
                  squares > 0 ? std::sqrt(moved / squares) : 0};
}

}  // namespace temper::host
