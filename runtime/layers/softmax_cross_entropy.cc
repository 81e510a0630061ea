// Softmax and cross-entropy on logits z (rows, classes), class labels t:
//   p = softmax(z)   q_j = s / classes + (j == t ? 1 - s : 0), s =
//   label_smoothing loss of a row = -sum_j q_j log p_j   dz = (p - q) / rows
// y is p. Memory: keeps y; saves the losses of the rows, which the trainer
// sums. Kernels: simd/loss.h. Reference: tests/reference/loss.h.
#include "runtime/layer.h"
#include "simd/loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(SoftmaxCrossEntropyParams, label_smoothing, 0.0, 0.999,
                     "share of the target spread over all classes"),
};

Status InferShape(const Node&, const Shape* in, Shape* out) {
  if (in[0].h != 1 || in[0].w != 1) {
    return Error(
        StatusCode::kShapeMismatch,
        "logits must have shape (1, 1, classes): pool or flatten first");
  }
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  needs->Saved(uint64_t{call.batch} * sizeof(float));
  if (call.mode.backward) needs->KeepOutput();
}

void Forward(const Call& call) {
  // Smoothing is for training: the loss that is reported in evaluation is the
  // plain one, as in PyTorch when the two criteria are kept apart.
  const float smoothing =
      call.step.training ? call.As<SoftmaxCrossEntropyParams>().label_smoothing
                         : 0.0f;
  simd::SoftmaxCrossEntropy(call.rows, call.out.c, call.x[0], call.step.labels,
                            smoothing, call.y, static_cast<float*>(call.saved),
                            call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  simd::SoftmaxCrossEntropyBackward(
      call.rows, call.out.c, call.y, call.step.labels,
      call.As<SoftmaxCrossEntropyParams>().label_smoothing,
      1.0f / static_cast<float>(call.rows), call.accumulate[0], call.dx[0],
      call.parallel);
}

uint32_t CountCorrect(uint32_t rows, const Shape& out, const float* y,
                      const int32_t* labels) {
  return simd::CountCorrect(rows, out.c, y, labels);
}

constexpr LossTraits kLoss = {
    .targets = TargetKind::kClasses,
    .metric = "accuracy",
    .correct = CountCorrect,
};

}  // namespace

extern const LayerOp kSoftmaxCrossEntropyOp;
const LayerOp kSoftmaxCrossEntropyOp = {
    .name = "softmax_cross_entropy",
    .help = "softmax and cross-entropy of class labels",
    .role = LayerRole::kLoss,
    .loss = &kLoss,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<SoftmaxCrossEntropyParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
};

}  // namespace temper
