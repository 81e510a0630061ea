// Optimizer updates, element by element: order, target and threads cannot
// matter. Each returns true if a new weight or state is NaN or infinite.
// New weights and state smaller than 2^-63 in magnitude are flushed to +0
// (flush-inl.h): weight decay and momentum would shrink unused ones to
// subnormals that never reach 0. Error: <= 2 ULP per step against
// tests/reference/update.h.
#ifndef TEMPER_SIMD_UPDATE_H_
#define TEMPER_SIMD_UPDATE_H_

#include <cstddef>

#include "temper/parallel.h"

namespace temper::simd {

// PyTorch's SGD: g' = scale * g + decay * w; v = momentum * v + g';
// step = nesterov ? g' + momentum * v : v; w = w - lr * step. Each line is one
// FMA, after scale * g, which is rounded unless scale is 1. v may be null, for
// momentum 0: then step = g'.
struct SgdStep {
  float lr = 0.0f, momentum = 0.0f, decay = 0.0f;
  bool nesterov = false;
  float scale = 1.0f;
};
// w_shared: other threads may have read w since it was written; speed only.
bool SgdUpdate(size_t n, const SgdStep& step, const float* g, float* w,
               float* v, bool w_shared, const ParallelRunner& parallel);

// PyTorch's RMSprop: g' = scale * g + decay * w; v = alpha * v + (1 - alpha) *
// g'^2; with a mean m: m = m + (1 - alpha) * (g' - m), u = max(v - m^2, 0),
// else u = v; s = g' / (sqrt(u) + eps); with a buffer b: s = b = momentum * b +
// s; w = w - lr * s. m and b may be null. Square, root and quotient are
// rounded; sums are FMAs.
struct RmspropStep {
  float lr = 0.0f, alpha = 0.99f, eps = 1e-8f, momentum = 0.0f, decay = 0.0f;
  float scale = 1.0f;
};
bool RmspropUpdate(size_t n, const RmspropStep& step, const float* g, float* w,
                   float* v, float* m, float* b, bool w_shared,
                   const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_UPDATE_H_
