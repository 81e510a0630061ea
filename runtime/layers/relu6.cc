// ReLU6: y = min(max(x, 0), 6) (NaN survives).   dx = 0 < y < 6 ? dy : 0.
// Memory: keeps y; in place both ways.
// Kernels: simd/elementwise.h. Reference: tests/reference/elementwise.h.
#include "runtime/layer.h"
#include "simd/elementwise.h"

namespace temper {
namespace {

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  needs->IsActivation(simd::Activation::kRelu6);
  needs->InPlace();
  needs->InPlaceBackward();
  if (call.mode.backward) needs->KeepOutput();
}

void Forward(const Call& call) {
  simd::Relu6(call.InCount(), call.x[0], call.y, call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  simd::Relu6Backward(call.InCount(), call.y, call.dy, call.accumulate[0],
                      call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kForm, call.out.c, kGrain, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kMask, call.out.c, kGrain,
                 {call.y, call.dy, call.dx[0], call.AddedTo()});
  }
}

}  // namespace

extern const LayerOp kRelu6Op;
const LayerOp kRelu6Op = {
    .name = "relu6",
    .help = "min(max(x, 0), 6)",
    .role = LayerRole::kActivation,
    .defaults = DefaultsOf<Relu6Params>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
