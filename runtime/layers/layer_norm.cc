// Layer norm: y = gamma * (x - mean) / sqrt(var + eps) + beta, mean and variance
// over the channels of each position, each sample by itself (Ba, Kiros, Hinton
// 2016).   g = dy * gamma, xhat = (x - mean) * rstd:
//   dx = rstd * (g - mean of g - xhat * mean of g xhat)
//   dgamma = sum dy * xhat   dbeta = sum dy   over all positions
// The same in training and in prediction: no running statistics.
// Memory: keeps x and two numbers a position; in place where nothing flows back,
// and backward always. Kernels: simd/layer_norm.h, simd/column_products.h.
// Reference: tests/reference/group_norm.h.
#include "simd/layer_norm.h"

#include <algorithm>

#include "runtime/layer.h"
#include "simd/column_products.h"
#include "simd/grain.h"
#include "simd/loss.h"

namespace temper {
namespace {

enum { kGamma, kBeta };

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(LayerNormParams, eps, 1e-12, 1.0, "added to the variance"),
};

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = in[0];
  return Ok();
}

size_t Rows(const Shape& in, uint32_t samples) {
  return size_t{samples} * in.h * in.w;
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const uint32_t c = call.in[0].c;
  const size_t rows = Rows(call.in[0], call.batch);
  needs->Weight({.name = "weight", .role = WeightRole::kGamma, .initial = 1},
                {c});
  needs->Weight({.name = "bias", .role = WeightRole::kBeta}, {c});
  needs->InPlaceBackward();
  needs->Saved(2 * rows * sizeof(float));
  if (!call.mode.backward) return needs->InPlace();
  needs->KeepInput(0);
  if (call.mode.train_weights) {
    needs->BackwardScratch(std::max(simd::ColumnProductsScratch(rows, c),
                                    simd::ColumnSumsScratch(rows, c)));
  }
}

// mean, then rstd.
float* MeanOf(const Call& call) { return static_cast<float*>(call.saved); }
float* RstdOf(const Call& call) {
  return MeanOf(call) + Rows(call.in[0], call.rows);
}

void Forward(const Call& call) {
  simd::LayerNormForward(Rows(call.in[0], call.rows), call.in[0].c, call.x[0],
                         call.weights[kGamma], call.weights[kBeta],
                         call.As<LayerNormParams>().eps, MeanOf(call),
                         RstdOf(call), call.y, call.parallel);
}

// The weights' gradients first: dx may be dy's own buffer.
void Backward(const Call& call) {
  const size_t rows = Rows(call.in[0], call.rows), c = call.in[0].c;
  if (call.dw[kGamma] != nullptr) {
    simd::ColumnNormalizedProducts(rows, c, call.x[0], MeanOf(call),
                                   RstdOf(call), call.dy, call.dw[kGamma],
                                   call.scratch, call.parallel);
    simd::ColumnSums(rows, c, call.dy, call.dw[kBeta], call.scratch,
                     call.parallel);
  }
  if (call.dx[0] == nullptr) return;
  simd::LayerNormBackward(rows, c, call.x[0], MeanOf(call), RstdOf(call),
                          call.weights[kGamma], call.dy, call.accumulate[0],
                          call.dx[0], call.parallel);
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  const double c = call.in[0].c;
  if (!call.Backward()) {
    sink->Stream(Kernel::kStats, c, kGrain, {call.x[0]});
    return sink->Stream(Kernel::kForm, c, kGrain, {call.x[0], call.y});
  }
  if (call.WantsWeights()) {
    sink->Stream(Kernel::kSums, c, kGrain, {call.x[0], call.dy});
    sink->Stream(Kernel::kColumnSums, c, kGrain, {call.dy});
  }
  if (!call.WantsInput()) return;
  sink->Stream(Kernel::kNormGradient, c, kGrain,
               {call.x[0], call.dy, call.dx[0], call.AddedTo()});
}

}  // namespace

extern const LayerOp kLayerNormOp;
const LayerOp kLayerNormOp = {
    .name = "layer_norm",
    .help = "normalization over the channels of each position",
    .shapes = "(h, w, c) -> the same; weight and bias (c)",
    .role = LayerRole::kNormalization,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<LayerNormParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
};

}  // namespace temper
