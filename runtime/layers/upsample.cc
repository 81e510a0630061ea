// Upsample: every pixel becomes factor x factor ones (nearest neighbour).
//   dx = sum of dy over those pixels
// Memory: keeps nothing. Kernels: simd/slices.h. Reference:
// tests/reference/shapes.h.
#include "runtime/layer.h"
#include "simd/grain.h"
#include "simd/slices.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(UpsampleParams, factor, 1, 64, "of height and width"),
};

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  const uint64_t factor = node.As<UpsampleParams>().factor;
  if (in[0].h * factor > kMaxDimension || in[0].w * factor > kMaxDimension) {
    return Error(StatusCode::kInvalidArgument, "a tensor is too large");
  }
  *out = in[0];
  out->h = static_cast<uint32_t>(in[0].h * factor);
  out->w = static_cast<uint32_t>(in[0].w * factor);
  return Ok();
}

void StateNeeds(const NeedsCall&, Needs*) {}

void Forward(const Call& call) {
  const Shape& in = call.in[0];
  simd::UpsampleForward(call.rows, in.h, in.w, in.c,
                        call.As<UpsampleParams>().factor, call.x[0], call.y,
                        call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  const Shape& in = call.in[0];
  simd::UpsampleBackward(call.rows, in.h, in.w, in.c,
                         call.As<UpsampleParams>().factor, call.dy,
                         call.accumulate[0], call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kCopy, call.out.c, kGrain, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kAdd, call.out.c, kGrain,
                 {call.dy, call.dx[0], call.AddedTo()});
  }
}

}  // namespace

extern const LayerOp kUpsampleOp;
const LayerOp kUpsampleOp = {
    .name = "upsample",
    .help = "every pixel factor x factor times (nearest neighbour)",
    .shapes = "(h, w, c) -> (h * factor, w * factor, c)",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<UpsampleParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
