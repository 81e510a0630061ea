// Group norm: y = gamma * (x - mean) / sqrt(var + eps) + beta, mean and variance
// over the pixels and the channels of a group, each sample by itself (Wu and He
// 2018). groups 1: over the whole sample; groups c: instance norm. Gradients:
// simd/group_norm.h. The same in training and in prediction: no running
// statistics, and a batch of one sample is as good as any.
// Memory: keeps x and two numbers a group; in place where nothing flows back, and
// backward always. Kernels: simd/group_norm.h. Reference:
// tests/reference/group_norm.h.
#include "simd/group_norm.h"

#include "runtime/layer.h"
#include "simd/grain.h"

namespace temper {
namespace {

enum { kGamma, kBeta };

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(GroupNormParams, groups, 1, 65536,
                     "of equally many channels"),
    TEMPER_FIELD_F32(GroupNormParams, eps, 1e-12, 1.0, "added to the variance"),
};

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  if (in[0].c % node.As<GroupNormParams>().groups != 0) {
    return Error(StatusCode::kShapeMismatch,
                 "the groups of group_norm must divide the channels");
  }
  *out = in[0];
  return Ok();
}

simd::GroupNormShape ShapeOf(const Node& node, const Shape& in,
                             uint32_t samples) {
  return {samples, size_t{in.h} * in.w, in.c,
          node.As<GroupNormParams>().groups};
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const uint32_t c = call.in[0].c;
  const simd::GroupNormShape shape = ShapeOf(call.node, call.in[0], call.batch);
  needs->Weight({.name = "weight", .role = WeightRole::kGamma, .initial = 1},
                {c});
  needs->Weight({.name = "bias", .role = WeightRole::kBeta}, {c});
  needs->InPlaceBackward();
  needs->Saved(2 * shape.batch * shape.groups * sizeof(float));
  needs->ForwardScratch(simd::GroupNormForwardScratch(shape, call.threads));
  if (!call.mode.backward) return needs->InPlace();
  needs->KeepInput(0);
  needs->BackwardScratch(simd::GroupNormBackwardScratch(shape, call.threads));
}

void Forward(const Call& call) {
  simd::GroupNormForward(
      ShapeOf(call.node, call.in[0], call.rows), call.x[0],
      call.weights[kGamma], call.weights[kBeta], call.As<GroupNormParams>().eps,
      static_cast<float*>(call.saved), call.y, call.scratch, call.parallel);
}

void Backward(const Call& call) {
  simd::GroupNormBackward(ShapeOf(call.node, call.in[0], call.rows), call.x[0],
                          call.weights[kGamma],
                          static_cast<const float*>(call.saved), call.dy,
                          call.dw[kGamma], call.dw[kBeta], call.accumulate[0],
                          call.dx[0], call.scratch, call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  const double c = call.in[0].c;
  if (!call.Backward()) {
    sink->Stream(Kernel::kStats, c, kGrain, {call.x[0]});
    return sink->Stream(Kernel::kForm, c, kGrain, {call.x[0], call.y});
  }
  sink->Stream(Kernel::kSums, c, kGrain, {call.x[0], call.dy});
  if (!call.WantsInput()) return;
  sink->Stream(Kernel::kNormGradient, c, kGrain,
               {call.x[0], call.dy, call.dx[0], call.AddedTo()});
}

}  // namespace

extern const LayerOp kGroupNormOp;
const LayerOp kGroupNormOp = {
    .name = "group_norm",
    .help = "normalization over the pixels and channels of a group, per sample",
    .shapes = "(h, w, c) -> the same; weight and bias (c); groups divides c",
    .role = LayerRole::kNormalization,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<GroupNormParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
