// Concat: the channels of two or more inputs of equal height and width after each
// other.   dx[k] = dy's channels of input k.
// Memory: y is a tensor of its own; backward keeps nothing.
// Kernels: simd/slices.h. Reference: tests/reference/shapes.h.
#include "runtime/layer.h"
#include "simd/grain.h"
#include "simd/slices.h"

namespace temper {
namespace {

Status InferShape(const Node& node, const Shape* in, Shape* out) {
  *out = in[0];
  uint64_t channels = in[0].c;
  for (uint32_t k = 1; k < node.input_count; ++k) {
    if (in[k].h != in[0].h || in[k].w != in[0].w || in[k].type != in[0].type) {
      return Error(StatusCode::kShapeMismatch,
                   "the inputs of concat must have the same height and width");
    }
    channels += in[k].c;
  }
  if (channels > kMaxDimension) {
    return Error(StatusCode::kInvalidArgument, "a tensor is too large");
  }
  out->c = static_cast<uint32_t>(channels);
  return Ok();
}

void StateNeeds(const NeedsCall&, Needs*) {}

size_t Pixels(const Call& call) {
  return size_t{call.rows} * call.out.h * call.out.w;
}

void Forward(const Call& call) {
  size_t first = 0;
  for (uint32_t k = 0; k < call.node.input_count; first += call.in[k++].c) {
    simd::CopySlice(Pixels(call), call.in[k].c, call.x[k], call.in[k].c, false,
                    call.y + first, call.out.c, call.parallel);
  }
}

void Backward(const Call& call) {
  size_t first = 0;
  for (uint32_t k = 0; k < call.node.input_count; first += call.in[k++].c) {
    if (call.dx[k] == nullptr) continue;
    simd::CopySlice(Pixels(call), call.in[k].c, call.dy + first, call.out.c,
                    call.accumulate[k], call.dx[k], call.in[k].c,
                    call.parallel);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  for (uint32_t k = 0; k < call.node.input_count; ++k) {
    const double c = call.in[k].c;
    const uint64_t whole = call.Backward() ? call.dy.bytes : call.y.bytes;
    const uint64_t bytes = whole / call.out.c * call.in[k].c;
    if (!call.Backward()) {
      sink->Stream(Kernel::kCopy, c, kGrain,
                   {call.x[k], {call.y.begin, bytes}});
    } else if (call.mode.need_dx[k]) {
      sink->Stream(Kernel::kCopy, c, kGrain,
                   {{call.dy.begin, bytes}, call.dx[k], call.AddedTo(k)});
    }
  }
}

}  // namespace

extern const LayerOp kConcatOp;
const LayerOp kConcatOp = {
    .name = "concat",
    .help = "channels of several inputs after each other",
    .shapes = "two or more of (h, w, c_k) -> (h, w, sum of c_k)",
    .defaults = DefaultsOf<ConcatParams>,
    .min_inputs = 2,
    .max_inputs = kMaxInputs,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
