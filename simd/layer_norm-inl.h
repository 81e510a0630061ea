// Layer normalisation loops. Contract: layer_norm.h.
#if defined(TEMPER_SIMD_LAYER_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_LAYER_NORM_INL_H_
#undef TEMPER_SIMD_LAYER_NORM_INL_H_
#else
#define TEMPER_SIMD_LAYER_NORM_INL_H_
#endif

#include <cmath>
#include <cstddef>

#include "hwy/highway.h"
#include "simd/flush-inl.h"
#include "simd/lanes-inl.h"
#include "simd/sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// v, with +0 in the lanes that a part does not have.
HWY_INLINE hn::Vec<Lanes16> OnlyThere(FullAccess, hn::Vec<Lanes16> v) {
  return v;
}
HWY_INLINE hn::Vec<Lanes16> OnlyThere(PartAccess access, hn::Vec<Lanes16> v) {
  const Lanes16 d;
  return hn::IfThenElseZero(hn::FirstN(d, access.count), v);
}

void LayerNormRows(size_t begin, size_t end, size_t channels, const float* x,
                   const float* gamma, const float* beta, float eps,
                   float* mean, float* rstd, float* y) {
  const Lanes16 d;
  const float n = static_cast<float>(channels);
  for (size_t r = begin; r < end; ++r) {
    const float* from = x + r * channels;
    float* to = y + r * channels;
    const float m = SumToOne(channels,
                             [&](auto access, size_t i, auto sum) HWY_ATTR {
                               return hn::Add(access.Load(from + i), sum);
                             }) /
                    n;
    const auto v_mean = hn::Set(d, m);
    const float variance =
        SumToOne(channels,
                 [&](auto access, size_t i, auto sum) HWY_ATTR {
                   const auto v = OnlyThere(
                       access, hn::Sub(access.Load(from + i), v_mean));
                   return hn::MulAdd(v, v, sum);
                 }) /
        n;
    const float s = 1.0f / std::sqrt(variance + eps);
    mean[r] = m;
    rstd[r] = s;
    const auto v_rstd = hn::Set(d, s);
    ForEachVector(d, 0, channels, [&](auto access, size_t i) HWY_ATTR {
      const auto normal =
          hn::Mul(hn::Sub(access.Load(from + i), v_mean), v_rstd);
      access.Store(
          hn::MulAdd(normal, access.Load(gamma + i), access.Load(beta + i)),
          to + i);
    });
  }
}

void LayerNormBackwardRows(size_t begin, size_t end, size_t channels,
                           const float* x, const float* mean, const float* rstd,
                           const float* gamma, const float* dy, bool accumulate,
                           float* dx) {
  const Lanes16 d;
  const float n = static_cast<float>(channels);
  for (size_t r = begin; r < end; ++r) {
    const float* from = x + r * channels;
    const float* g = dy + r * channels;
    float* to = dx + r * channels;
    const auto v_mean = hn::Set(d, mean[r]);
    const auto v_rstd = hn::Set(d, rstd[r]);
    const float plain =
        SumToOne(channels,
                 [&](auto access, size_t i, auto sum) HWY_ATTR {
                   return hn::MulAdd(access.Load(g + i), access.Load(gamma + i),
                                     sum);
                 }) /
        n;
    // A part's g is +0 in the lanes that it does not have.
    const float product =
        SumToOne(channels,
                 [&](auto access, size_t i, auto sum) HWY_ATTR {
                   const auto normal =
                       hn::Mul(hn::Sub(access.Load(from + i), v_mean), v_rstd);
                   const auto scaled =
                       hn::Mul(access.Load(g + i), access.Load(gamma + i));
                   return hn::MulAdd(scaled, normal, sum);
                 }) /
        n;
    const auto v_plain = hn::Set(d, plain);
    const auto v_product = hn::Set(d, product);
    ForEachVector(d, 0, channels, [&](auto access, size_t i) HWY_ATTR {
      const auto normal =
          hn::Mul(hn::Sub(access.Load(from + i), v_mean), v_rstd);
      const auto scaled = hn::Mul(access.Load(g + i), access.Load(gamma + i));
      const auto rest =
          hn::NegMulAdd(normal, v_product, hn::Sub(scaled, v_plain));
      auto v = hn::Mul(rest, v_rstd);
      if (accumulate) v = hn::Add(access.Load(to + i), v);
      access.Store(FlushTiny(v), to + i);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
