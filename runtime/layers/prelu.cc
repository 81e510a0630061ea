// PReLU: y = x > 0 ? x : a * x with a trained slope a per channel (He, Zhang, Ren,
// Sun 2015).   dx = x > 0 ? dy : a * dy   da = sum over rows of min(x, 0) * dy
// The slope may become negative, so that y does not determine the gradient.
// Memory: keeps x and computes y again where backward needs it; the slope has not
// changed by then. In place where nothing flows back, and backward always.
// Kernels: simd/channel_factors.h, simd/column_products.h. Reference:
// tests/reference/activation.h.
#include <cmath>

#include "runtime/layer.h"
#include "simd/channel_factors.h"
#include "simd/column_products.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(PreluParams, init, -1.0, 1.0, "first slope"),
};

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = in[0];
  return Ok();
}

size_t Rows(const Shape& in, uint32_t samples) {
  return size_t{samples} * in.h * in.w;
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  needs->Weight({.name = "weight",
                 .role = WeightRole::kBias,
                 .initial = call.node.As<PreluParams>().init},
                {call.in[0].c});
  needs->InPlaceBackward();
  if (!call.mode.backward) return needs->InPlace();
  needs->KeepInput(0);
  needs->Recompute();
  if (call.mode.train_weights) {
    needs->BackwardScratch(simd::ColumnProductsScratch(
        Rows(call.in[0], call.batch), call.in[0].c));
  }
}

void Forward(const Call& call) {
  simd::PreluForward(Rows(call.in[0], call.rows), call.in[0].c, call.x[0],
                     call.weights[0], call.y, call.parallel);
}

// The slope's gradient first: dx may be dy's own buffer.
void Backward(const Call& call) {
  const size_t rows = Rows(call.in[0], call.rows), c = call.in[0].c;
  if (call.dw[0] != nullptr) {
    simd::ColumnNegativeProducts(rows, c, call.x[0], call.dy, call.dw[0],
                                 call.scratch, call.parallel);
  }
  if (call.dx[0] == nullptr) return;
  simd::PreluBackward(rows, c, call.x[0], call.weights[0], call.dy,
                      call.accumulate[0], call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  const double c = call.in[0].c;
  if (!call.Backward()) {
    return sink->Stream(Kernel::kForm, c, kGrain, {call.x[0], call.y});
  }
  if (call.WantsWeights()) {
    sink->Stream(Kernel::kSums, c, kGrain, {call.x[0], call.dy});
  }
  if (!call.WantsInput()) return;
  sink->Stream(Kernel::kMask, c, kGrain,
               {call.x[0], call.dy, call.dx[0], call.AddedTo()});
}

Initializer HeOfSlope(const Node& node) {
  HeNormalParams he;
  he.slope = std::abs(node.As<PreluParams>().init);
  return he;
}

}  // namespace

extern const LayerOp kPreluOp;
const LayerOp kPreluOp = {
    .name = "prelu",
    .help = "x above 0, a trained slope per channel below",
    .shapes = "(h, w, c) -> the same; weight (c)",
    .role = LayerRole::kActivation,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<PreluParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .initializer = HeOfSlope,
};

}  // namespace temper
