// Global average pooling: y[n,c] = sum over h, w of x[n,h,w,c] / (h * w).
// dx = dy / (h * w). Memory: nothing is kept.
// Kernels: simd/pool.h. Reference: tests/reference/pool.h.
#include "runtime/layer.h"
#include "simd/pool.h"

namespace temper {
namespace {

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = {1, 1, in[0].c};
  return Ok();
}

void StateNeeds(const NeedsCall&, Needs* needs) { needs->AcceptDerived(0); }

void Forward(const Call& call) {
  simd::GlobalAvgPoolForward(call.rows, size_t{call.in[0].h} * call.in[0].w,
                             call.in[0].c, call.x[0], call.prologue[0], call.y,
                             call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  simd::GlobalAvgPoolBackward(call.rows, size_t{call.in[0].h} * call.in[0].w,
                              call.in[0].c, call.dy, call.accumulate[0],
                              call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kColumnSums, call.out.c, kGrain, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kFill, call.out.c, kGrain,
                 {call.dy, call.dx[0], call.AddedTo()});
  }
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Mean();
}

}  // namespace

extern const LayerOp kGlobalAvgPoolOp;
const LayerOp kGlobalAvgPoolOp = {
    .name = "global_avg_pool",
    .help = "mean over the whole image, per channel",
    .shapes = "(h, w, c) -> (1, 1, c)",
    .defaults = DefaultsOf<GlobalAvgPoolParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
