// Loops with a factor per channel or element. Contract: channel_factors.h.
#if defined(TEMPER_SIMD_CHANNEL_FACTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_CHANNEL_FACTORS_INL_H_
#undef TEMPER_SIMD_CHANNEL_FACTORS_INL_H_
#else
#define TEMPER_SIMD_CHANNEL_FACTORS_INL_H_
#endif

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kAdd, class Access, class V>
HWY_INLINE void PutFlushed(Access access, V v, float* y) {
  if constexpr (kAdd) v = hn::Add(access.Load(y), v);
  access.Store(FlushTiny(v), y);
}

void MultiplyRange(size_t begin, size_t end, const float* a, const float* b,
                   bool accumulate, float* y) {
  const auto loop = [&](auto add) HWY_ATTR {
    ForEachVector(Lanes16(), begin, end, [&](auto access, size_t i) HWY_ATTR {
      PutFlushed<add.value>(
          access, hn::Mul(access.Load(a + i), access.Load(b + i)), y + i);
    });
  };
  accumulate ? loop(std::true_type()) : loop(std::false_type());
}

// body(access, i, factor) of every vector, the factors in a register.
template <class Body>
HWY_INLINE void WithFactors(size_t begin, size_t end, size_t channels,
                            const float* factors, Body&& body) {
  ForEachColumn<1>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        std::memcpy(tables, factors + first, count * sizeof(float));
      },
      [&](auto access, size_t i, size_t stride, size_t count,
          const float* table) HWY_ATTR {
        const auto factor = access.LoadAll(table);
        for (const size_t stop = i + count * stride; i != stop; i += stride) {
          body(access, i, factor);
        }
      });
}

void MultiplyChannelRows(size_t begin, size_t end, size_t channels,
                         const float* a, const float* b, bool accumulate,
                         float* y) {
  const auto loop = [&](auto add) HWY_ATTR {
    WithFactors(begin, end, channels, b,
                [&](auto access, size_t i, auto factor) HWY_ATTR {
                  PutFlushed<add.value>(
                      access, hn::Mul(access.Load(a + i), factor), y + i);
                });
  };
  accumulate ? loop(std::true_type()) : loop(std::false_type());
}

void PreluRows(size_t begin, size_t end, size_t channels, const float* x,
               const float* slope, float* y) {
  WithFactors(begin, end, channels, slope,
              [&](auto access, size_t i, auto factor) HWY_ATTR {
                const auto v = access.Load(x + i);
                PutFlushed<false>(access,
                                  hn::IfThenElse(hn::Gt(v, access.Zero()), v,
                                                 hn::Mul(v, factor)),
                                  y + i);
              });
}

void PreluBackwardRows(size_t begin, size_t end, size_t channels,
                       const float* x, const float* slope, const float* dy,
                       bool accumulate, float* dx) {
  const auto loop = [&](auto add) HWY_ATTR {
    WithFactors(begin, end, channels, slope,
                [&](auto access, size_t i, auto factor) HWY_ATTR {
                  const auto g = access.Load(dy + i);
                  const auto open = hn::Gt(access.Load(x + i), access.Zero());
                  PutFlushed<add.value>(
                      access, hn::IfThenElse(open, g, hn::Mul(g, factor)),
                      dx + i);
                });
  };
  accumulate ? loop(std::true_type()) : loop(std::false_type());
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
