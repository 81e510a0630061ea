// Activations by themselves: loops over elements, dispatch and threads. Contract:
// activation.h.
#include "simd/activation.h"

#include <algorithm>

#include "simd/grain.h"
#include "simd/prologue.h"
#include "simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/activation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/activation-inl.h"
#include "simd/activation/elu-inl.h"
#include "simd/activation/gelu-inl.h"
#include "simd/activation/gelu_tanh-inl.h"
#include "simd/activation/hard_sigmoid-inl.h"
#include "simd/activation/hard_swish-inl.h"
#include "simd/activation/leaky_relu-inl.h"
#include "simd/activation/sigmoid-inl.h"
#include "simd/activation/silu-inl.h"
#include "simd/activation/softplus-inl.h"
#include "simd/activation/tanh-inl.h"
#include "simd/flush-inl.h"
#include "simd/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class F>
HWY_INLINE void WithAnyActivation(const ActivationFunction& activation, F&& f) {
#define TEMPER_ACTIVATION_CALL(Name, file, gradient) \
  static_assert(Name::kKind == Activation::k##Name); \
  if (activation.kind == Activation::k##Name) return f(Name(activation));
  TEMPER_ACTIVATIONS(TEMPER_ACTIVATION_CALL)
#undef TEMPER_ACTIVATION_CALL
}

template <class Act>
void ActivateLoop(Act act, size_t begin, size_t end, const float* x, float* y) {
  ForEachVector(Lanes16(), begin, end, [&](auto access, size_t i) HWY_ATTR {
    access.Store(act.Forward(access.Load(x + i)), y + i);
  });
}

template <bool kAccumulate, class Act>
void ActivateBackwardLoop(Act act, size_t begin, size_t end, const float* from,
                          const float* dy, float* dx) {
  ForEachVector(Lanes16(), begin, end, [&](auto access, size_t i) HWY_ATTR {
    auto g = act.Gradient(access.Load(from + i), access.Load(dy + i));
    if constexpr (kAccumulate) g = hn::Add(access.Load(dx + i), g);
    access.Store(FlushTiny(g), dx + i);
  });
}

void ActivateRange(size_t begin, size_t end,
                   const ActivationFunction& activation, const float* x,
                   float* y) {
  WithAnyActivation(activation, [&](auto act) HWY_ATTR {
    ActivateLoop(act, begin, end, x, y);
  });
}

void ActivateBackwardRange(size_t begin, size_t end,
                           const ActivationFunction& activation,
                           const float* from, const float* dy, bool accumulate,
                           float* dx) {
  WithAnyActivation(activation, [&](auto act) HWY_ATTR {
    accumulate ? ActivateBackwardLoop<true>(act, begin, end, from, dy, dx)
               : ActivateBackwardLoop<false>(act, begin, end, from, dy, dx);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(ActivateRange);
HWY_EXPORT(ActivateBackwardRange);

void Activate(size_t n, const ActivationFunction& activation, const float* x,
              float* y, const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(ActivateRange)
                (begin, end, activation, x, y);
              });
}

void ActivateBackward(size_t n, const ActivationFunction& activation,
                      const float* from, const float* dy, bool accumulate,
                      float* dx, const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(ActivateBackwardRange)
                (begin, end, activation, from, dy, accumulate, dx);
              });
}

namespace {

// Floats of a piece that is formed, stays in the cache and is used up.
constexpr size_t kPiece = 4096;

// Calls f(first row, rows, first channel, channels) for pieces of at most kPiece
// elements of rows [begin, end): whole rows, or parts of one.
template <class F>
void ForEachPiece(size_t begin, size_t end, size_t channels, F&& f) {
  if (channels > kPiece) {
    for (size_t r = begin; r < end; ++r) {
      for (size_t c = 0; c < channels; c += kPiece) {
        f(r, size_t{1}, c, std::min(kPiece, channels - c));
      }
    }
    return;
  }
  const size_t tile = kPiece / channels;
  for (size_t r = begin; r < end; r += tile) {
    f(r, std::min(tile, end - r), size_t{0}, channels);
  }
}

Prologue From(const Prologue& prologue, size_t channel) {
  Prologue part = prologue;
  part.scale += channel, part.shift += channel;
  return part;
}

}  // namespace

void ActivateThrough(size_t rows, size_t channels,
                     const ActivationFunction& activation, const float* x,
                     const Prologue& prologue, float* y,
                     const ParallelRunner& parallel) {
  if (prologue.IsIdentity()) {
    return Activate(rows * channels, activation, x, y, parallel);
  }
  ParallelFor(parallel, rows, (kElementGrain + channels - 1) / channels,
              [&](size_t begin, size_t end, size_t) {
                ForEachPiece(begin, end, channels,
                             [&](size_t r, size_t n, size_t c, size_t count) {
                               const size_t at = r * channels + c;
                               ApplyPrologue(n, count, x + at,
                                             From(prologue, c), y + at);
                               HWY_DYNAMIC_DISPATCH(ActivateRange)
                               (0, n * count, activation, y + at, y + at);
                             });
              });
}

void ActivateBackwardThrough(size_t rows, size_t channels,
                             const ActivationFunction& activation,
                             const float* x, const Prologue& prologue,
                             const float* dy, bool accumulate, float* dx,
                             const ParallelRunner& parallel) {
  if (prologue.IsIdentity()) {
    return ActivateBackward(rows * channels, activation, x, dy, accumulate, dx,
                            parallel);
  }
  ParallelFor(parallel, rows, (kElementGrain + channels - 1) / channels,
              [&](size_t begin, size_t end, size_t) {
                alignas(64) float formed[kPiece + kTailBytes / sizeof(float)];
                ForEachPiece(begin, end, channels,
                             [&](size_t r, size_t n, size_t c, size_t count) {
                               const size_t at = r * channels + c;
                               ApplyPrologue(n, count, x + at,
                                             From(prologue, c), formed);
                               HWY_DYNAMIC_DISPATCH(ActivateBackwardRange)
                               (0, n * count, activation, formed, dy + at,
                                accumulate, dx + at);
                             });
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
