// Focal loss after sigmoid (Lin et al. 2017) on logits z (rows, n), targets t:
//   loss of a row = mean over n of t' (1 - p)^gamma softplus(-z)
//                                + (1 - t') p^gamma softplus(z)
// with p, t' and labels as of binary_cross_entropy, which is gamma 0; dz:
// simd/sigmoid_loss.h. torchvision: sigmoid_focal_loss(alpha=-1); its alpha is a
// pair of class weights here. y is p. Memory: keeps the logits.
// Kernels: simd/sigmoid_loss.h. Reference: tests/reference/class_loss.h.
#include "runtime/layers/sigmoid_loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(BinaryFocalParams, gamma, 0.0, 16.0,
                     "power that makes easy samples count less"),
    TEMPER_FIELD_F32(BinaryFocalParams, label_smoothing, 0.0, 0.999,
                     "share of the target that becomes 1/2"),
};

void Forward(const Call& call) {
  const BinaryFocalParams& p = call.As<BinaryFocalParams>();
  SigmoidForward(call, p.label_smoothing, p.gamma);
}
void Backward(const Call& call) {
  const BinaryFocalParams& p = call.As<BinaryFocalParams>();
  SigmoidBackward(call, p.label_smoothing, p.gamma);
}

}  // namespace

extern const LayerOp kBinaryFocalOp;
const LayerOp kBinaryFocalOp = {
    .name = "binary_focal",
    .help =
        "focal loss of every output by itself, after sigmoid: several labels "
        "a sample, or one output for two classes; the output is the "
        "probabilities",
    .shapes = "(1, 1, labels) -> the same",
    .role = LayerRole::kLoss,
    .loss = &kSigmoidLossTraits,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<BinaryFocalParams>,
    .shape = SigmoidLossShape,
    .needs = SigmoidLossNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = SigmoidLossCost,
};

}  // namespace temper
