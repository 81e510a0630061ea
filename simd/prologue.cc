// Prologues: dispatch and threads. The loops are in prologue-inl.h.
#include "simd/prologue.h"

#include <cstring>

#include "simd/grain.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/prologue.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/prologue-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(PrologueRows);

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

}  // namespace temper::simd
#endif  // HWY_ONCE
