// See gradient_check.h.
#include "runtime/recipe/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/recipe/lr_find.h"

namespace temper::recipe {
namespace {

constexpr uint64_t Rounded(uint64_t bytes) {
  return (bytes + kTensorAlign - 1) / kTensorAlign * kTensorAlign;
}

uint64_t TrainedFloats(const Plan& plan) {
  uint64_t floats = 0;
  for (const NodePlan& node : plan.nodes) {
    for (uint32_t w = 0; w < node.weight_count; ++w) {
      floats += node.specs[w].Count();
    }
  }
  return floats;
}

}  // namespace

uint64_t GradientCheckBytes(const Plan& plan) {
  return Rounded(SnapshotBytes(plan)) +
         Rounded(TrainedFloats(plan) * sizeof(float));
}

GradientCheck CheckGradient(Trainer& trainer, const Batch& batch, void* memory,
                            size_t bytes) {
  GradientCheck check;
  const Plan& plan = trainer.plan();
  if (memory == nullptr || bytes < GradientCheckBytes(plan)) {
    check.status = Error(StatusCode::kArenaTooSmall,
                         "the memory is smaller than the check needs");
    check.status.bytes = GradientCheckBytes(plan);
    return check;
  }
  uint8_t* const snapshot = static_cast<uint8_t*>(memory);
  float* const direction =
      reinterpret_cast<float*>(snapshot + Rounded(SnapshotBytes(plan)));
  trainer.TakeSnapshot(snapshot);
  const StepResult r = trainer.Gradients(batch);
  check.status = r.status;
  if (!r.status.ok()) return check;
  double squares = 0;
  float* d = direction;
  for (const TensorView& view : trainer.Tensors()) {
    if (!view.trained || view.gradient == nullptr) continue;
    for (uint64_t i = 0; i < view.count; ++i) {
      squares += double{view.gradient[i]} * view.gradient[i];
      *d++ = view.gradient[i];
    }
  }
  check.norm = std::sqrt(squares);
  if (check.norm == 0) return check;
  // A step that changes the loss by a thousandth of it: far above rounding, and
  // short enough that it is straight.
  const double length =
      1e-3 * std::max(1e-3, std::abs(double{r.loss})) / check.norm;
  double losses[2] = {};
  for (int side = 0; side < 2; ++side) {
    trainer.RestoreSnapshot(snapshot);
    const float by =
        static_cast<float>((side == 0 ? -length : length) / check.norm);
    const float* from = direction;
    for (const TensorView& view : trainer.Tensors()) {
      if (!view.trained || view.gradient == nullptr) continue;
      for (uint64_t i = 0; i < view.count; ++i) view.data[i] += by * *from++;
    }
    const StepResult at = trainer.Forward(batch);
    check.status = at.status;
    losses[side] = at.loss;
    if (!at.status.ok()) break;
  }
  trainer.RestoreSnapshot(snapshot);
  check.slope = (losses[1] - losses[0]) / (2 * length);
  check.ratio = check.slope / check.norm;
  return check;
}

}  // namespace temper::recipe
