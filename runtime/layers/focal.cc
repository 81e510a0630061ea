// Focal loss after softmax (Lin et al. 2017), class labels t or probabilities:
//   p = softmax(z)   q_j as of softmax_cross_entropy
//   loss of a row = -sum_j q_j (1 - p_j)^gamma log p_j
//   a_j = q_j (gamma (1 - p_j)^(gamma - 1) p_j log p_j - (1 - p_j)^gamma)
//   dz_k = (a_k - p_k sum_j a_j) / rows
// With class weights (alpha in the paper) v_j of simd/focal.h stands for q_j. gamma 0 is
// cross-entropy. y is p. Memory: as softmax_cross_entropy.
// Kernels: simd/focal.h. Reference: tests/reference/class_loss.h.
#include "runtime/layers/class_loss.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(FocalParams, gamma, 0.0, 16.0,
                     "power of 1 - p, which makes easy samples count less"),
    TEMPER_FIELD_F32(FocalParams, label_smoothing, 0.0, 0.999,
                     "share of the target that is spread over all classes"),
};

void Forward(const Call& call) {
  const FocalParams& p = call.As<FocalParams>();
  if (call.step.labels == nullptr && call.step.targets == nullptr) {
    simd::SoftmaxCrossEntropy(call.rows, call.out.c, call.x[0], nullptr, 0.0f,
                              call.y, nullptr, call.parallel);
    return;
  }
  // Smoothing is for training, as in softmax_cross_entropy.
  WeightedForward(call, call.step.training ? p.label_smoothing : 0.0f, p.gamma);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  const FocalParams& p = call.As<FocalParams>();
  WeightedBackward(call, p.label_smoothing, p.gamma);
}

constexpr LossTraits kLoss = {
    .targets = TargetKind::kClasses,
    .also = TargetKind::kSoft,
    .correct = CountCorrectClasses,
};

}  // namespace

extern const LayerOp kFocalOp;
const LayerOp kFocalOp = {
    .name = "focal",
    .help =
        "cross-entropy after softmax in which easy samples count less (focal "
        "loss); the output is the probabilities",
    .shapes = "(1, 1, classes) -> the same",
    .role = LayerRole::kLoss,
    .loss = &kLoss,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<FocalParams>,
    .shape = ClassLossShape,
    .needs = ClassLossNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = ClassLossCost,
};

}  // namespace temper
