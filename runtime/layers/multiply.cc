// Multiply: y = x0 * x1, element by element; x1 may be one factor per channel of
// each sample, (1, 1, c) (squeeze-excite: Hu, Shen, Sun 2018).
//   dx0 = dy * x1   dx1 = dy * x0, summed over the pixels where x1 has one
// Memory: backward keeps the inputs whose gradients need them; in place over x0
// where nothing flows back. Kernels: simd/channel_factors.h,
// simd/column_products.h. Reference: tests/reference/shapes.h.
#include "runtime/layer.h"
#include "simd/channel_factors.h"
#include "simd/column_products.h"
#include "simd/elementwise.h"

namespace temper {
namespace {

bool PerChannel(const Shape* in) { return in[1] != in[0]; }

Status InferShape(const Node&, const Shape* in, Shape* out) {
  const bool factors =
      in[1].h * in[1].w == 1 && in[1].c == in[0].c && in[1].type == in[0].type;
  if (in[0] != in[1] && !factors) {
    return Error(
        StatusCode::kShapeMismatch,
        "the second input of multiply must have the first one's shape, "
        "or one value for each of its channels");
  }
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  if (!call.mode.backward) return needs->InPlace();
  if (call.mode.need_dx[1]) {
    needs->KeepInput(0);
    if (PerChannel(call.in)) {
      needs->BackwardScratch(simd::ColumnProductsScratch(
          size_t{call.in[0].h} * call.in[0].w, call.in[0].c));
    }
  }
  if (call.mode.need_dx[0]) needs->KeepInput(1);
}

// y = (accumulate ? y : 0) + a * x1.
void TimesFactors(const Call& call, const float* a, bool accumulate, float* y) {
  if (!PerChannel(call.in)) {
    return simd::Multiply(call.OutCount(), a, call.x[1], accumulate, y,
                          call.parallel);
  }
  const size_t pixels = size_t{call.out.h} * call.out.w, c = call.out.c;
  for (size_t n = 0; n < call.rows; ++n) {
    const size_t at = n * pixels * c;
    simd::MultiplyChannels(pixels, c, a + at, call.x[1] + n * c, accumulate,
                           y + at, call.parallel);
  }
}

void Forward(const Call& call) { TimesFactors(call, call.x[0], false, call.y); }

void Backward(const Call& call) {
  if (call.dx[0] != nullptr) {
    TimesFactors(call, call.dy, call.accumulate[0], call.dx[0]);
  }
  if (call.dx[1] == nullptr) return;
  if (!PerChannel(call.in)) {
    return simd::Multiply(call.OutCount(), call.dy, call.x[0],
                          call.accumulate[1], call.dx[1], call.parallel);
  }
  const size_t pixels = size_t{call.out.h} * call.out.w, c = call.out.c;
  if (!call.accumulate[1]) {
    simd::Fill(call.rows * c, 0.0f, call.dx[1], call.parallel);
  }
  for (size_t n = 0; n < call.rows; ++n) {
    const size_t at = n * pixels * c;
    simd::ColumnProducts(pixels, c, call.dy + at, call.x[0] + at,
                         call.dx[1] + n * c, call.scratch, call.parallel);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  const double c = call.out.c;
  if (!call.Backward()) {
    return sink->Stream(Kernel::kAdd, c, kGrain,
                        {call.x[0], call.x[1], call.y});
  }
  if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kAdd, c, kGrain,
                 {call.x[1], call.dy, call.dx[0], call.AddedTo(0)});
  }
  if (call.mode.need_dx[1]) {
    sink->Stream(PerChannel(call.in) ? Kernel::kSums : Kernel::kAdd, c, kGrain,
                 {call.x[0], call.dy, call.dx[1], call.AddedTo(1)});
  }
}

}  // namespace

extern const LayerOp kMultiplyOp;
const LayerOp kMultiplyOp = {
    .name = "multiply",
    .help = "product of two inputs, the second perhaps one factor per channel",
    .shapes = "two of (h, w, c), or one and (1, 1, c) -> (h, w, c)",
    .defaults = DefaultsOf<MultiplyParams>,
    .min_inputs = 2,
    .max_inputs = 2,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
