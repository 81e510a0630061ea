// Normalisation of the input: y = (x * scale - mean) / std.
//   x (rows, h, w, c) u8 or f32   mean, std (c) or (h, w, c)   y f32
// mean and std are buffers: computed once from the training split, stored in
// the model, never trained. It is the one path from samples to tensors, so
// training, validation and prediction cannot differ. Nothing flows back.
// Scale 0 never runs: it stands for 1/255 (u8) or 1 (f32).
// Memory: y is not kept for the first layer's weight gradient but made again.
// Kernels: simd/elementwise.h. Reference: tests/reference/elementwise.h.
#include "runtime/layer.h"
#include "simd/elementwise.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(
        NormalizeParams, scale, -1e30, 1e30,
        "factor of the samples before mean and deviation; 0 stands "
        "for 1/255 (u8) or 1 (f32)"),
    TEMPER_FIELD_U32(NormalizeParams, per_pixel, 0, 1,
                     "mean and deviation per element, else per channel"),
};

void Settle(ElementType input, void* params) {
  NormalizeParams& p = *static_cast<NormalizeParams*>(params);
  if (p.scale != 0.0f) return;
  p.scale = input == ElementType::kU8 ? 1.0f / 255.0f : 1.0f;
}

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  if (node.As<NormalizeParams>().scale == 0.0f) {
    return Error(StatusCode::kInvalidArgument,
                 "scale 0 would make all samples the same");
  }
  *out = in[0];
  out->type = ElementType::kF32;
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  needs->Recompute();  // the samples are the caller's and stay until the step
                       // ends
  const Shape& s = call.in[0];
  const WeightSpec mean = {.name = "mean", .role = WeightRole::kBuffer};
  const WeightSpec std = {.name = "std",
                          .role = WeightRole::kBuffer,
                          .initial = 1,
                          .rule = ValueRule::kPositive};
  if (call.node.As<NormalizeParams>().per_pixel) {
    needs->Weight(mean, {s.h, s.w, s.c});
    needs->Weight(std, {s.h, s.w, s.c});
  } else {
    needs->Weight(mean, {s.c});
    needs->Weight(std, {s.c});
  }
}

void Forward(const Call& call) {
  const NormalizeParams& p = call.As<NormalizeParams>();
  const Shape& s = call.in[0];
  const size_t period = p.per_pixel ? s.Count() : s.c;
  if (s.type == ElementType::kU8) {
    simd::NormalizeU8(call.InCount(), period,
                      reinterpret_cast<const uint8_t*>(call.x[0]), p.scale,
                      call.weights[0], call.weights[1], call.y, call.parallel);
  } else {
    simd::NormalizeF32(call.InCount(), period, call.x[0], p.scale,
                       call.weights[0], call.weights[1], call.y, call.parallel);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  sink->Stream(Kernel::kNormalize, call.out.c, simd::kElementGrain,
               {call.x[0], call.y});
}

}  // namespace

extern const LayerOp kNormalizeOp;
const LayerOp kNormalizeOp = {
    .name = "normalize",
    .help = "(x * scale - mean) / std with the statistics of the training data",
    .shapes = "(h, w, c), the input -> the same, f32",
    .role = LayerRole::kPreprocessing,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<NormalizeParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .cost = Cost,
    .settle = Settle,
};

}  // namespace temper
