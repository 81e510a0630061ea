// What the losses of values share: a prediction and as many targets, with the
// batch or as a second input (autoencoders).
// Next: mean_squared_error.cc, huber.cc.
#ifndef TEMPER_RUNTIME_LAYERS_VALUE_LOSS_H_
#define TEMPER_RUNTIME_LAYERS_VALUE_LOSS_H_

#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "simd/loss.h"

namespace temper {

inline Status ValueLossShape(const Node& node, const Shape* in, Shape* out) {
  if (node.input_count == 2 && in[0].Count() != in[1].Count()) {
    return Error(StatusCode::kShapeMismatch,
                 "prediction and target must have the same number of elements");
  }
  *out = in[0];
  return Ok();
}

inline void ValueLossNeeds(const NeedsCall& call, Needs* needs) {
  needs->Saved(uint64_t{call.batch} * sizeof(float));
  needs->View();
  if (call.mode.backward) {
    needs->KeepOutput();
    if (call.node.input_count == 2) needs->KeepInput(1);
  }
}

inline const float* TargetOf(const Call& call) {
  return call.node.input_count == 2 ? call.x[1] : call.step.targets;
}

// y is the prediction. Returns the targets, or null: prediction only.
inline const float* ForwardPrediction(const Call& call) {
  if (call.y != call.x[0]) {
    simd::Copy(call.OutCount(), call.x[0], call.y, call.parallel);
  }
  return TargetOf(call);
}

inline void ValueLossCost(const CostCall& call, CostSink* sink) {
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

inline float AbsoluteError(uint32_t rows, const Shape& out, const float* y,
                           const float* targets) {
  const uint64_t n = rows * out.Count();
  return simd::SumOfDistances(n, y, targets) / static_cast<float>(n);
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_LAYERS_VALUE_LOSS_H_
