// Batch norm: y = gamma * (x - mean) / sqrt(var + eps) + beta per channel.
//   x, y (rows, h, w, c)   gamma, beta, running_mean, running_var (c)
// Modes:
//   live      mean and population variance of this batch; the running ones
//             follow by momentum (in backward: a step whose loss is not finite
//             leaves them alone). dx, dgamma, dbeta as in Ioffe and Szegedy
//             2015.
//   frozen    running statistics; dx = dy * gamma / sqrt(running_var + eps).
//   inference as frozen, nothing flows back.
// Memory: live keeps x and saves mean, variance, rstd; frozen keeps x only for
// dgamma. Kernels: simd/norm.h. Reference: tests/reference/norm.h.
#include <algorithm>

#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "simd/norm.h"

namespace temper {
namespace {

enum { kGamma, kBeta, kRunningMean, kRunningVar };

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(BatchNormParams, eps, 1e-12, 1.0),
    TEMPER_FIELD_F32(BatchNormParams, momentum, 0.0, 1.0),
    TEMPER_FIELD_U32(BatchNormParams, unbiased_variance, 0, 1),
};

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall& call, Needs* needs) {
  const uint32_t c = call.in[0].c;
  const uint64_t vector_bytes = uint64_t{c} * sizeof(float);
  const size_t rows = size_t{call.batch} * call.in[0].h * call.in[0].w;
  needs->Weight("weight", WeightRole::kGamma, {c});
  needs->Weight("bias", WeightRole::kBeta, {c});
  needs->Weight("running_mean", WeightRole::kBufferZero, {c});
  needs->Weight("running_var", WeightRole::kBufferOne, {c});
  // Scale and shift always, then the statistics' own scratch.
  const uint64_t coefficients = simd::RoundUp(2 * vector_bytes, 64);
  needs->InPlaceBackward();
  if (call.mode.live_statistics) {
    if (call.in[0].h * call.in[0].w == 1) needs->MinimumRows(2);
    needs->KeepInput(0);
    needs->Saved(3 * vector_bytes);
    needs->ForwardScratch(coefficients + simd::BatchStatsScratch(rows, c));
    needs->BackwardScratch(coefficients + simd::BatchNormSumsScratch(rows, c));
    return;
  }
  needs->ForwardScratch(coefficients);
  if (!call.mode.train_weights) {
    needs->InPlace();
    if (call.mode.backward) needs->BackwardScratch(coefficients);
    return;
  }
  needs->KeepInput(0);
  needs->BackwardScratch(simd::RoundUp(3 * vector_bytes, 64) +
                         simd::RoundUp(vector_bytes, 64) +
                         simd::BatchNormSumsScratch(rows, c));
}

struct Saved {
  float *mean, *variance, *rstd;
};
Saved SavedOf(const Call& call) {
  float* p = static_cast<float*>(call.saved);
  const size_t c = call.in[0].c;
  return {p, p + c, p + 2 * c};
}

void Forward(const Call& call) {
  const BatchNormParams& p = call.As<BatchNormParams>();
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  float* scale = static_cast<float*>(call.scratch);
  float* shift = scale + c;
  const bool live = call.mode.live_statistics && call.step.training;
  if (live) {
    const Saved saved = SavedOf(call);
    void* scratch = static_cast<uint8_t*>(call.scratch) +
                    simd::RoundUp(2 * c * sizeof(float), 64);
    simd::BatchStats(rows, c, call.x[0], saved.mean, saved.variance, scratch,
                     call.parallel);
    simd::BatchNormCoefficients(c, saved.mean, saved.variance,
                                call.weights[kGamma], call.weights[kBeta],
                                p.eps, saved.rstd, scale, shift);
  } else {
    simd::BatchNormCoefficients(c, call.weights[kRunningMean],
                                call.weights[kRunningVar], call.weights[kGamma],
                                call.weights[kBeta], p.eps, nullptr, scale,
                                shift);
  }
  simd::ScaleShift(rows, c, call.x[0], scale, shift, call.y, call.parallel);
}

void BackwardLive(const Call& call) {
  const BatchNormParams& p = call.As<BatchNormParams>();
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  const Saved saved = SavedOf(call);
  const float n = static_cast<float>(rows);
  const float factor =
      p.unbiased_variance && rows > 1 ? n / static_cast<float>(rows - 1) : 1.0f;
  simd::UpdateRunningStats(c, p.momentum, factor, saved.mean, saved.variance,
                           call.weights[kRunningMean],
                           call.weights[kRunningVar]);
  // dx is formed from this batch's own sums, so they get a place of their own
  // and are then added to dw.
  float* dgamma = static_cast<float*>(call.scratch);
  float* dbeta = dgamma + c;
  void* scratch = static_cast<uint8_t*>(call.scratch) +
                  simd::RoundUp(2 * c * sizeof(float), 64);
  simd::BatchNormSums(rows, c, call.x[0], call.dy, saved.mean, saved.rstd,
                      dgamma, dbeta, scratch, call.parallel);
  if (call.dx[0] != nullptr) {
    simd::BatchNormBackward(rows, c, call.x[0], call.dy, saved.mean, saved.rstd,
                            call.weights[kGamma], dgamma, dbeta,
                            call.accumulate[0], call.dx[0], call.parallel);
  }
  simd::Add(c, call.dw[kGamma], dgamma, call.dw[kGamma], call.parallel);
  simd::Add(c, call.dw[kBeta], dbeta, call.dw[kBeta], call.parallel);
}

void BackwardFrozen(const Call& call) {
  const BatchNormParams& p = call.As<BatchNormParams>();
  const size_t c = call.in[0].c;
  const size_t rows = size_t{call.rows} * call.in[0].h * call.in[0].w;
  float* scale = static_cast<float*>(call.scratch);
  float* shift = scale + c;
  if (call.dw[kGamma] != nullptr) {
    float* rstd = scale + 2 * c;
    uint8_t* rest = static_cast<uint8_t*>(call.scratch) +
                    simd::RoundUp(3 * c * sizeof(float), 64);
    simd::BatchNormCoefficients(c, call.weights[kRunningMean],
                                call.weights[kRunningVar], call.weights[kGamma],
                                call.weights[kBeta], p.eps, rstd, scale, shift);
    // shift is free now and takes dbeta; dgamma needs a place of its own.
    float* dgamma = reinterpret_cast<float*>(rest);
    void* scratch = rest + simd::RoundUp(c * sizeof(float), 64);
    simd::BatchNormSums(rows, c, call.x[0], call.dy, call.weights[kRunningMean],
                        rstd, dgamma, shift, scratch, call.parallel);
    simd::Add(c, call.dw[kGamma], dgamma, call.dw[kGamma], call.parallel);
    simd::Add(c, call.dw[kBeta], shift, call.dw[kBeta], call.parallel);
  } else {
    simd::BatchNormCoefficients(c, call.weights[kRunningMean],
                                call.weights[kRunningVar], call.weights[kGamma],
                                call.weights[kBeta], p.eps, nullptr, scale,
                                shift);
  }
  if (call.dx[0] != nullptr) {
    simd::ScaleBackward(rows, c, call.dy, scale, call.accumulate[0], call.dx[0],
                        call.parallel);
  }
}

void Backward(const Call& call) {
  if (call.mode.live_statistics) {
    BackwardLive(call);
  } else {
    BackwardFrozen(call);
  }
}

}  // namespace

extern const LayerOp kBatchNormOp;
const LayerOp kBatchNormOp = {"batch_norm",
                              ListOf(kFields),
                              DefaultsOf<BatchNormParams>,
                              1,
                              1,
                              InferShape,
                              StateNeeds,
                              Forward,
                              Backward};

}  // namespace temper
