// Mean squared error over all n elements of a sample:
//   loss of a row = sum (x - t)^2 / n     dx = 2 (x - t) / (rows * n)
// t is the second input (no gradient flows into it) or comes with the batch.
// y is the prediction x. Memory: keeps y and the second input; saves the losses
// of the rows, which the trainer sums.
// Kernels: simd/loss.h. Reference: tests/reference/loss.h.
#include "runtime/layers/value_loss.h"

namespace temper {
namespace {

void Forward(const Call& call) {
  const float* const target = ForwardPrediction(call);
  if (target == nullptr) return;
  simd::MeanSquaredError(call.rows, call.out.Count(), call.x[0], target,
                         static_cast<float*>(call.saved), call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  const size_t n = call.out.Count();
  const float factor = 2.0f / (call.step.Divisor() * static_cast<float>(n));
  simd::MeanSquaredErrorBackward(call.rows, n, call.y, TargetOf(call), factor,
                                 call.accumulate[0], call.dx[0], call.parallel);
}

// Zeros: the mean of the squared targets.
double Expected(uint32_t rows, const Shape& out, const float* targets) {
  const uint64_t n = rows * out.Count();
  return double{simd::SumOfSquares(n, targets)} / static_cast<double>(n);
}

constexpr LossTraits kLoss = {
    .targets = TargetKind::kValues,
    .squares = true,
    .absolute_error = AbsoluteError,
    .expected = Expected,
};

}  // namespace

extern const LayerOp kMeanSquaredErrorOp;
const LayerOp kMeanSquaredErrorOp = {
    .name = "mean_squared_error",
    .help =
        "mean of (prediction - target)^2; the output is the prediction. A "
        "second input is the target (autoencoders), else targets come with "
        "the batch",
    .shapes = "(h, w, c), or two of them -> the first",
    .role = LayerRole::kLoss,
    .loss = &kLoss,
    .defaults = DefaultsOf<MeanSquaredErrorParams>,
    .max_inputs = 2,
    .shape = ValueLossShape,
    .needs = ValueLossNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = ValueLossCost,
};

}  // namespace temper
