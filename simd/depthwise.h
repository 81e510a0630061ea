// Depthwise 2-D convolution: one filter per channel, lanes over channels.
// w (kernel_h, kernel_w, channels). ConvShape with in_c == out_c == groups.
//
// Order: forward and input gradient sum over taps in ascending (kernel_h,
// kernel_w), starting from bias or +0; taps outside the image are skipped,
// always. The weight gradient is one chain per (tap, channel) over the output
// pixels of a chunk (rows.h) in ascending order, pixels whose tap falls outside
// skipped, chunks combined by the tree. Bits do not depend on target or
// threads. x is read through a prologue (prologue.h): unless that is the
// identity, a band of rows is formed once per thread, in scratch, and read from
// there. Requires: as gemm.h. Error: as gemm.h with k = taps, or rows for dw.
// Scratch: as conv.h; a prologue may need more, never less.
// Next: depthwise-inl.h, runtime/layers/depthwise_conv2d.cc.
#ifndef TEMPER_SIMD_DEPTHWISE_H_
#define TEMPER_SIMD_DEPTHWISE_H_

#include "simd/conv.h"
#include "simd/prologue.h"

namespace temper::simd {

size_t DepthwiseForwardScratch(const ConvShape& s, uint32_t batch,
                               uint32_t threads, bool prologue);
void DepthwiseForward(const ConvShape& s, uint32_t batch, const float* x,
                      const Prologue& prologue, const float* w,
                      const float* bias, float* y, void* scratch,
                      const ParallelRunner& parallel);

void DepthwiseBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                           const float* w, bool accumulate, float* dx,
                           const ParallelRunner& parallel);

// dw += gradient. In parts (rows.h, of images here): as BatchStats; the
// gradient comes with the last.
size_t DepthwiseBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                       uint32_t threads, bool prologue);
void DepthwiseBackwardWeights(const ConvShape& s, uint32_t batch, RowRange part,
                              const float* x, const Prologue& prologue,
                              const float* dy, float* dw, void* scratch,
                              const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_DEPTHWISE_H_
