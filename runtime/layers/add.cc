// Add: y = act(x0 + x1) (residual connection).   dx0 = dx1 = dy where the
// activation is open.
// Fusion: reads derived inputs; absorbs a following activation, if y is enough
// for its gradient.
// Memory: in place over x0; one of the gradients is dy's own buffer.
// Kernels: simd/prologue.h, simd/elementwise.h. Reference:
// tests/reference/elementwise.h.
#include "runtime/layer.h"
#include "simd/elementwise.h"

namespace temper {
namespace {

Status InferShape(const Node&, const Shape* in, Shape* out) {
  if (in[0] != in[1]) {
    return Error(StatusCode::kShapeMismatch,
                 "the two inputs of add must have the same shape");
  }
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  needs->AcceptDerived(0);
  needs->AcceptDerived(1);
  needs->AbsorbActivation(simd::GradientFrom::kOutput);
  needs->InPlace();
  needs->InPlaceBackward();
  // Which elements the activation let pass.
  if (call.mode.backward && call.mode.activation != 0) needs->KeepOutput();
}

void Forward(const Call& call) {
  simd::AddThrough(size_t{call.rows} * call.out.h * call.out.w, call.out.c,
                   call.x[0], call.prologue[0], call.x[1], call.prologue[1],
                   ActivationOf(call.mode), call.y, call.parallel);
}

// dx += or = dy, after the activation's gradient. dx may be dy's own buffer,
// also for both inputs: what is masked once can be masked again.
void Pass(const Call& call, bool accumulate, float* dx) {
  const uint64_t n = call.OutCount();
  if (call.mode.activation != 0) {
    simd::ActivateBackward(n, ActivationOf(call.mode), call.y, call.dy,
                           accumulate, dx, call.parallel);
  } else if (accumulate) {
    // x + x: both gradients may be dy's own buffer, and the second doubles it.
    simd::Add(n, dx, call.dy, dx, call.parallel);
  } else {
    simd::Copy(n, call.dy, dx, call.parallel);
  }
}

void Backward(const Call& call) {
  for (int i = 0; i < 2; ++i) {
    if (call.dx[i] != nullptr) Pass(call, call.accumulate[i], call.dx[i]);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  const double c = call.out.c;
  if (!call.Backward()) {
    return sink->Stream(Kernel::kAdd, c, kGrain,
                        {call.x[0], call.x[1], call.y});
  }
  for (uint32_t k = 0; k < 2; ++k) {
    if (!call.mode.need_dx[k]) continue;
    const Touch dx = call.dx[k];
    if (call.mode.activation != 0) {
      sink->Stream(Kernel::kMask, c, kGrain,
                   {call.y, call.dy, dx, call.AddedTo(k)});
    } else if (call.AddedTo(k).bytes != 0) {
      sink->Stream(Kernel::kAdd, c, kGrain, {call.dy, dx, dx});
    } else if (dx.begin != call.dy.begin) {
      sink->Stream(Kernel::kCopy, c, kGrain, {call.dy, dx});
    }
  }
}

bool Express(const SegmentCall&, SegmentBuilder* builder) {
  return builder->Add();
}

}  // namespace

extern const LayerOp kAddOp;
const LayerOp kAddOp = {
    .name = "add",
    .help = "sum of two inputs (residual connection)",
    .shapes = "two of (h, w, c) -> (h, w, c)",
    .role = LayerRole::kSum,
    .defaults = DefaultsOf<AddParams>,
    .min_inputs = 2,
    .max_inputs = 2,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
