// Loops of slices.h.
#if defined(TEMPER_SIMD_SLICES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_SLICES_INL_H_
#undef TEMPER_SIMD_SLICES_INL_H_
#else
#define TEMPER_SIMD_SLICES_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "simd/channels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void AddSliceRows(size_t begin, size_t end, size_t count, const float* from,
                  size_t from_stride, float* to, size_t to_stride) {
  for (size_t r = begin; r < end; ++r) {
    const float* a = from + r * from_stride;
    float* y = to + r * to_stride;
    ForEachChannelVector(0, count, [&](auto access, size_t c) HWY_ATTR {
      access.Store(hn::Add(access.Load(y + c), access.Load(a + c)), y + c);
    });
  }
}

// Rows [begin, end) of all images' rows of dx, each `w` pixels.
void UpsampleBackwardRows(size_t begin, size_t end, size_t w, size_t channels,
                          size_t factor, const float* dy, bool accumulate,
                          float* dx) {
  const size_t line = w * factor * channels;  // of dy
  for (size_t r = begin; r < end; ++r) {
    for (size_t x = 0; x < w; ++x) {
      const float* from = dy + r * factor * line + x * factor * channels;
      float* to = dx + (r * w + x) * channels;
      ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
        auto sum = access.Load(from + c);
        for (size_t i = 0; i < factor; ++i) {
          for (size_t j = i == 0 ? 1 : 0; j < factor; ++j) {
            sum = hn::Add(sum, access.Load(from + i * line + j * channels + c));
          }
        }
        if (accumulate) sum = hn::Add(access.Load(to + c), sum);
        access.Store(sum, to + c);
      });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
