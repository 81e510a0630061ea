// Average pooling: y = sum over the window / divisor, where the divisor counts
// padding (count_include_pad, PyTorch's default) or only taps inside the image.
// dx: each window gives dy / divisor to its taps. Memory: nothing is kept.
// Kernels: simd/pool.h. Reference: tests/reference/pool.h.
#include "runtime/layer.h"
#include "runtime/layers/window.h"
#include "simd/pool.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_WINDOW_FIELDS(AvgPoolParams),
    TEMPER_FIELD_U32(AvgPoolParams, count_include_pad, 0, 1,
                     "the divisor counts padding"),
};

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  const AvgPoolParams& p = node.As<AvgPoolParams>();
  TEMPER_RETURN_IF_ERROR(CheckWindow(p, 1, 1));
  *out = {
      WindowCount(in[0].h, p.kernel_h, p.stride_h, p.pad_top, p.pad_bottom, 1),
      WindowCount(in[0].w, p.kernel_w, p.stride_w, p.pad_left, p.pad_right, 1),
      in[0].c};
  return Ok();
}

void StateNeeds(const NeedsCall&, Needs*) {}

simd::ConvShape ShapeOf(const Call& call) {
  return WindowShape(call.As<AvgPoolParams>(), call.in[0], call.out, 1, 1,
                     call.in[0].c);
}
simd::AvgPoolOptions OptionsOf(const Call& call) {
  const AvgPoolParams& p = call.As<AvgPoolParams>();
  return {p.pad_bottom, p.pad_right, p.count_include_pad != 0};
}

void Forward(const Call& call) {
  simd::AvgPoolForward(ShapeOf(call), OptionsOf(call), call.rows, call.x[0],
                       call.y, call.parallel);
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  simd::AvgPoolBackward(ShapeOf(call), OptionsOf(call), call.rows, call.dy,
                        call.accumulate[0], call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  if (!call.Backward()) {
    sink->Stream(Kernel::kAvgPoolForward, call.out.c, kGrain,
                 {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kAvgPoolInput, call.out.c, kGrain,
                 {call.dy, call.dx[0], call.AddedTo()});
  }
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  const AvgPoolParams& p = call.As<AvgPoolParams>();
  const bool padded = p.pad_top + p.pad_bottom + p.pad_left + p.pad_right != 0;
  if (padded && p.count_include_pad) return false;
  return builder->Pool(simd::xnn::OpKind::kAvgPool,
                       WindowShape(p, call.in[0], call.out, 1, 1, call.in[0].c),
                       p.pad_bottom, p.pad_right);
}

}  // namespace

extern const LayerOp kAvgPoolOp;
const LayerOp kAvgPoolOp = {
    .name = "avg_pool",
    .help = "mean over a window",
    .shapes = TEMPER_WINDOW_SHAPES("c"),
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<AvgPoolParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
