// Optimizer updates, one loop each. Contract: update.h.
#if defined(TEMPER_SIMD_UPDATE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_UPDATE_INL_H_
#undef TEMPER_SIMD_UPDATE_INL_H_
#else
#define TEMPER_SIMD_UPDATE_INL_H_
#endif

#include <cmath>

#include "hwy/highway.h"
#include "simd/flush-inl.h"
#include "simd/lanes-inl.h"
#include "simd/update.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kScaled, bool kMomentum, bool kNesterov>
bool SgdLoop(size_t begin, size_t end, const SgdStep& s,
             const float* HWY_RESTRICT g, float* HWY_RESTRICT w,
             float* HWY_RESTRICT v) {
  const Lanes16 d;
  const auto v_lr = hn::Set(d, -s.lr);
  const auto v_momentum = hn::Set(d, s.momentum);
  const auto v_decay = hn::Set(d, s.decay);
  const auto v_scale = hn::Set(d, s.scale);
  // Finite values add zero here; NaN and infinity make it NaN: x * 0 is NaN.
  // The new weight covers the velocity: it is finite only if the velocity is.
  auto poison = hn::Zero(d);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto weight = access.Load(w + i);
    auto given = access.Load(g + i);
    if constexpr (kScaled) given = hn::Mul(v_scale, given);
    const auto gradient = hn::MulAdd(v_decay, weight, given);
    auto step = gradient;
    if constexpr (kMomentum) {
      const auto velocity =
          FlushTiny(hn::MulAdd(v_momentum, access.Load(v + i), gradient));
      access.Store(velocity, v + i);
      step = kNesterov ? hn::MulAdd(v_momentum, velocity, gradient) : velocity;
    }
    const auto updated = FlushTiny(hn::MulAdd(v_lr, step, weight));
    access.Store(updated, w + i);
    poison = hn::MulAdd(updated, zero, poison);
  });
  return !hn::AllTrue(d, hn::Eq(poison, zero));
}

template <bool kScaled>
bool SgdScaled(size_t begin, size_t end, const SgdStep& s, const float* g,
               float* w, float* v) {
  if (v == nullptr)
    return SgdLoop<kScaled, false, false>(begin, end, s, g, w, v);
  return s.nesterov ? SgdLoop<kScaled, true, true>(begin, end, s, g, w, v)
                    : SgdLoop<kScaled, true, false>(begin, end, s, g, w, v);
}

bool SgdRange(size_t begin, size_t end, const SgdStep& s, const float* g,
              float* w, float* v) {
  return s.scale == 1.0f ? SgdScaled<false>(begin, end, s, g, w, v)
                         : SgdScaled<true>(begin, end, s, g, w, v);
}

// Gradients below this do not count in a mean of squares with `rest` as the
// share of the newest: their part would be subnormal.
inline float LeastGradient(float rest) { return 0x1p-62f / std::sqrt(rest); }

// x / divisor, and 0 where `squares` is 0: no gradient so far has counted, and
// the divisor is eps alone, which may be anything.
template <class V>
HWY_INLINE V StepBy(V x, V divisor, V squares) {
  const hn::DFromV<V> d;
  return hn::IfThenZeroElse(hn::Eq(squares, hn::Zero(d)), hn::Div(x, divisor));
}

template <bool kCentered, bool kMomentum>
bool RmspropLoop(size_t begin, size_t end, const RmspropStep& s,
                 const float* HWY_RESTRICT g, float* HWY_RESTRICT w,
                 float* HWY_RESTRICT v, float* HWY_RESTRICT m,
                 float* HWY_RESTRICT b) {
  const Lanes16 d;
  const auto v_lr = hn::Set(d, -s.lr);
  const auto v_alpha = hn::Set(d, s.alpha);
  const auto v_rest = hn::Set(d, 1.0f - s.alpha);
  const float least = LeastGradient(1.0f - s.alpha);
  const auto v_eps = hn::Set(d, s.eps);
  const auto v_momentum = hn::Set(d, s.momentum);
  const auto v_decay = hn::Set(d, s.decay);
  const auto v_scale = hn::Set(d, s.scale);
  auto poison = hn::Zero(d);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto weight = access.Load(w + i);
    // Times 1 is exact.
    const auto gradient =
        hn::MulAdd(v_decay, weight, hn::Mul(v_scale, access.Load(g + i)));
    const auto counted = FlushTiny(gradient, least);
    const auto square = hn::Mul(counted, counted);
    const auto mean_square = FlushTiny(
        hn::MulAdd(v_rest, square, hn::Mul(v_alpha, access.Load(v + i))),
        kTinySquare);
    access.Store(mean_square, v + i);
    auto under_root = mean_square;
    if constexpr (kCentered) {
      const auto old = access.Load(m + i);
      const auto mean =
          FlushTiny(hn::MulAdd(v_rest, hn::Sub(gradient, old), old));
      access.Store(mean, m + i);
      under_root = hn::Max(hn::NegMulAdd(mean, mean, mean_square), zero);
    }
    auto step =
        StepBy(gradient, hn::Add(hn::Sqrt(under_root), v_eps), mean_square);
    if constexpr (kMomentum) {
      step = FlushTiny(hn::MulAdd(v_momentum, access.Load(b + i), step));
      access.Store(step, b + i);
    }
    const auto updated = FlushTiny(hn::MulAdd(v_lr, step, weight));
    access.Store(updated, w + i);
    // An infinite mean square makes a step of 0, so it is checked by itself.
    poison = hn::MulAdd(updated, zero, poison);
    poison = hn::MulAdd(mean_square, zero, poison);
  });
  return !hn::AllTrue(d, hn::Eq(poison, zero));
}

bool RmspropRange(size_t begin, size_t end, const RmspropStep& s,
                  const float* g, float* w, float* v, float* m, float* b) {
  if (m == nullptr) {
    return b == nullptr
               ? RmspropLoop<false, false>(begin, end, s, g, w, v, m, b)
               : RmspropLoop<false, true>(begin, end, s, g, w, v, m, b);
  }
  return b == nullptr ? RmspropLoop<true, false>(begin, end, s, g, w, v, m, b)
                      : RmspropLoop<true, true>(begin, end, s, g, w, v, m, b);
}

bool MomentumRange(size_t begin, size_t end, const MomentumStep& s,
                   const float* HWY_RESTRICT g, float* HWY_RESTRICT w,
                   float* HWY_RESTRICT v) {
  const Lanes16 d;
  const auto v_lr = hn::Set(d, -s.lr);
  const auto v_momentum = hn::Set(d, s.momentum);
  const auto v_decay = hn::Set(d, s.decay);
  const auto v_scale = hn::Set(d, s.scale);
  auto poison = hn::Zero(d);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto weight = access.Load(w + i);
    const auto gradient =
        hn::MulAdd(v_decay, weight, hn::Mul(v_scale, access.Load(g + i)));
    const auto velocity = FlushTiny(
        hn::MulAdd(v_lr, gradient, hn::Mul(v_momentum, access.Load(v + i))));
    access.Store(velocity, v + i);
    const auto updated = FlushTiny(hn::Add(weight, velocity));
    access.Store(updated, w + i);
    poison = hn::MulAdd(updated, zero, poison);
  });
  return !hn::AllTrue(d, hn::Eq(poison, zero));
}

bool AdagradRange(size_t begin, size_t end, const AdagradStep& s,
                  const float* HWY_RESTRICT g, float* HWY_RESTRICT w,
                  float* HWY_RESTRICT sum) {
  const Lanes16 d;
  const auto v_lr = hn::Set(d, -s.lr);
  const auto v_eps = hn::Set(d, s.eps);
  const auto v_initial = hn::Set(d, s.initial);
  const float least = LeastGradient(1.0f);
  const auto v_decay = hn::Set(d, s.decay);
  const auto v_scale = hn::Set(d, s.scale);
  auto poison = hn::Zero(d);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto weight = access.Load(w + i);
    const auto gradient =
        hn::MulAdd(v_decay, weight, hn::Mul(v_scale, access.Load(g + i)));
    const auto counted = FlushTiny(gradient, least);
    const auto squares = FlushTiny(
        hn::MulAdd(counted, counted, access.Load(sum + i)), kTinySquare);
    access.Store(squares, sum + i);
    const auto all = hn::Add(v_initial, squares);
    const auto step = StepBy(gradient, hn::Add(hn::Sqrt(all), v_eps), all);
    const auto updated = FlushTiny(hn::MulAdd(v_lr, step, weight));
    access.Store(updated, w + i);
    // An infinite sum makes a step of 0: it must be seen by itself.
    poison = hn::MulAdd(updated, zero, poison);
    poison = hn::MulAdd(squares, zero, poison);
  });
  return !hn::AllTrue(d, hn::Eq(poison, zero));
}

template <bool kMax>
bool AdamLoop(size_t begin, size_t end, const AdamStep& s,
              const float* HWY_RESTRICT g, float* HWY_RESTRICT w,
              float* HWY_RESTRICT m, float* HWY_RESTRICT v,
              float* HWY_RESTRICT h) {
  const Lanes16 d;
  const auto v_lr = hn::Set(d, -s.lr);
  const auto v_rest1 = hn::Set(d, s.beta1_rest);
  const auto v_beta2 = hn::Set(d, s.beta2);
  const auto v_rest2 = hn::Set(d, s.beta2_rest);
  const auto v_eps = hn::Set(d, s.eps);
  const auto v_decay = hn::Set(d, s.decay);
  const auto v_keep = hn::Set(d, s.keep);
  const auto v_root = hn::Set(d, s.root);
  const float least = LeastGradient(s.beta2_rest);
  const auto v_scale = hn::Set(d, s.scale);
  auto poison = hn::Zero(d);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto weight = access.Load(w + i);
    const auto gradient =
        hn::MulAdd(v_decay, weight, hn::Mul(v_scale, access.Load(g + i)));
    const auto old = access.Load(m + i);
    const auto mean =
        FlushTiny(hn::MulAdd(v_rest1, hn::Sub(gradient, old), old));
    access.Store(mean, m + i);
    const auto counted = FlushTiny(gradient, least);
    const auto square = hn::Mul(counted, counted);
    const auto mean_square = FlushTiny(
        hn::MulAdd(v_rest2, square, hn::Mul(v_beta2, access.Load(v + i))),
        kTinySquare);
    access.Store(mean_square, v + i);
    auto under_root = mean_square;
    if constexpr (kMax) {
      under_root = hn::Max(access.Load(h + i), mean_square);
      access.Store(under_root, h + i);
    }
    const auto divisor = hn::MulAdd(hn::Sqrt(under_root), v_root, v_eps);
    const auto step = StepBy(mean, divisor, under_root);
    const auto updated =
        FlushTiny(hn::MulAdd(v_lr, step, hn::Mul(v_keep, weight)));
    access.Store(updated, w + i);
    poison = hn::MulAdd(updated, zero, poison);
    poison = hn::MulAdd(mean_square, zero, poison);
  });
  return !hn::AllTrue(d, hn::Eq(poison, zero));
}

bool AdamRange(size_t begin, size_t end, const AdamStep& s, const float* g,
               float* w, float* m, float* v, float* h) {
  return h == nullptr ? AdamLoop<false>(begin, end, s, g, w, m, v, h)
                      : AdamLoop<true>(begin, end, s, g, w, m, v, h);
}

void SoftThresholdRange(size_t begin, size_t end, float threshold,
                        float* HWY_RESTRICT w) {
  const Lanes16 d;
  const auto by = hn::Set(d, threshold);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto x = access.Load(w + i);
    const auto size = FlushTiny(hn::Max(hn::Sub(hn::Abs(x), by), zero));
    // 0 has no sign; NaN stays.
    const auto small = hn::Le(hn::Abs(x), by);
    access.Store(
        hn::IfThenElse(small, zero,
                       hn::IfThenElse(hn::IsNaN(x), x, hn::CopySign(size, x))),
        w + i);
  });
}

bool ClampRange(size_t begin, size_t end, float scale, float most,
                float* HWY_RESTRICT x) {
  const Lanes16 d;
  const auto by = hn::Set(d, scale);
  const auto high = hn::Set(d, most), low = hn::Set(d, -most);
  auto cut = hn::Zero(d);
  const auto one = hn::Set(d, 1.0f);
  const auto zero = hn::Zero(d);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    auto value = hn::Mul(by, access.Load(x + i));
    const auto above = hn::Gt(value, high), below = hn::Lt(value, low);
    cut = hn::IfThenElse(hn::Or(above, below), one, cut);
    value = hn::IfThenElse(above, high, hn::IfThenElse(below, low, value));
    access.Store(value, x + i);
  });
  return !hn::AllTrue(d, hn::Eq(cut, zero));
}

void MoveTowardRange(size_t begin, size_t end, float rest,
                     const float* HWY_RESTRICT x, float* HWY_RESTRICT average) {
  const Lanes16 d;
  const auto by = hn::Set(d, rest);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto old = access.Load(average + i);
    const auto step = hn::Sub(access.Load(x + i), old);
    access.Store(FlushTiny(hn::MulAdd(by, step, old)), average + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
