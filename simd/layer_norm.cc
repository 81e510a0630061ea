// Layer normalisation: dispatch and threads. The loops are in layer_norm-inl.h.
#include "simd/layer_norm.h"

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/layer_norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/layer_norm-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(LayerNormRows);
HWY_EXPORT(LayerNormBackwardRows);

namespace {

// Several passes over a row that is in the cache.
size_t RowGrain(size_t channels) {
  return (kElementGrain / 2 + channels - 1) / channels;
}

}  // namespace

void LayerNormForward(size_t rows, size_t channels, const float* x,
                      const float* gamma, const float* beta, float eps,
                      float* mean, float* rstd, float* y,
                      const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(LayerNormRows)
                (begin, end, channels, x, gamma, beta, eps, mean, rstd, y);
              });
}

void LayerNormBackward(size_t rows, size_t channels, const float* x,
                       const float* mean, const float* rstd, const float* gamma,
                       const float* dy, bool accumulate, float* dx,
                       const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, RowGrain(channels),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(LayerNormBackwardRows)
                (begin, end, channels, x, mean, rstd, gamma, dy, accumulate,
                 dx);
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
