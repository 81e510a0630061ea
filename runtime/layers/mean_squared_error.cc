// Mean squared error over all n elements of a sample:
//   loss of a row = sum (x - t)^2 / n     dx = 2 (x - t) / (rows * n)
// t is the second input (no gradient flows into it) or comes with the batch.
// y is the prediction x. Memory: keeps y and the second input; saves the losses
// of the rows, which the trainer sums.
// Kernels: simd/loss.h. Reference: tests/reference/loss.h.
#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "simd/loss.h"

namespace temper {
namespace {

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  if (node.input_count == 2 && in[0].Count() != in[1].Count()) {
    return Error(StatusCode::kShapeMismatch,
                 "prediction and target must have the same number of elements");
  }
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  needs->Saved(uint64_t{call.batch} * sizeof(float));
  needs->View();
  if (call.mode.backward) {
    needs->KeepOutput();
    if (call.node.input_count == 2) needs->KeepInput(1);
  }
}

const float* Target(const Call& call) {
  return call.node.input_count == 2 ? call.x[1] : call.step.targets;
}

void Forward(const Call& call) {
  if (call.y != call.x[0]) {
    simd::Copy(call.OutCount(), call.x[0], call.y, call.parallel);
  }
  if (Target(call) == nullptr) return;  // prediction only
  simd::MeanSquaredError(call.rows, call.out.Count(), call.x[0], Target(call),
                         static_cast<float*>(call.saved), call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  const size_t n = call.out.Count();
  const float factor = 2.0f / (call.step.Divisor() * static_cast<float>(n));
  simd::MeanSquaredErrorBackward(call.rows, n, call.y, Target(call), factor,
                                 call.accumulate[0], call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    const Touch target = call.node.input_count > 1 ? call.x[1] : call.x[0];
    sink->Stream(Kernel::kMask, call.out.c, kGrain,
                 {call.x[0], target, call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kMask, call.out.c, kGrain,
                 {call.y, call.dy, call.dx[0], call.AddedTo()});
  }
}

float AbsoluteError(uint32_t rows, const Shape& out, const float* y,
                    const float* targets) {
  const uint64_t n = rows * out.Count();
  return simd::SumOfDistances(n, y, targets) / static_cast<float>(n);
}

// Zeros: the mean of the squared targets.
double Expected(uint32_t rows, const Shape& out, const float* targets) {
  const uint64_t n = rows * out.Count();
  return double{simd::SumOfSquares(n, targets)} / static_cast<double>(n);
}

constexpr LossTraits kLoss = {
    .targets = TargetKind::kValues,
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
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
