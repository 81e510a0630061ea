// Element-by-element loops over [begin, end). Contract: elementwise.h.
// Philox here is the one of temper/random.h, a counter per 64-bit lane.
#ifndef TEMPER_SIMD_ELEMENTWISE_ONCE_
#define TEMPER_SIMD_ELEMENTWISE_ONCE_
#include <cstddef>
#include <cstdint>

namespace temper::simd {

// Up to this period, Normalize repeats mean and std in a buffer on the stack.
inline constexpr size_t kPatternPeriod = 16;
// Elements per step of Dropout: 16 counters.
inline constexpr size_t kDropoutBlock = 64;

struct DropoutArguments {
  float factor;
  uint32_t threshold;
  uint64_t seed;
  const uint64_t* sample_ids;
  uint32_t epoch, stream;
};

}  // namespace temper::simd
#endif  // TEMPER_SIMD_ELEMENTWISE_ONCE_

#if defined(TEMPER_SIMD_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_ELEMENTWISE_INL_H_
#undef TEMPER_SIMD_ELEMENTWISE_INL_H_
#else
#define TEMPER_SIMD_ELEMENTWISE_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/flush-inl.h"
#include "simd/lanes-inl.h"
#include "temper/random.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void AddRange(size_t begin, size_t end, const float* a, const float* b,
              float* y) {
  ForEachVector(Lanes16(), begin, end, [&](auto access, size_t i) HWY_ATTR {
    access.Store(hn::Add(access.Load(a + i), access.Load(b + i)), y + i);
  });
}

void FillRange(size_t begin, size_t end, float value, float* y) {
  const Lanes16 d;
  const auto v = hn::Set(d, value);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    access.Store(v, y + i);
  });
}

void ScaleRange(size_t begin, size_t end, float factor, const float* x,
                float* y) {
  const Lanes16 d;
  const auto v = hn::Set(d, factor);
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    access.Store(hn::Mul(access.Load(x + i), v), y + i);
  });
}

// Bytes become floats, exactly; floats stay, but for subnormal ones.
template <class Access>
HWY_INLINE hn::Vec<Lanes16> LoadAsFloat(Access access, const float* p) {
  return FlushTiny(access.Load(p), 0x1p-126f);
}
HWY_INLINE hn::Vec<Lanes16> LoadAsFloat(FullAccess, const uint8_t* p) {
  const Lanes16 d;
  const hn::Rebind<uint8_t, Lanes16> d8;
  const hn::Rebind<int32_t, Lanes16> d32;
  return hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, p)));
}
HWY_INLINE hn::Vec<Lanes16> LoadAsFloat(PartAccess access, const uint8_t* p) {
  HWY_ALIGN uint8_t bytes[16] = {};
  for (size_t i = 0; i < access.count; ++i) bytes[i] = p[i];
  return LoadAsFloat(FullAccess(), bytes);
}

template <class T>
void NormalizeLoop(size_t begin, size_t end, size_t period, const T* x,
                   float scale, const float* mean, const float* std, float* y) {
  const Lanes16 d;
  const auto v_scale = hn::Set(d, scale);
  if (period > kPatternPeriod) {
    // Long periods: contiguous pieces of mean and std.
    for (size_t first = begin; first < end;) {
      const size_t phase = first % period;
      const size_t left = period - phase;
      const size_t count = left < end - first ? left : end - first;
      ForEachVector(d, 0, count, [&](auto access, size_t i) HWY_ATTR {
        const auto v = LoadAsFloat(access, x + first + i);
        const auto m = access.Load(mean + phase + i);
        const auto s = access.Load(std + phase + i);
        access.Store(FlushTiny(hn::Div(hn::MulSub(v, v_scale, m), s)),
                     y + first + i);
      });
      first += count;
    }
    return;
  }
  // Short ones: repeated until they fill whole vectors.
  HWY_ALIGN float means[kPatternPeriod * 16];
  HWY_ALIGN float stds[kPatternPeriod * 16];
  const size_t length = period * 16;
  for (size_t i = 0, phase = begin % period; i < length; ++i) {
    means[i] = mean[phase];
    stds[i] = std[phase];
    if (++phase == period) phase = 0;
  }
  size_t at = 0;
  ForEachVector(d, begin, end, [&](auto access, size_t i) HWY_ATTR {
    const auto v = LoadAsFloat(access, x + i);
    const auto m = hn::Load(d, means + at);
    const auto s = hn::Load(d, stds + at);
    access.Store(FlushTiny(hn::Div(hn::MulSub(v, v_scale, m), s)), y + i);
    at += hn::Lanes(d);
    if (at == length) at = 0;
  });
}

void NormalizeU8Range(size_t begin, size_t end, size_t period, const uint8_t* x,
                      float scale, const float* mean, const float* std,
                      float* y) {
  NormalizeLoop(begin, end, period, x, scale, mean, std, y);
}

void NormalizeF32Range(size_t begin, size_t end, size_t period, const float* x,
                       float scale, const float* mean, const float* std,
                       float* y) {
  NormalizeLoop(begin, end, period, x, scale, mean, std, y);
}

// The round keys of one seed, widened to the lanes that use them.
struct PhiloxKeys {
  explicit PhiloxKeys(uint64_t seed) {
    uint32_t low = static_cast<uint32_t>(seed);
    uint32_t high = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      k0[round] = low;
      k1[round] = high;
      low += 0x9E3779B9u;
      high += 0xBB67AE85u;
    }
  }
  uint64_t k0[10], k1[10];
};

// words[4 * i + j] = word j of the counter (first + i, sample, epoch, stream),
// for i < count, rounded up to what the vectors give, at most
// kDropoutBlock / 4.
HWY_INLINE void PhiloxWords(const PhiloxKeys& keys, uint32_t first,
                            uint32_t sample, uint32_t epoch, uint32_t stream,
                            size_t count, uint32_t* HWY_RESTRICT words) {
#if HWY_TARGET == HWY_SCALAR
  const uint64_t seed = keys.k0[0] | keys.k1[0] << 32;
  for (size_t i = 0; i < count; ++i) {
    const auto word =
        Philox(seed, {first + static_cast<uint32_t>(i), sample, epoch, stream});
    for (size_t j = 0; j < 4; ++j) words[4 * i + j] = word[j];
  }
#else
  // Each counter word has a 64-bit lane; what its upper half holds does not
  // matter until the end, for MulEven reads the lower half only.
  const hn::Repartition<uint32_t, Lanes16> d32;
  const hn::Repartition<uint64_t, Lanes16> d64;
  const auto low = hn::Set(d64, 0xffffffffull);
  const auto m0 = hn::Set(d32, 0xD2511F53u);
  const auto m1 = hn::Set(d32, 0xCD9E8D57u);
  const auto iota = hn::Iota(d64, 0);
  for (size_t i = 0; i < count; i += hn::Lanes(d64)) {
    auto c0 = hn::Add(hn::Set(d64, uint64_t{first} + i), iota);
    auto c1 = hn::Set(d64, uint64_t{sample});
    auto c2 = hn::Set(d64, uint64_t{epoch});
    auto c3 = hn::Set(d64, uint64_t{stream});
    for (int round = 0; round < 10; ++round) {
      const auto p0 = hn::MulEven(hn::BitCast(d32, c0), m0);
      const auto p1 = hn::MulEven(hn::BitCast(d32, c2), m1);
      const auto high0 = hn::Xor(c3, hn::Set(d64, keys.k1[round]));
      const auto high1 = hn::Xor(c1, hn::Set(d64, keys.k0[round]));
      c0 = hn::Xor(hn::ShiftRight<32>(p1), high1);
      c2 = hn::Xor(hn::ShiftRight<32>(p0), high0);
      c1 = p1;
      c3 = p0;
    }
    const auto c01 = hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1));
    const auto c23 = hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3));
    hn::StoreInterleaved2(c01, c23, d64,
                          reinterpret_cast<uint64_t*>(words + 4 * i));
  }
#endif
}

// Blocks of kDropoutBlock elements, (n + kDropoutBlock - 1) / kDropoutBlock of
// them per row.
template <bool kAccumulate>
void DropoutLoop(size_t begin, size_t end, size_t n, const float* x,
                 const DropoutArguments& a, float* y) {
  const Lanes16 d;
  const hn::Rebind<uint32_t, Lanes16> du;
  const auto zero = hn::Zero(d);
  const auto factor = hn::Set(d, a.factor);
  const auto threshold = hn::Set(du, a.threshold);
  const PhiloxKeys keys(a.seed);
  HWY_ALIGN uint32_t words[kDropoutBlock];
  const size_t per_row = (n + kDropoutBlock - 1) / kDropoutBlock;
  size_t row = begin / per_row;
  size_t first = begin % per_row * kDropoutBlock;
  for (size_t block = begin; block < end; ++block) {
    const size_t count = n - first < kDropoutBlock ? n - first : kDropoutBlock;
    PhiloxWords(keys, static_cast<uint32_t>(first / 4),
                static_cast<uint32_t>(a.sample_ids[row]), a.epoch, a.stream,
                (count + 3) / 4, words);
    const float* x_block = x + row * n + first;
    float* y_block = y + row * n + first;
    ForEachVector(d, 0, count, [&](auto access, size_t i) HWY_ATTR {
      const auto word = hn::Load(du, words + i);
      const auto dropped = hn::RebindMask(d, hn::Lt(word, threshold));
      const auto v = access.Load(x_block + i);
      if constexpr (kAccumulate) {
        const auto old = access.Load(y_block + i);
        access.Store(hn::IfThenElse(dropped, old, hn::MulAdd(v, factor, old)),
                     y_block + i);
      } else {
        access.Store(hn::IfThenElse(dropped, zero, hn::Mul(v, factor)),
                     y_block + i);
      }
    });
    first += kDropoutBlock;
    if (first >= n) first = 0, ++row;
  }
}

void DropoutRange(size_t begin, size_t end, size_t n, const float* x,
                  const DropoutArguments& a, bool accumulate, float* y) {
  accumulate ? DropoutLoop<true>(begin, end, n, x, a, y)
             : DropoutLoop<false>(begin, end, n, x, a, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
