// Prologue loops. Contract: prologue.h.
#if defined(TEMPER_SIMD_PROLOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_PROLOGUE_INL_H_
#undef TEMPER_SIMD_PROLOGUE_INL_H_
#else
#define TEMPER_SIMD_PROLOGUE_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"
#include "simd/prologue.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Activation kActivation, class V>
HWY_INLINE V Activate(V y) {
  const hn::DFromV<V> d;
  if constexpr (kActivation == Activation::kNone) return y;
  if constexpr (kActivation == Activation::kRelu6) {
    const V six = hn::Set(d, 6.0f);
    y = hn::IfThenElse(hn::Ge(y, six), six, y);
  }
  return hn::IfThenZeroElse(hn::Le(y, hn::Zero(d)), y);
}

// The gradient of an activation, from its argument y: g where it is open, else
// +0. NaN in y lets g pass, as the select does.
template <Activation kActivation, class V>
HWY_INLINE V ActivationGradient(V y, V g) {
  const hn::DFromV<V> d;
  if constexpr (kActivation == Activation::kNone) return g;
  if constexpr (kActivation == Activation::kRelu6) {
    g = hn::IfThenZeroElse(hn::Ge(y, hn::Set(d, 6.0f)), g);
  }
  return hn::IfThenZeroElse(hn::Le(y, hn::Zero(d)), g);
}

// The channels [c, c + kVectors * lanes) of all rows, coefficients in
// registers.
template <Activation kActivation, int kVectors, class Access>
HWY_INLINE void PrologueColumns(Access access, size_t rows, size_t channels,
                                size_t c, const float* x,
                                const float* HWY_RESTRICT scale,
                                const float* HWY_RESTRICT shift, float* y) {
  using V = typename Access::V;
  const size_t N = hn::Lanes(hn::DFromV<V>());
  const V a0 = access.Load(scale + c), b0 = access.Load(shift + c);
  V a1 = a0, b1 = b0, a2 = a0, b2 = b0, a3 = a0, b3 = b0;
  if constexpr (kVectors > 1) {
    a1 = access.Load(scale + c + N), b1 = access.Load(shift + c + N);
  }
  if constexpr (kVectors > 2) {
    a2 = access.Load(scale + c + 2 * N), b2 = access.Load(shift + c + 2 * N);
    a3 = access.Load(scale + c + 3 * N), b3 = access.Load(shift + c + 3 * N);
  }
  const auto form = [&](size_t i, V a, V b) HWY_ATTR {
    access.Store(Activate<kActivation>(hn::MulAdd(access.Load(x + i), a, b)),
                 y + i);
  };
  for (size_t r = 0; r < rows; ++r) {
    const size_t i = r * channels + c;
    form(i, a0, b0);
    if constexpr (kVectors > 1) form(i + N, a1, b1);
    if constexpr (kVectors > 2) form(i + 2 * N, a2, b2);
    if constexpr (kVectors > 2) form(i + 3 * N, a3, b3);
  }
}

template <Activation kActivation>
void PrologueLoop(size_t rows, size_t channels, const float* x,
                  const float* HWY_RESTRICT scale,
                  const float* HWY_RESTRICT shift, float* y) {
  const size_t N = hn::Lanes(Lanes16());
  const WholeVector<Lanes16> whole;
  if (channels < 16 || (channels % N != 0 && channels < 64)) {
    // Few channels: their coefficients repeated up to whole vectors.
    constexpr size_t kMost = 16 * 64 + 16;
    HWY_ALIGN float tables[2 * kMost];
    size_t unit = channels;  // the least common multiple with N
    while (unit % N != 0) unit *= 2;
    size_t period = unit;
    while (period < 64) period += unit;
    for (size_t j = 0; j < period; j += channels) {
      for (size_t k = 0; k < channels && j + k < period; ++k) {
        tables[j + k] = scale[k];
        tables[kMost + j + k] = shift[k];
      }
    }
    const size_t n = rows * channels;
    size_t i = 0;
    for (; i + period <= n; i += period) {
      for (size_t j = 0; j < period; j += N) {
        whole.Store(Activate<kActivation>(
                        hn::MulAdd(whole.Load(x + i + j), whole.Load(tables + j),
                                   whole.Load(tables + kMost + j))),
                    y + i + j);
      }
    }
    ForEachChannelVector(0, n - i, [&](auto access, size_t j) HWY_ATTR {
      access.Store(
          Activate<kActivation>(hn::MulAdd(access.Load(x + i + j),
                                           access.LoadAll(tables + j),
                                           access.LoadAll(tables + kMost + j))),
          y + i + j);
    });
    return;
  }
  size_t c = 0;
  for (; c + 4 * N <= channels; c += 4 * N) {
    PrologueColumns<kActivation, 4>(whole, rows, channels, c, x, scale, shift,
                                    y);
  }
  for (; c + 2 * N <= channels; c += 2 * N) {
    PrologueColumns<kActivation, 2>(whole, rows, channels, c, x, scale, shift,
                                    y);
  }
  ForEachChannelVector(c, channels, [&](auto access, size_t k) HWY_ATTR {
    PrologueColumns<kActivation, 1>(access, rows, channels, k, x, scale, shift,
                                    y);
  });
}

void PrologueRows(size_t rows, size_t channels, const float* x,
                  const Prologue& p, float* y) {
  switch (p.activation) {
    case Activation::kNone:
      return PrologueLoop<Activation::kNone>(rows, channels, x, p.scale,
                                             p.shift, y);
    case Activation::kRelu:
      return PrologueLoop<Activation::kRelu>(rows, channels, x, p.scale,
                                             p.shift, y);
    case Activation::kRelu6:
      return PrologueLoop<Activation::kRelu6>(rows, channels, x, p.scale,
                                              p.shift, y);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
