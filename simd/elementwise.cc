// Element-by-element kernels: dispatch and threads. The loops are in
// elementwise-inl.h.
#include "simd/elementwise.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/elementwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/elementwise-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(AddRange);
HWY_EXPORT(FillRange);
HWY_EXPORT(ScaleRange);
HWY_EXPORT(NormalizeU8Range);
HWY_EXPORT(NormalizeF32Range);
HWY_EXPORT(DropoutRange);

void Add(size_t n, const float* a, const float* b, float* y,
         const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(AddRange)(begin, end, a, b, y);
              });
}

void Copy(size_t n, const float* x, float* y, const ParallelRunner& parallel) {
  if (x == y) return;
  ParallelFor(
      parallel, n, kElementGrain, [&](size_t begin, size_t end, size_t) {
        std::memcpy(y + begin, x + begin, (end - begin) * sizeof(float));
      });
}

void Fill(size_t n, float value, float* y, const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(FillRange)(begin, end, value, y);
              });
}

void Scale(size_t n, float factor, const float* x, float* y,
           const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(ScaleRange)(begin, end, factor, x, y);
              });
}

void NormalizeU8(size_t n, size_t period, const uint8_t* x, float scale,
                 const float* mean, const float* std, float* y,
                 const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(NormalizeU8Range)
                (begin, end, period, x, scale, mean, std, y);
              });
}

void NormalizeF32(size_t n, size_t period, const float* x, float scale,
                  const float* mean, const float* std, float* y,
                  const ParallelRunner& parallel) {
  ParallelFor(parallel, n, kElementGrain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(NormalizeF32Range)
                (begin, end, period, x, scale, mean, std, y);
              });
}

void Dropout(size_t rows, size_t n, const float* x, float factor,
             uint32_t threshold, uint64_t seed, const uint64_t* sample_ids,
             uint32_t epoch, uint32_t stream, bool accumulate, float* y,
             const ParallelRunner& parallel) {
  const DropoutArguments arguments{factor,     threshold, seed,
                                   sample_ids, epoch,     stream};
  const size_t blocks = (n + kDropoutBlock - 1) / kDropoutBlock;
  ParallelFor(parallel, rows * blocks, kElementGrain / (2 * kDropoutBlock),
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(DropoutRange)
                (begin, end, n, x, arguments, accumulate, y);
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
