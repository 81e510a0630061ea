// Prologue loops. Contract: prologue.h.
#if defined(TEMPER_SIMD_PROLOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_PROLOGUE_INL_H_
#undef TEMPER_SIMD_PROLOGUE_INL_H_
#else
#define TEMPER_SIMD_PROLOGUE_INL_H_
#endif

#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "simd/activation-inl.h"
#include "simd/channels-inl.h"
#include "simd/prologue.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four vectors of `rows` rows, from_step and to_step floats apart.
template <class Act>
HWY_INLINE void StageFour(Act act, size_t rows, size_t from_step,
                          size_t to_step, const float* from,
                          const float* HWY_RESTRICT scale,
                          const float* HWY_RESTRICT shift, float* to) {
  const WholeVector<Lanes16> full;
  const size_t N = hn::Lanes(Lanes16());
  const auto a0 = full.Load(scale), b0 = full.Load(shift);
  const auto a1 = full.Load(scale + N), b1 = full.Load(shift + N);
  const auto a2 = full.Load(scale + 2 * N), b2 = full.Load(shift + 2 * N);
  const auto a3 = full.Load(scale + 3 * N), b3 = full.Load(shift + 3 * N);
  const auto stage = [&](auto a, auto b, size_t at) HWY_ATTR {
    full.Store(act.Forward(hn::MulAdd(full.Load(from + at), a, b)), to + at);
  };
  // Prefetch distance in rows: hardware prefetchers do not follow this stride.
  const float* ahead = from + 12 * from_step;
  for (size_t i = 0; i < rows; ++i, from += from_step, to += to_step) {
    for (size_t k = 0; k < 4 * N; k += 16) hwy::Prefetch(ahead + k);
    ahead += from_step;
    stage(a0, b0, 0);
    stage(a1, b1, N);
    stage(a2, b2, 2 * N);
    stage(a3, b3, 3 * N);
  }
}

template <class Act>
void PrologueLoop(Act act, size_t rows, size_t channels, const float* x,
                  const float* HWY_RESTRICT scale,
                  const float* HWY_RESTRICT shift, float* y) {
  ForEachColumn<2>(
      0, rows, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        std::memcpy(tables, scale + first, count * sizeof(float));
        std::memcpy(tables + kTableLength, shift + first,
                    count * sizeof(float));
      },
      [&](auto access, size_t i, size_t stride, size_t count,
          const float* table) HWY_ATTR {
        const auto a = access.LoadAll(table);
        const auto b = access.LoadAll(table + kTableLength);
        for (const size_t end = i + count * stride; i != end; i += stride) {
          access.Store(act.Forward(hn::MulAdd(access.Load(x + i), a, b)),
                       y + i);
        }
      },
      [&](size_t i, size_t stride, size_t count, const float* table) HWY_ATTR {
        StageFour(act, count, stride, stride, x + i, table,
                  table + kTableLength, y + i);
      });
}

void PrologueRows(size_t rows, size_t channels, const float* x,
                  const Prologue& p, float* y) {
  WithActivation(p.activation, [&](auto act) HWY_ATTR {
    PrologueLoop(act, rows, channels, x, p.scale, p.shift, y);
  });
}

template <class Act>
void StageLoop(Act act, size_t pixels, size_t stride, size_t count,
               const float* HWY_RESTRICT x, const float* HWY_RESTRICT scale,
               const float* HWY_RESTRICT shift, float* HWY_RESTRICT y) {
  const size_t N = hn::Lanes(Lanes16());
  size_t begin = 0;
  for (; begin + 4 * N <= count; begin += 4 * N) {
    StageFour(act, pixels, stride, count, x + begin, scale + begin,
              shift + begin, y + begin);
  }
  ForEachChannelVector(begin, count, [&](auto access, size_t c) HWY_ATTR {
    const auto a = access.Load(scale + c);
    const auto b = access.Load(shift + c);
    const float* HWY_RESTRICT from = x + c;
    float* HWY_RESTRICT to = y + c;
    for (size_t i = 0; i < pixels; ++i, from += stride, to += count) {
      access.Store(act.Forward(hn::MulAdd(access.Load(from), a, b)), to);
    }
  });
}

void StageRows(size_t pixels, size_t stride, size_t count, const float* x,
               const Prologue& p, float* y) {
  WithActivation(p.activation, [&](auto act) HWY_ATTR {
    StageLoop(act, pixels, stride, count, x, p.scale, p.shift, y);
  });
}

// y = act(a + prologue(b)).
template <bool kFormed, class Act, class FormedAct>
void AddLoop(Act act, FormedAct formed_act, size_t rows, size_t channels,
             const float* a, const float* b, const Prologue& p, float* y) {
  if constexpr (!kFormed) {
    ForEachChannelVector(
        0, rows * channels, [&](auto access, size_t i) HWY_ATTR {
          access.Store(
              act.Forward(hn::Add(access.Load(a + i), access.Load(b + i))),
              y + i);
        });
    return;
  }
  ForEachColumn<2>(
      0, rows, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        std::memcpy(tables, p.scale + first, count * sizeof(float));
        std::memcpy(tables + kTableLength, p.shift + first,
                    count * sizeof(float));
      },
      [&](auto access, size_t i, size_t stride, size_t count,
          const float* table) HWY_ATTR {
        const auto scale = access.LoadAll(table);
        const auto shift = access.LoadAll(table + kTableLength);
        for (const size_t end = i + count * stride; i != end; i += stride) {
          const auto formed =
              formed_act.Forward(hn::MulAdd(access.Load(b + i), scale, shift));
          access.Store(act.Forward(hn::Add(access.Load(a + i), formed)), y + i);
        }
      });
}

void AddRows(size_t rows, size_t channels, const float* a, const float* b,
             const Prologue& p, const ActivationFunction& activation,
             float* y) {
  WithActivation(activation, [&](auto act) HWY_ATTR {
    if (p.IsIdentity()) {
      return AddLoop<false>(act, None(p.activation), rows, channels, a, b, p,
                            y);
    }
    WithActivation(p.activation, [&](auto formed_act) HWY_ATTR {
      AddLoop<true>(act, formed_act, rows, channels, a, b, p, y);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
