// Sigmoid and binary cross-entropy on logits z (rows, n), targets t in [0, 1],
// label_smoothing s:
//   p = sigmoid(z)   t' = t (1 - s) + s / 2
//   loss of a row = mean over n of t' softplus(-z) + (1 - t') softplus(z)
//   dz = (p - t') / (rows * n)
// A class label is 1 at its output and 0 at the others; of one output it is t
// itself. With class weights the terms have factors (Batch::class_weights).
// y is p. Memory: keeps the logits; saves the losses of the rows.
// PyTorch: BCEWithLogitsLoss (pos_weight: the weights).
// Kernels: simd/sigmoid_loss.h. Reference: tests/reference/class_loss.h.
#include "runtime/layers/sigmoid_loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(BinaryCrossEntropyParams, label_smoothing, 0.0, 0.999,
                     "share of the target that becomes 1/2"),
};

void Forward(const Call& call) {
  SigmoidForward(call, call.As<BinaryCrossEntropyParams>().label_smoothing,
                 0.0f);
}
void Backward(const Call& call) {
  SigmoidBackward(call, call.As<BinaryCrossEntropyParams>().label_smoothing,
                  0.0f);
}

// Probabilities of 1/2, smoothed or not: ln 2.
double Expected(uint32_t, const Shape&, const float*) {
  return 0.69314718055994531;
}

constexpr LossTraits kLoss = [] {
  LossTraits traits = kSigmoidLossTraits;
  traits.expected = Expected;
  return traits;
}();

}  // namespace

extern const LayerOp kBinaryCrossEntropyOp;
const LayerOp kBinaryCrossEntropyOp = {
    .name = "binary_cross_entropy",
    .help =
        "sigmoid and cross-entropy of every output by itself: several labels "
        "a sample, or one output for two classes; the output is the "
        "probabilities",
    .shapes = "(1, 1, labels) -> the same",
    .role = LayerRole::kLoss,
    .loss = &kLoss,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<BinaryCrossEntropyParams>,
    .shape = SigmoidLossShape,
    .needs = SigmoidLossNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = SigmoidLossCost,
};

}  // namespace temper
