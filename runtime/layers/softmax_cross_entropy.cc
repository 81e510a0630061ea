// Softmax and cross-entropy on logits z (rows, classes), class labels t:
//   p = softmax(z)   q_j = s / classes + (j == t ? 1 - s : 0)
//   loss of a row = -sum_j q_j log p_j   dz = (p - q) / rows
// with s = label_smoothing; or on probabilities t_j in place of the label:
//   q_j = s / classes + (1 - s) t_j, and dz = (p sum_j q_j - q) / rows.
// With class weights v_j of simd/focal.h stands for q_j; rows still divide.
// y is p. Memory: keeps y; saves the losses of the rows, which the trainer
// sums. Kernels: simd/loss.h; with class weights simd/focal.h.
// Reference: tests/reference/loss.h, class_loss.h.
#include "runtime/exact_math.h"
#include "runtime/layer.h"
#include "runtime/layers/class_loss.h"
#include "simd/loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(SoftmaxCrossEntropyParams, label_smoothing, 0.0, 0.999,
                     "share of the target that is spread over all classes"),
};

void Forward(const Call& call) {
  // Smoothing is for training: the loss that is reported in evaluation is the
  // plain one, as in PyTorch when the two criteria are kept apart.
  const float smoothing =
      call.step.training ? call.As<SoftmaxCrossEntropyParams>().label_smoothing
                         : 0.0f;
  float* const row_loss = static_cast<float*>(call.saved);
  if (call.step.class_weights != nullptr) {
    WeightedForward(call, smoothing, 0.0f);
    return;
  }
  if (IsSoft(call)) {
    simd::SoftmaxCrossEntropySoft(call.rows, call.out.c, call.x[0],
                                  call.step.targets, smoothing, call.y,
                                  row_loss, call.parallel);
    return;
  }
  simd::SoftmaxCrossEntropy(call.rows, call.out.c, call.x[0], call.step.labels,
                            smoothing, call.y, row_loss, call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  const float smoothing = call.As<SoftmaxCrossEntropyParams>().label_smoothing;
  const float factor = 1.0f / call.step.Divisor();
  if (call.step.class_weights != nullptr) {
    WeightedBackward(call, smoothing, 0.0f);
    return;
  }
  if (IsSoft(call)) {
    simd::SoftmaxCrossEntropySoftBackward(
        call.rows, call.out.c, call.y, call.step.targets, smoothing, factor,
        call.accumulate[0], call.dx[0], call.parallel);
    return;
  }
  simd::SoftmaxCrossEntropyBackward(
      call.rows, call.out.c, call.y, call.step.labels, smoothing, factor,
      call.accumulate[0], call.dx[0], call.parallel);
}

// Equal probabilities: ln(classes), smoothed or not.
double Expected(uint32_t, const Shape& out, const float*) {
  return exact::Log(static_cast<double>(out.c));
}

constexpr LossTraits kLoss = {
    .targets = TargetKind::kClasses,
    .also = TargetKind::kSoft,
    .correct = CountCorrectClasses,
    .expected = Expected,
};

}  // namespace

extern const LayerOp kSoftmaxCrossEntropyOp;
const LayerOp kSoftmaxCrossEntropyOp = {
    .name = "softmax_cross_entropy",
    .help =
        "softmax and cross-entropy of class labels or class probabilities; "
        "the output is the probabilities",
    .shapes = "(1, 1, classes) -> the same",
    .role = LayerRole::kLoss,
    .loss = &kLoss,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<SoftmaxCrossEntropyParams>,
    .shape = ClassLossShape,
    .needs = ClassLossNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = ClassLossCost,
};

}  // namespace temper
