// Huber loss over all n elements of a sample (Huber 1964; PyTorch's HuberLoss),
// d = x - t:
//   loss of a row = mean of |d| <= delta ? d^2 / 2 : delta (|d| - delta / 2)
//   dx = min(max(d, -delta), delta) / (rows * n)
// t is the second input or comes with the batch, as of mean_squared_error.
// y is the prediction x. Memory: as mean_squared_error.
// Kernels: simd/loss.h. Reference: tests/reference/class_loss.h.
#include "runtime/layers/value_loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(HuberParams, delta, 1e-6, 1e6,
                     "distance beyond which the loss grows by the distance, "
                     "not by its square"),
};

void Forward(const Call& call) {
  const float* const target = ForwardPrediction(call);
  if (target == nullptr) return;
  simd::Huber(call.rows, call.out.Count(), call.x[0], target,
              call.As<HuberParams>().delta, static_cast<float*>(call.saved),
              call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  const size_t n = call.out.Count();
  const float factor = 1.0f / (call.step.Divisor() * static_cast<float>(n));
  simd::HuberBackward(call.rows, n, call.y, TargetOf(call),
                      call.As<HuberParams>().delta, factor, call.accumulate[0],
                      call.dx[0], call.parallel);
}

constexpr LossTraits kLoss = {
    .targets = TargetKind::kValues,
    .absolute_error = AbsoluteError,
};

}  // namespace

extern const LayerOp kHuberOp;
const LayerOp kHuberOp = {
    .name = "huber",
    .help =
        "squared error near the target, absolute error far from it: outliers "
        "pull less; the output is the prediction, targets as of "
        "mean_squared_error",
    .shapes = "(h, w, c), or two of them -> the first",
    .role = LayerRole::kLoss,
    .loss = &kLoss,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<HuberParams>,
    .max_inputs = 2,
    .shape = ValueLossShape,
    .needs = ValueLossNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = ValueLossCost,
};

}  // namespace temper
