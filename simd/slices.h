// Kernels that move rows: channels of pixels into other pixels (concat), pixels
// into more pixels (upsample). Requires: as gemm.h; no overlap. Exact but for
// sums. Next: slices-inl.h, runtime/layers/concat.cc, upsample.cc.
#ifndef TEMPER_SIMD_SLICES_H_
#define TEMPER_SIMD_SLICES_H_

#include <cstddef>
#include <cstdint>

#include "temper/parallel.h"

namespace temper::simd {

// `count` floats of each of `rows` rows, from_stride and to_stride floats apart:
// to = from, or to += from.
void CopySlice(size_t rows, size_t count, const float* from, size_t from_stride,
               bool accumulate, float* to, size_t to_stride,
               const ParallelRunner& parallel);

// x (batch, h, w, channels) -> y (batch, h * factor, w * factor, channels): each
// pixel becomes factor x factor.
void UpsampleForward(uint32_t batch, size_t h, size_t w, size_t channels,
                     size_t factor, const float* x, float* y,
                     const ParallelRunner& parallel);
// dx = (accumulate ? dx : 0) + the sum over the factor x factor pixels, in
// ascending order.
void UpsampleBackward(uint32_t batch, size_t h, size_t w, size_t channels,
                      size_t factor, const float* dy, bool accumulate,
                      float* dx, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_SLICES_H_
