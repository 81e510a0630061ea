// What the losses after softmax share: logits (1, 1, classes), labels or a
// probability for every class, weights of the classes.
// Next: softmax_cross_entropy.cc, focal.cc.
#ifndef TEMPER_RUNTIME_LAYERS_CLASS_LOSS_H_
#define TEMPER_RUNTIME_LAYERS_CLASS_LOSS_H_

#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "simd/focal.h"
#include "simd/loss.h"

namespace temper {

inline Status ClassLossShape(const Node&, const Shape* in, Shape* out) {
  if (in[0].h != 1 || in[0].w != 1) {
    return Error(
        StatusCode::kShapeMismatch,
        "logits must have shape (1, 1, classes): pool or flatten first");
  }
  *out = in[0];
  return Ok();
}

inline void ClassLossNeeds(const NeedsCall& call, Needs* needs) {
  needs->Saved(uint64_t{call.batch} * sizeof(float));
  if (call.mode.backward) needs->KeepOutput();
}

inline bool IsSoft(const Call& call) {
  return call.step.labels == nullptr && call.step.targets != nullptr;
}

inline simd::ClassTargets ClassTargetsOf(const Call& call, float smoothing,
                                         float gamma) {
  return {call.step.labels, call.step.targets, call.step.class_weights,
          smoothing, gamma};
}
// Of a step with labels or targets.
inline void WeightedForward(const Call& call, float smoothing, float gamma) {
  simd::SoftmaxFocal(call.rows, call.out.c, call.x[0],
                     ClassTargetsOf(call, smoothing, gamma), call.y,
                     static_cast<float*>(call.saved), call.parallel);
}
inline void WeightedBackward(const Call& call, float smoothing, float gamma) {
  simd::SoftmaxFocalBackward(call.rows, call.out.c, call.y,
                             ClassTargetsOf(call, smoothing, gamma),
                             1.0f / call.step.Divisor(), call.accumulate[0],
                             call.dx[0], call.parallel);
}

inline void ClassLossCost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kSoftmax, call.out.c, kGrain / 4, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kMask, call.out.c, kGrain,
                 {call.y, call.dy, call.dx[0], call.AddedTo()});
  }
}

inline uint32_t CountCorrectClasses(uint32_t rows, const Shape& out,
                                    const float* y, const int32_t* labels,
                                    const float* targets) {
  return labels != nullptr ? simd::CountCorrect(rows, out.c, y, labels)
                           : simd::CountCorrect(rows, out.c, y, targets);
}

}  // namespace temper

#endif  // TEMPER_RUNTIME_LAYERS_CLASS_LOSS_H_
