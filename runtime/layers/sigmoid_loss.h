// What the losses after sigmoid share: logits (1, 1, n), of which each is a label
// by itself, or one logit for two classes.
// Next: binary_cross_entropy.cc, binary_focal.cc.
#ifndef TEMPER_RUNTIME_LAYERS_SIGMOID_LOSS_H_
#define TEMPER_RUNTIME_LAYERS_SIGMOID_LOSS_H_

#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "simd/loss.h"
#include "simd/sigmoid_loss.h"

namespace temper {

inline Status SigmoidLossShape(const Node&, const Shape* in, Shape* out) {
  if (in[0].h != 1 || in[0].w != 1) {
    return Error(
        StatusCode::kShapeMismatch,
        "logits must have shape (1, 1, labels): pool or flatten first");
  }
  *out = in[0];
  return Ok();
}

// Backward reads the logits: 1 - p has all its digits there.
inline void SigmoidLossNeeds(const NeedsCall& call, Needs* needs) {
  needs->Saved(uint64_t{call.batch} * sizeof(float));
  if (call.mode.backward) needs->KeepInput(0);
}

inline simd::BinaryTargets BinaryTargetsOf(const Call& call, float smoothing,
                                           float gamma) {
  simd::BinaryTargets t = {.labels = call.step.labels,
                           .targets = call.step.targets,
                           .smoothing = smoothing,
                           .gamma = gamma};
  const float* const weights = call.step.class_weights;
  if (weights == nullptr) return t;
  // Of one output: the weights of "no" and "yes". Else of a label that is there.
  t.negative = call.out.c == 1 ? weights : nullptr;
  t.positive = call.out.c == 1 ? weights + 1 : weights;
  return t;
}

inline void SigmoidForward(const Call& call, float smoothing, float gamma) {
  simd::Sigmoids(call.OutCount(), call.x[0], call.y, call.parallel);
  if (call.step.labels == nullptr && call.step.targets == nullptr) return;
  // Smoothing is for training, as in softmax_cross_entropy.
  if (!call.step.training) smoothing = 0.0f;
  simd::SigmoidFocal(call.rows, call.out.c, call.x[0],
                     BinaryTargetsOf(call, smoothing, gamma),
                     static_cast<float*>(call.saved), call.parallel);
}
inline void SigmoidBackward(const Call& call, float smoothing, float gamma) {
  if (call.dx[0] == nullptr) return;
  const float factor =
      1.0f / (call.step.Divisor() * static_cast<float>(call.out.c));
  simd::SigmoidFocalBackward(call.rows, call.out.c, call.x[0],
                             BinaryTargetsOf(call, smoothing, gamma), factor,
                             call.accumulate[0], call.dx[0], call.parallel);
}

inline void SigmoidLossCost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kSoftmax, call.out.c, kGrain / 8, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kSoftmax, call.out.c, kGrain / 8,
                 {call.x[0], call.dx[0], call.AddedTo()});
  }
}

// Of one output: the class that is more likely than not; equal ones: the first.
// Of several: the first largest for labels, all of them for targets.
inline uint32_t CountCorrectLabels(uint32_t rows, const Shape& out,
                                   const float* y, const int32_t* labels,
                                   const float* targets) {
  if (labels == nullptr) return simd::CountAllRight(rows, out.c, y, targets);
  if (out.c > 1) return simd::CountCorrect(rows, out.c, y, labels);
  uint32_t correct = 0;
  for (uint32_t r = 0; r < rows; ++r) {
    correct += y[r] == y[r] && labels[r] == (y[r] > 0.5f ? 1 : 0);
  }
  return correct;
}

inline constexpr LossTraits kSigmoidLossTraits = {
    .targets = TargetKind::kClasses,
    .also = TargetKind::kMultiHot,
    .independent = true,
    .correct = CountCorrectLabels,
};

}  // namespace temper

#endif  // TEMPER_RUNTIME_LAYERS_SIGMOID_LOSS_H_
