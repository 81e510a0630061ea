// Max pooling: y = max over the window; padding is minus infinity, the first
// maximum wins, NaN wins.   dx: dy goes to the winner of each window.
// Memory: keeps x (usually kept already by the layer below) and finds the
// winner again, instead of storing indices. Kernels: simd/pool.h. Reference:
// tests/reference/pool.h.
#include "runtime/layer.h"
#include "runtime/layers/window.h"
#include "simd/pool.h"

namespace temper {
namespace {

constexpr Field kFields[] = {TEMPER_WINDOW_FIELDS(MaxPoolParams)};

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  const MaxPoolParams& p = node.As<MaxPoolParams>();
  TEMPER_RETURN_IF_ERROR(CheckWindow(p, 1, 1));
  *out = {
      WindowCount(in[0].h, p.kernel_h, p.stride_h, p.pad_top, p.pad_bottom, 1),
      WindowCount(in[0].w, p.kernel_w, p.stride_w, p.pad_left, p.pad_right, 1),
      in[0].c};
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  if (call.mode.need_dx[0]) needs->KeepInput(0);
}

simd::ConvShape ShapeOf(const Call& call) {
  return WindowShape(call.As<MaxPoolParams>(), call.in[0], call.out, 1, 1,
                     call.in[0].c);
}

void Forward(const Call& call) {
  simd::MaxPoolForward(ShapeOf(call), call.rows, call.x[0], call.y,
                       call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  simd::MaxPoolBackward(ShapeOf(call), call.rows, call.x[0], call.dy,
                        call.accumulate[0], call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kMaxPoolForward, call.out.c, kGrain,
                 {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kMaxPoolInput, call.out.c, kGrain,
                 {call.x[0], call.dy, call.dx[0], call.AddedTo()});
  }
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  const MaxPoolParams& p = call.As<MaxPoolParams>();
  return builder->Pool(simd::xnn::OpKind::kMaxPool,
                       WindowShape(p, call.in[0], call.out, 1, 1, call.in[0].c),
                       p.pad_bottom, p.pad_right);
}

}  // namespace

extern const LayerOp kMaxPoolOp;
const LayerOp kMaxPoolOp = {
    .name = "max_pool",
    .help = "maximum over a window",
    .shapes = TEMPER_WINDOW_SHAPES("c"),
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<MaxPoolParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
