// Convolution by Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray 2016):
// kernel 3x3, stride 1, dilation 1, groups 1, any padding. A tile of 2x2
// outputs takes 16 multiplications per pair of channels instead of 36:
//
//   y = A^T [ (G g G^T) . (B^T d B) ] A            d: 4x4 inputs, g: 3x3 taps
//
// summed over input channels between the brackets: 16 matrix products. The
// input gradient is the same with flipped, transposed weights; the weight
// gradient is dW = G^T [ sum over tiles (B^T d B) . (A dy A^T) ] G.
//
// Order: the transforms are fixed sequences of additions (and exact halvings);
// a product is one FMA chain over ascending input channels, the weight gradient
// one over tiles by the chunk rule of rows.h with rows = batch x tiles_h x
// tiles_w. Bits do not depend on target (FMA) or threads; they differ from
// those of the direct kernel (conv.h).
// Error: with k terms in the sums (in_c, out_c, tiles), per element
//   |error| <= (k + 12) * eps * M
// where M is the result of the same formula with the magnitudes of x, w and of
// A, B and G. The bound is normwise per tile: the relative error of a small
// output next to large ones is larger than with the direct kernel. The rms
// error of random data is below the direct kernel's in forward and input
// gradient (0.5 to 0.8 of it: the chains are shorter) and 0.7 to 1.4 of it in
// the weight gradient. NaN and infinity reach all outputs of the tiles that
// read them. Requires: as gemm.h. Scratch: as conv.h. Next: winograd_tiles.h,
// winograd.cc, winograd_weights.cc, winograd-inl.h.
#ifndef TEMPER_SIMD_WINOGRAD_H_
#define TEMPER_SIMD_WINOGRAD_H_

#include <cstddef>
#include <cstdint>

#include "simd/conv.h"
#include "simd/prologue.h"
#include "temper/parallel.h"

namespace temper::simd {

// Whether F(2x2, 3x3) computes this convolution at all.
constexpr bool WinogradComputes(const ConvShape& s) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 &&
         s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.groups == 1;
}

// Whether it is faster than the direct kernel. By the shape alone, not by the
// batch: a short last batch is computed as the full ones are.
bool WinogradForwardApplies(const ConvShape& s);
bool WinogradBackwardDataApplies(const ConvShape& s);
bool WinogradBackwardWeightsApplies(const ConvShape& s);

// y = conv(prologue(x), w) + bias, or null.
size_t WinogradForwardScratch(const ConvShape& s, uint32_t batch,
                              uint32_t threads);
void WinogradForward(const ConvShape& s, uint32_t batch, const float* x,
                     const Prologue& prologue, const float* w,
                     const float* bias, float* y, void* scratch,
                     const ParallelRunner& parallel);

// dx = (accumulate ? dx : 0) + gradient. Every element of dx is written.
size_t WinogradBackwardDataScratch(const ConvShape& s, uint32_t batch,
                                   uint32_t threads);
void WinogradBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                          const float* w, bool accumulate, float* dx,
                          void* scratch, const ParallelRunner& parallel);

// dw += gradient of the filters [first, first + filters) alone; dw points at
// filter `first`. The scratch size suffices for any range.
size_t WinogradBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                      uint32_t threads);
void WinogradBackwardWeights(const ConvShape& s, uint32_t batch, const float* x,
                             const Prologue& prologue, const float* dy,
                             uint32_t first, uint32_t filters, float* dw,
                             void* scratch, const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_WINOGRAD_H_
