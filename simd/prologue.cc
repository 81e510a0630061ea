// Prologues: dispatch and threads. The loops are in prologue-inl.h.
#include "simd/prologue.h"

#include <algorithm>
#include <cstring>

#include "simd/grain.h"
#include "simd/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/prologue.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/prologue-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(PrologueRows);
HWY_EXPORT(StageRows);
HWY_EXPORT(AddRows);

void ApplyPrologue(size_t rows, size_t channels, const float* x,
                   const Prologue& prologue, float* y) {
  if (rows == 0) return;
  if (prologue.IsIdentity()) {
    if (x != y) std::memcpy(y, x, rows * channels * sizeof(float));
    return;
  }
  HWY_DYNAMIC_DISPATCH(PrologueRows)(rows, channels, x, prologue, y);
}

void ApplyPrologue(size_t rows, size_t channels, const float* x,
                   const Prologue& prologue, float* y,
                   const ParallelRunner& parallel) {
  ParallelFor(parallel, rows, (kElementGrain + channels - 1) / channels,
              [&](size_t begin, size_t end, size_t) {
                ApplyPrologue(end - begin, channels, x + begin * channels,
                              prologue, y + begin * channels);
              });
}

void StagePrologue(size_t pixels, size_t channels, size_t first, size_t count,
                   const float* x, const Prologue& prologue, float* y) {
  if (count == channels) return ApplyPrologue(pixels, channels, x, prologue, y);
  if (prologue.IsIdentity()) {
    for (size_t i = 0; i < pixels; ++i) {
      std::memcpy(y + i * count, x + i * channels + first,
                  count * sizeof(float));
    }
    return;
  }
  Prologue part = prologue;
  part.scale += first, part.shift += first;
  HWY_DYNAMIC_DISPATCH(StageRows)(pixels, channels, count, x + first, part, y);
}

void AddThrough(size_t rows, size_t channels, const float* a,
                const Prologue& prologue_a, const float* b,
                const Prologue& prologue_b,
                const ActivationFunction& activation, float* y,
                const ParallelRunner& parallel) {
  ParallelFor(
      parallel, rows, (kElementGrain + channels - 1) / channels,
      [&](size_t begin, size_t end, size_t) {
        const auto add = [&](size_t r, size_t n, const float* x,
                             const float* formed, const Prologue& p) {
          HWY_DYNAMIC_DISPATCH(AddRows)
          (n, channels, x + r * channels, formed + r * channels, p, activation,
           y + r * channels);
        };
        if (prologue_a.IsIdentity()) {
          return add(begin, end - begin, a, b, prologue_b);
        }
        if (prologue_b.IsIdentity()) {
          return add(begin, end - begin, b, a, prologue_a);
        }
        // Both: a goes first, through a buffer that stays in the cache.
        constexpr size_t kFloats = 4096;
        alignas(64) float formed[kFloats + kTailBytes / sizeof(float)];
        if (channels > kFloats) {
          // A row at a time, in parts.
          for (size_t r = begin; r < end; ++r) {
            const size_t i = r * channels;
            for (size_t c = 0; c < channels; c += kFloats) {
              const size_t n = std::min(kFloats, channels - c);
              Prologue pa = prologue_a, pb = prologue_b;
              pa.scale += c, pa.shift += c, pb.scale += c, pb.shift += c;
              ApplyPrologue(1, n, a + i + c, pa, formed);
              HWY_DYNAMIC_DISPATCH(AddRows)
              (1, n, formed, b + i + c, pb, activation, y + i + c);
            }
          }
          return;
        }
        const size_t tile = kFloats / channels;
        for (size_t r = begin; r < end; r += tile) {
          const size_t n = std::min(tile, end - r);
          ApplyPrologue(n, channels, a + r * channels, prologue_a, formed);
          HWY_DYNAMIC_DISPATCH(AddRows)
          (n, channels, formed, b + r * channels, prologue_b, activation,
           y + r * channels);
        }
      });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
