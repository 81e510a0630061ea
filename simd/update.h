// Optimizer updates, element by element: order, target and threads cannot
// matter. Each returns true if a new weight or state is NaN or infinite.
// New weights and state smaller than 2^-63 in magnitude are flushed to +0
// (flush-inl.h): weight decay and momentum would shrink unused ones to
// subnormals that never reach 0. Means and sums of squares (v, s) are flushed
// below 2^-126; gradients below 2^-62 / sqrt(share of the newest square) do not
// count in them, and where u or initial + s is 0 the step is 0. Error: <= 2 ULP per step against
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

// Momentum that holds the rate: g' = scale * g + decay * w; v = momentum * v -
// lr * g'; w = w + v. lr * g' is rounded once, with the sum.
struct MomentumStep {
  float lr = 0.0f, momentum = 0.9f, decay = 0.0f, scale = 1.0f;
};
bool MomentumUpdate(size_t n, const MomentumStep& step, const float* g,
                    float* w, float* v, bool w_shared,
                    const ParallelRunner& parallel);

// AdaGrad: g' = scale * g + decay * w; s = s + g'^2; w = w - lr * g' /
// (sqrt(initial + s) + eps).
struct AdagradStep {
  float lr = 0.0f, eps = 1e-10f, initial = 0.0f, decay = 0.0f, scale = 1.0f;
};
bool AdagradUpdate(size_t n, const AdagradStep& step, const float* g, float* w,
                   float* s, bool w_shared, const ParallelRunner& parallel);

// PyTorch's Adam: g' = scale * g + decay * w; m = m + (1 - beta1) * (g' - m);
// v = beta2 * v + (1 - beta2) * g'^2; with a buffer h: h = u = max(h, v), else u
// = v; w = keep * w - lr * m / (sqrt(u) * root + eps). Of the step number t the
// caller puts into lr the factor 1 / (1 - beta1^t) and into root 1 / sqrt(1 -
// beta2^t); keep is 1 - lr * decay where decay is decoupled (then decay is 0).
struct AdamStep {
  float lr = 0.0f, beta1_rest = 0.1f, beta2 = 0.999f, beta2_rest = 1e-3f;
  float eps = 1e-8f, decay = 0.0f, keep = 1.0f, root = 1.0f, scale = 1.0f;
};
bool AdamUpdate(size_t n, const AdamStep& step, const float* g, float* w,
                float* m, float* v, float* h, bool w_shared,
                const ParallelRunner& parallel);

// Of weights after their update. The proximal step of an L1 penalty: w = w -
// threshold toward 0, and 0 where |w| <= threshold.
void SoftThreshold(size_t n, float threshold, float* w,
                   const ParallelRunner& parallel);
// x = min(max(scale * x, -most), most). True if an element was cut. NaN stays.
bool Clamp(size_t n, float scale, float most, float* x,
           const ParallelRunner& parallel);
// average = average + rest * (x - average).
void MoveToward(size_t n, float rest, const float* x, float* average,
                const ParallelRunner& parallel);

// y (columns, rows) = x (rows, columns) transposed. They do not overlap.
void Transpose(size_t rows, size_t columns, const float* x, float* y);

// The sum of squares in double: element i goes into sum i % 16 of its piece of
// kSumPiece elements, then the pieces' sums in their order. A product of two
// floats is exact in double, so that nothing overflows and targets agree.
inline constexpr size_t kSumPiece = 4096;
double SumOfSquaresDouble(size_t n, const float* x);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_UPDATE_H_
