// Prologue: a tensor that is never stored. What a kernel reads through it is
//
//   y = act(x * scale[c] + shift[c])      (one FMA, then activation.h)
//
// batch norm and its activation, computed from the convolution's output on each
// read. The bits of y are those that batch norm and Activate would have stored,
// so it does not matter which kernel computes them, or how often.
// Padding comes after: it is zero in y, not in x.
// Next: prologue-inl.h, conv_bands.h and depthwise.cc (users), runtime/layer.h.
#ifndef TEMPER_SIMD_PROLOGUE_H_
#define TEMPER_SIMD_PROLOGUE_H_

#include <cstddef>
#include <cstdint>

#include "simd/activation.h"
#include "temper/parallel.h"

namespace temper::simd {

struct Prologue {
  // Per channel, followed by kTailBytes readable bytes. Null: y is x, and
  // activation is kNone.
  const float* scale = nullptr;
  const float* shift = nullptr;
  ActivationFunction activation;

  bool IsIdentity() const { return scale == nullptr; }
};

// y = prologue(x) for rows x channels, both contiguous. y == x allowed. The
// second form splits the rows over threads; the first stays on the caller, for
// kernels that stage a part of x.
void ApplyPrologue(size_t rows, size_t channels, const float* x,
                   const Prologue& prologue, float* y);
void ApplyPrologue(size_t rows, size_t channels, const float* x,
                   const Prologue& prologue, float* y,
                   const ParallelRunner& parallel);

// The channels [first, first + count) of some pixels, `channels` floats apart
// in x, side by side in y.
void StagePrologue(size_t pixels, size_t channels, size_t first, size_t count,
                   const float* x, const Prologue& prologue, float* y);

// y = act(prologue_a(a) + prologue_b(b)), rows x channels. y may be a or b.
void AddThrough(size_t rows, size_t channels, const float* a,
                const Prologue& prologue_a, const float* b,
                const Prologue& prologue_b,
                const ActivationFunction& activation, float* y,
                const ParallelRunner& parallel);

}  // namespace temper::simd

#endif  // TEMPER_SIMD_PROLOGUE_H_
