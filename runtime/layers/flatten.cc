// Flatten: (h, w, c) -> (1, 1, h*w*c), channels last: a model whose dense layer
// expects PyTorch's channels-first order needs its weights permuted on import.
// Memory: a view of x where possible, else a copy.
// Kernels: simd/elementwise.h (Copy).
#include "runtime/layer.h"
#include "simd/elementwise.h"

namespace temper {
namespace {

Status InferShape(const Node&, const Shape* in, Shape* out) {
  if (in[0].Count() > kMaxDimension) {
    return Error(StatusCode::kInvalidArgument,
                 "flatten would make more than 2^20 features");
  }
  *out = {1, 1, static_cast<uint32_t>(in[0].Count())};
  return Ok();
}

void StateNeeds(const NeedsCall&, Needs* needs) {
  needs->View();
  needs->InPlaceBackward();
}

void Forward(const Call& call) {
  if (call.y == call.x[0]) return;
  simd::Copy(call.OutCount(), call.x[0], call.y, call.parallel);
}

void Backward(const Call& call) {
  float* dx = call.dx[0];
  if (dx == nullptr || dx == call.dy) return;
  if (call.accumulate[0]) {
    simd::Add(call.OutCount(), dx, call.dy, dx, call.parallel);
  } else {
    simd::Copy(call.OutCount(), call.dy, dx, call.parallel);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    if (call.x[0].begin == call.y.begin) return;
    sink->Stream(Kernel::kCopy, call.out.c, kGrain, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    if (call.dx[0].begin == call.dy.begin && !call.plan.accumulate[0]) return;
    sink->Stream(Kernel::kCopy, call.out.c, kGrain,
                 {call.dy, call.dx[0], call.AddedTo()});
  }
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Reshape();
}

}  // namespace

extern const LayerOp kFlattenOp;
const LayerOp kFlattenOp = {
    .name = "flatten",
    .help = "a sample as one vector, channels last",
    .shapes = "(h, w, c) -> (1, 1, h * w * c)",
    .defaults = DefaultsOf<FlattenParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
