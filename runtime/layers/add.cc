// Add: y = x0 + x1 (residual connection).   dx0 = dx1 = dy.
// Memory: in place over x0; one of the gradients is dy's own buffer.
// Kernels: simd/elementwise.h. Reference: tests/reference/elementwise.h.
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

void StateNeeds(const NeedsCall&, Needs* needs) {
  needs->InPlace();
  needs->InPlaceBackward();
}

void Forward(const Call& call) {
  simd::Add(call.OutCount(), call.x[0], call.x[1], call.y, call.parallel);
}

void Backward(const Call& call) {
  for (int i = 0; i < 2; ++i) {
    float* dx = call.dx[i];
    if (dx == nullptr) continue;
    if (call.accumulate[i]) {
      // x + x: both gradients may be dy's own buffer, and the second doubles
      // it.
      simd::Add(call.OutCount(), dx, call.dy, dx, call.parallel);
    } else if (dx != call.dy) {  // the one that shares dy's buffer is done
      simd::Copy(call.OutCount(), call.dy, dx, call.parallel);
    }
  }
}

}  // namespace

extern const LayerOp kAddOp;
const LayerOp kAddOp = {
    "add",   {nullptr, 0}, DefaultsOf<AddParams>, 2, 2, InferShape, StateNeeds,
    Forward, Backward};

}  // namespace temper
