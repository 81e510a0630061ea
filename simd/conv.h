// 2-D convolution (cross-correlation): forward, gradient of the input, gradient
// of the weights. NHWC activations, OHWI weights. What follows describes the
// direct kernels, an implicit GEMM; 3x3 layers that pay go to winograd.h.
//
// Staging: a band of padded input rows is copied once into per-thread scratch,
// so the register tile (gemm-inl.h) reads taps at fixed offsets and never tests
// for the border: padding taps multiply zeros, always. Without padding the tile
// reads x directly. No im2col buffer of the image exists. A prologue
// (prologue.h) is applied on the way into the band, so that it always stages.
// Order: forward sums over (kernel_h, kernel_w, in channel) ascending; the
// input gradient is a forward convolution of dy with flipped taps, one phase
// per (ih % stride_h, iw % stride_w), summing over (flipped kernel_h, flipped
// kernel_w, out channel); the weight gradient sums over output pixels by the
// chunk rule of rows.h. Bits do not depend on target (FMA) or threads.
// Requires: as gemm.h. Error: as gemm.h with k = terms in the sum.
// Scratch: bytes for `batch` images or fewer and `threads` threads or fewer;
// multiples of 64, tails included. Forward and input gradient: packed weights
// (up to 640 KB all of them; else per thread a block of columns, 256 KB or two
// panels; none for the input gradient of few pixels) and per thread a band
// (mostly 48 KB). Weight gradient: per thread a band, partial sums (at most
// 256 KB) and packed dy (mostly 128 KB at most), and where threads share pixels
// results of parts of the pixels, at most a quarter of x and dy. Nothing
// survives the call. Null if the size is 0.
// Next: conv_bands.h, runtime/layers/conv2d.cc, tests/reference/conv.h.
#ifndef TEMPER_SIMD_CONV_H_
#define TEMPER_SIMD_CONV_H_

#include <cstddef>
#include <cstdint>

#include "simd/prologue.h"
#include "simd/rows.h"
#include "temper/parallel.h"

namespace temper::simd {

// Bottom and right padding follow from the output size.
struct ConvShape {
  uint32_t in_h, in_w, in_c;
  uint32_t out_h, out_w, out_c;
  uint32_t kernel_h, kernel_w;
  uint32_t stride_h, stride_w;
  uint32_t pad_top, pad_left;
  uint32_t dilation_h, dilation_w;
  uint32_t groups;  // divides in_c and out_c
};

// These choose between the direct kernels and Winograd's (winograd.h) by the
// shape alone: conv_dispatch.cc.
//
// y (batch, out_h, out_w, out_c) = conv(prologue(x (batch, in_h, in_w, in_c)),
// w (out_c, kernel_h, kernel_w, in_c / groups)) + bias (out_c) or null.
// Scratch: `prologue` if there may be one that is not the identity.
size_t ConvForwardScratch(const ConvShape& s, uint32_t batch, uint32_t threads,
                          bool prologue);
void ConvForward(const ConvShape& s, uint32_t batch, const float* x,
                 const Prologue& prologue, const float* w, const float* bias,
                 float* y, void* scratch, const ParallelRunner& parallel);

// The same with w packed once (ConvPackWeights), for weights that do not change.
// ConvPackedBytes: the room that w then needs; 0 where the kernel that computes
// this shape cannot use it. Scratch of packing: ConvPackScratch.
size_t ConvPackedBytes(const ConvShape& s);
size_t ConvPackScratch(const ConvShape& s);
void ConvPackWeights(const ConvShape& s, float* w, void* scratch);
size_t ConvForwardPackedScratch(const ConvShape& s, uint32_t batch,
                                uint32_t threads, bool prologue);
void ConvForwardPacked(const ConvShape& s, uint32_t batch, const float* x,
                       const Prologue& prologue, const float* w,
                       const float* bias, float* y, void* scratch,
                       const ParallelRunner& parallel);

// dx = (accumulate ? dx : 0) + gradient. Every element of dx is written.
size_t ConvBackwardDataScratch(const ConvShape& s, uint32_t batch,
                               uint32_t threads);
void ConvBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                      const float* w, bool accumulate, float* dx, void* scratch,
                      const ParallelRunner& parallel);

// dw += gradient of the filters [first, first + filters) alone; dw points at
// filter `first`. With groups > 1 the range must be all of them. The scratch
// size suffices for any range of filters.
size_t ConvBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                  uint32_t threads, bool prologue);
void ConvBackwardWeights(const ConvShape& s, uint32_t batch, const float* x,
                         const Prologue& prologue, const float* dy,
                         uint32_t first, uint32_t filters, float* dw,
                         void* scratch, const ParallelRunner& parallel);

// The direct kernels, whatever the shape.
namespace direct {
size_t ConvForwardScratch(const ConvShape& s, uint32_t batch, uint32_t threads,
                          bool prologue);
void ConvForward(const ConvShape& s, uint32_t batch, const float* x,
                 const Prologue& prologue, const float* w, const float* bias,
                 float* y, void* scratch, const ParallelRunner& parallel);
size_t ConvBackwardDataScratch(const ConvShape& s, uint32_t batch,
                               uint32_t threads);
void ConvBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                      const float* w, bool accumulate, float* dx, void* scratch,
                      const ParallelRunner& parallel);
size_t ConvBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                  uint32_t threads, bool prologue);
void ConvBackwardWeights(const ConvShape& s, uint32_t batch, const float* x,
                         const Prologue& prologue, const float* dy,
                         uint32_t first, uint32_t filters, float* dw,
                         void* scratch, const ParallelRunner& parallel);
}  // namespace direct

}  // namespace temper::simd

#endif  // TEMPER_SIMD_CONV_H_
