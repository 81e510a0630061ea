// Batch norm: y = gamma * (x - mean) / sqrt(var + eps) + beta per channel.
//   x, y (rows, h, w, c)   gamma, beta, running_mean, running_var (c)
// Modes:
//   live      mean and population variance of this batch; the running ones
//             follow by momentum, (1 - m) * old + m * new (in backward, so that
//             a step whose loss is not finite does not change them). dx,
//             dgamma, dbeta as in Ioffe and Szegedy 2015.
//   frozen    running statistics; dx = dy * gamma / sqrt(running_var + eps).
//   inference as frozen, nothing flows back.
// Fusion: a following activation is absorbed; y is derived where all its
// readers can form it, so that of convolution, batch norm and activation only
// the first one's output exists. Memory: live keeps x and saves five vectors;
// frozen keeps x for dgamma or the activation. Kernels: simd/norm.h,
// simd/prologue.h. Reference: tests/reference/norm.h.
#include <algorithm>

#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "simd/norm.h"

namespace temper {
namespace {

enum { kGamma, kBeta, kRunningMean, kRunningVar };

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(BatchNormParams, eps, 1e-12, 1.0, "added to the variance"),
    TEMPER_FIELD_F32(BatchNormParams, momentum, 0.0, 1.0,
                     "weight of the batch in the running statistics"),
    TEMPER_FIELD_U32(
        BatchNormParams, unbiased_variance, 0, 1,
        "running variance over N - 1 (PyTorch), else over N (ONNX)"),
};

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = in[0];
  return Ok();
}

// What forward leaves in saved for the readers of a derived y and for backward:
// scale and shift always, after them what this mode needs.
struct Saved {
  float *scale, *shift;    // DerivedCoefficients
  float* rstd;             // live, or frozen with a trained gamma
  float *mean, *variance;  // live: of this batch
};
Saved SavedOf(void* saved, size_t channels) {
  float* const p = static_cast<float*>(saved);
  const size_t step = CoefficientFloats(channels);
  return {p, p + step, p + 2 * step, p + 3 * step, p + 4 * step};
}
uint64_t VectorBytes(size_t channels) {
  return CoefficientFloats(channels) * sizeof(float);
}

// The pixels of this call.
simd::RowRange PartOf(const Call& call) {
  const size_t pixels = size_t{call.in[0].h} * call.in[0].w;
  return {call.first * pixels, call.count * pixels};
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const uint32_t c = call.in[0].c;
  const uint64_t bytes = VectorBytes(c);
  const size_t rows = size_t{call.batch} * call.in[0].h * call.in[0].w;
  needs->Weight({.name = "weight", .role = WeightRole::kGamma, .initial = 1},
                {c});
  needs->Weight({.name = "bias", .role = WeightRole::kBeta}, {c});
  needs->Weight({.name = "running_mean", .role = WeightRole::kBuffer}, {c});
  needs->Weight({.name = "running_var",
                 .role = WeightRole::kBuffer,
                 .initial = 1,
                 .rule = ValueRule::kNotNegative},
                {c});
  needs->Derivable();
  needs->AbsorbActivation(simd::GradientFrom::kInput);
  needs->InPlaceBackward();
  if (call.mode.live_statistics) {
    if (call.in[0].h * call.in[0].w == 1) needs->MinimumRows(2);
    needs->KeepInput(0);
    needs->ReduceFirst();
    needs->Saved(5 * bytes);
    needs->ForwardScratch(simd::BatchStatsScratch(rows, c));
    needs->BackwardScratch(2 * bytes + simd::BatchNormSumsScratch(rows, c));
    return;
  }
  if (call.mode.train_weights) {
    needs->KeepInput(0);
    needs->Saved(3 * bytes);
    needs->BackwardScratch(2 * bytes + simd::BatchNormSumsScratch(rows, c));
    return;
  }
  needs->Saved(2 * bytes);
  if (call.mode.backward && call.mode.activation != 0) {
    needs->KeepInput(0);  // which elements the activation let pass
  } else {
    needs->InPlace();
  }
}

// The running statistics follow those of this batch.
void FollowBatch(const Call& call) {
  const BatchNormParams& p = call.As<BatchNormParams>();
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  const Saved saved = SavedOf(call.saved, c);
  const float n = static_cast<float>(rows);
  const float factor =
      p.unbiased_variance && rows > 1 ? n / static_cast<float>(rows - 1) : 1.0f;
  const float weight = call.step.statistics_weight < 0.0f
                           ? p.momentum
                           : call.step.statistics_weight;
  simd::UpdateRunningStats(c, weight, factor, saved.mean, saved.variance,
                           call.weights[kRunningMean],
                           call.weights[kRunningVar]);
}

void Forward(const Call& call) {
  const BatchNormParams& p = call.As<BatchNormParams>();
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  const Saved saved = SavedOf(call.saved, c);
  const bool live = call.mode.live_statistics && call.step.training;
  if (live) {
    simd::BatchStats(rows, PartOf(call), c, call.x[0], saved.mean,
                     saved.variance, call.scratch, call.parallel);
  }
  if (!call.IsLastSlab()) return;
  if (live && call.step.forward_statistics) FollowBatch(call);
  simd::BatchNormCoefficients(c, live ? saved.mean : call.weights[kRunningMean],
                              live ? saved.variance : call.weights[kRunningVar],
                              call.weights[kGamma], call.weights[kBeta], p.eps,
                              call.mode.train_weights ? saved.rstd : nullptr,
                              saved.scale, saved.shift);
  if (call.mode.derived) return;
  simd::ApplyPrologue(rows, c, call.x[0],
                      DerivedCoefficients(call.saved, c, call.mode), call.y,
                      call.parallel);
}

// dgamma and dbeta of this batch have a place of their own in scratch: dx is
// formed from them, and they are added to dw.
struct Sums {
  float *dgamma, *dbeta;
  void* scratch;
};
Sums SumsOf(const Call& call) {
  const size_t step = CoefficientFloats(call.in[0].c);
  float* const p = static_cast<float*>(call.scratch);
  return {p, p + step, p + 2 * step};
}
void AddSums(const Call& call, const float* mean, const float* rstd) {
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  const Sums sums = SumsOf(call);
  simd::BatchNormSums(rows, PartOf(call), c, call.x[0],
                      DerivedCoefficients(call.saved, c, call.mode), call.dy,
                      mean, rstd, sums.dgamma, sums.dbeta, sums.scratch,
                      call.parallel);
  if (!call.IsLastSlab()) return;
  simd::Add(c, call.dw[kGamma], sums.dgamma, call.dw[kGamma], call.parallel);
  simd::Add(c, call.dw[kBeta], sums.dbeta, call.dw[kBeta], call.parallel);
}

void BackwardLive(const Call& call) {
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  const Saved saved = SavedOf(call.saved, c);
  if (call.Wants(StepKind::kBackwardReduce)) {
    AddSums(call, saved.mean, saved.rstd);
    if (call.IsLastSlab() && !call.step.keep_statistics) FollowBatch(call);
  }
  if (call.Wants(StepKind::kBackwardData) && call.dx[0] != nullptr) {
    const Sums sums = SumsOf(call);
    simd::BatchNormBackward(rows, PartOf(call), c, call.x[0],
                            DerivedCoefficients(call.saved, c, call.mode),
                            call.dy, saved.mean, saved.rstd,
                            call.weights[kGamma], sums.dgamma, sums.dbeta,
                            call.accumulate[0], call.dx[0], call.parallel);
  }
}

void BackwardFrozen(const Call& call) {
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  if (call.dw[kGamma] != nullptr) {
    AddSums(call, call.weights[kRunningMean], SavedOf(call.saved, c).rstd);
  }
  if (call.dx[0] == nullptr) return;
  simd::ScaleBackward(rows, c, call.x[0],
                      DerivedCoefficients(call.saved, c, call.mode), call.dy,
                      call.accumulate[0], call.dx[0], call.parallel);
}

void Backward(const Call& call) {
  if (call.mode.live_statistics) {
    BackwardLive(call);
  } else {
    BackwardFrozen(call);
  }
}

void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain;
  const double c = call.in[0].c;
  const NodeMode& mode = call.mode;
  const bool live = mode.live_statistics && call.training;
  const bool last = call.IsLastSlab();
  if (!call.Backward()) {
    if (live)
      sink->Stream(Kernel::kStats, c, kGrain, {call.x[0]}, last ? 1 : 0);
    if (last && !mode.derived) {
      sink->Stream(Kernel::kForm, c, kGrain, {call.x[0], call.y}, live ? 0 : 1);
    }
    return;
  }
  if (call.Wants(StepKind::kBackwardReduce) && mode.train_weights) {
    sink->Stream(Kernel::kSums, c, kGrain, {call.x[0], call.dy}, last ? 3 : 0);
  }
  if (call.WantsInput()) {
    sink->Stream(Kernel::kNormGradient, c, kGrain,
                 {call.x[0], call.dy, call.dx[0], call.AddedTo()});
  }
}

bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  return builder->Fold({call.weights[kGamma], call.weights[kBeta],
                        call.weights[kRunningMean], call.weights[kRunningVar],
                        call.As<BatchNormParams>().eps});
}

}  // namespace

extern const LayerOp kBatchNormOp;
const LayerOp kBatchNormOp = {
    .name = "batch_norm",
    .help = "batch normalization per channel",
    .shapes = "(h, w, c) -> the same",
    .role = LayerRole::kNormalization,
    .batch_statistics = true,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<BatchNormParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
