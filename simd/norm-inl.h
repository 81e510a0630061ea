// Batch normalisation loops. Contract: norm.h. Helpers: channels-inl.h.
#if defined(TEMPER_SIMD_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_NORM_INL_H_
#undef TEMPER_SIMD_NORM_INL_H_
#else
#define TEMPER_SIMD_NORM_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/channels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Channels whose statistics one task takes: kChunkUnit rows of them stay in the
// second-level cache between the two passes. The same on every target.
inline constexpr size_t kStatsBlock = 128;

// Folds (n_b, mean_b, m2_b) into (n_a, mean_a, m2_a) by Chan's formula. Whole
// vectors: the partial results are padded to 16 floats.
void MergeStats(size_t count, float n_a, float* HWY_RESTRICT mean_a,
                float* HWY_RESTRICT m2_a, float n_b,
                const float* HWY_RESTRICT mean_b,
                const float* HWY_RESTRICT m2_b) {
  const Lanes16 d;
  const float share = n_b / (n_a + n_b);
  const auto v_share = hn::Set(d, share);
  const auto v_weight = hn::Set(d, n_a * share);
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    const auto mean = hn::LoadU(d, mean_a + j);
    const auto delta = hn::Sub(hn::LoadU(d, mean_b + j), mean);
    hn::StoreU(hn::MulAdd(delta, v_share, mean), d, mean_a + j);
    const auto m2 = hn::Add(hn::LoadU(d, m2_a + j), hn::LoadU(d, m2_b + j));
    hn::StoreU(hn::MulAdd(hn::Mul(delta, delta), v_weight, m2), d, m2_a + j);
  }
}

// Mean less pivot, and sum of squared deviations from the mean, of `rows` rows
// of `count` <= kStatsBlock channels (row stride `stride`), written to padded
// mean and m2. The pivot, one value per channel near the others, keeps channels
// accurate whose mean is far larger than their spread: without it the rounding
// of the units' means would show in the variance when they are merged.
void ChunkStats(size_t rows, size_t stride, size_t count,
                const float* HWY_RESTRICT x, const float* HWY_RESTRICT pivot,
                float* HWY_RESTRICT mean, float* HWY_RESTRICT m2) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  HWY_ALIGN float unit_mean[kStatsBlock];
  HWY_ALIGN float unit_m2[kStatsBlock];
  for (size_t begin = 0; begin < rows; begin += kChunkUnit) {
    const size_t n = rows - begin < kChunkUnit ? rows - begin : kChunkUnit;
    const float* HWY_RESTRICT unit = x + begin * stride;
    float* HWY_RESTRICT to_mean = begin == 0 ? mean : unit_mean;
    float* HWY_RESTRICT to_m2 = begin == 0 ? m2 : unit_m2;
    for (size_t j = 0; j < count; j += N) {
      hn::StoreU(hn::Zero(d), d, to_mean + j);
      hn::StoreU(hn::Zero(d), d, to_m2 + j);
    }
    ReduceRows(n, stride, count, to_mean,
               [&](auto access, VecF acc, size_t i, size_t j) HWY_ATTR {
                 return hn::Add(acc, hn::Sub(access.Load(unit + i),
                                             access.Load(pivot + j)));
               });
    const auto v_n = hn::Set(d, static_cast<float>(n));
    for (size_t j = 0; j < count; j += N) {
      hn::StoreU(hn::Div(hn::LoadU(d, to_mean + j), v_n), d, to_mean + j);
    }
    ReduceRows(n, stride, count, to_m2,
               [&](auto access, VecF acc, size_t i, size_t j) HWY_ATTR {
                 const auto shifted =
                     hn::Sub(access.Load(unit + i), access.Load(pivot + j));
                 const auto delta = hn::Sub(shifted, hn::LoadU(d, to_mean + j));
                 return hn::MulAdd(delta, delta, acc);
               });
    if (begin != 0) {
      MergeStats(count, static_cast<float>(begin), mean, m2,
                 static_cast<float>(n), unit_mean, unit_m2);
    }
  }
}

// mean = partial mean + pivot, variance = m2 / rows.
void FinishStats(size_t channels, size_t rows, const float* HWY_RESTRICT pivot,
                 const float* HWY_RESTRICT partial_mean,
                 const float* HWY_RESTRICT partial_m2, float* HWY_RESTRICT mean,
                 float* HWY_RESTRICT variance) {
  const Lanes16 d;
  const auto v_n = hn::Set(d, static_cast<float>(rows));
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    access.Store(
        hn::Add(access.Load(pivot + c), hn::LoadU(d, partial_mean + c)),
        mean + c);
    access.Store(hn::Div(hn::LoadU(d, partial_m2 + c), v_n), variance + c);
  });
}

void Coefficients(size_t channels, const float* HWY_RESTRICT mean,
                  const float* HWY_RESTRICT variance,
                  const float* HWY_RESTRICT gamma,
                  const float* HWY_RESTRICT beta, float eps, float* rstd,
                  float* HWY_RESTRICT scale, float* HWY_RESTRICT shift) {
  const Lanes16 d;
  const auto one = hn::Set(d, 1.0f);
  const auto v_eps = hn::Set(d, eps);
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    const auto r =
        hn::Div(one, hn::Sqrt(hn::Add(access.Load(variance + c), v_eps)));
    const auto s = hn::Mul(access.Load(gamma + c), r);
    const auto b =
        hn::NegMulAdd(access.Load(mean + c), s, access.Load(beta + c));
    if (rstd != nullptr) access.Store(r, rstd + c);
    access.Store(s, scale + c);
    access.Store(b, shift + c);
  });
}

void RunningStats(size_t channels, float momentum, float variance_factor,
                  const float* HWY_RESTRICT mean,
                  const float* HWY_RESTRICT variance,
                  float* HWY_RESTRICT running_mean,
                  float* HWY_RESTRICT running_variance) {
  const Lanes16 d;
  const auto v_momentum = hn::Set(d, momentum);
  const auto v_factor = hn::Set(d, variance_factor);
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    const auto m = access.Load(running_mean + c);
    const auto v = access.Load(running_variance + c);
    const auto unbiased = hn::Mul(access.Load(variance + c), v_factor);
    access.Store(hn::MulAdd(v_momentum, hn::Sub(access.Load(mean + c), m), m),
                 running_mean + c);
    access.Store(hn::MulAdd(v_momentum, hn::Sub(unbiased, v), v),
                 running_variance + c);
  });
}

void ScaleShiftRows(size_t begin, size_t end, size_t channels, const float* x,
                    const float* HWY_RESTRICT scale,
                    const float* HWY_RESTRICT shift, float* y) {
  const Lanes16 d;
  ForEachRowVector<2>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          access.Store(access.Load(scale + first + j), tables + j);
          access.Store(access.Load(shift + first + j),
                       tables + kTableLength + j);
        });
      },
      [&](auto access, size_t i, const float* table) HWY_ATTR {
        access.Store(hn::MulAdd(access.Load(x + i), hn::Load(d, table),
                                hn::Load(d, table + kTableLength)),
                     y + i);
      });
}

// Adds one chunk's sums to padded, zeroed dbeta and product (dy * (x - mean)).
void ChunkSums(size_t rows, size_t stride, size_t count,
               const float* HWY_RESTRICT x, const float* HWY_RESTRICT dy,
               const float* HWY_RESTRICT mean, float* HWY_RESTRICT product,
               float* HWY_RESTRICT dbeta) {
  // Both sums read dy while it is in the first-level cache.
  const size_t tile = 8 + 2048 / count;
  for (size_t begin = 0; begin < rows; begin += tile) {
    const size_t n = rows - begin < tile ? rows - begin : tile;
    const float* HWY_RESTRICT x0 = x + begin * stride;
    const float* HWY_RESTRICT dy0 = dy + begin * stride;
    ReduceRows(n, stride, count, dbeta,
               [&](auto access, VecF acc, size_t i, size_t)
                   HWY_ATTR { return hn::Add(acc, access.Load(dy0 + i)); });
    ReduceRows(n, stride, count, product,
               [&](auto access, VecF acc, size_t i, size_t j) HWY_ATTR {
                 const auto centred =
                     hn::Sub(access.Load(x0 + i), access.Load(mean + j));
                 return hn::MulAdd(access.Load(dy0 + i), centred, acc);
               });
  }
}

// a += b over padded partial sums.
void AddPartial(size_t count, float* HWY_RESTRICT a,
                const float* HWY_RESTRICT b) {
  const Lanes16 d;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    hn::StoreU(hn::Add(hn::LoadU(d, a + j), hn::LoadU(d, b + j)), d, a + j);
  }
}

void FinishSums(size_t channels, const float* HWY_RESTRICT product,
                const float* HWY_RESTRICT sum, const float* HWY_RESTRICT rstd,
                float* HWY_RESTRICT dgamma, float* HWY_RESTRICT dbeta) {
  const Lanes16 d;
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    access.Store(hn::Mul(hn::LoadU(d, product + c), access.Load(rstd + c)),
                 dgamma + c);
    access.Store(hn::LoadU(d, sum + c), dbeta + c);
  });
}

// dx = a * ((dy - b) - (x - mean) * c) with a = gamma * rstd, b = dbeta / rows,
// c = rstd * (dgamma / rows).
template <bool kAccumulate>
void BackwardLoop(size_t begin, size_t end, size_t rows, size_t channels,
                  const float* HWY_RESTRICT x, const float* dy,
                  const float* HWY_RESTRICT mean,
                  const float* HWY_RESTRICT rstd,
                  const float* HWY_RESTRICT gamma,
                  const float* HWY_RESTRICT dgamma,
                  const float* HWY_RESTRICT dbeta, float* dx) {
  const Lanes16 d;
  ForEachRowVector<4>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        const auto v_n = hn::Set(d, static_cast<float>(rows));
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          const size_t c = first + j;
          float* table = tables + j;
          const auto r = access.Load(rstd + c);
          access.Store(hn::Mul(access.Load(gamma + c), r), table);
          access.Store(hn::Div(access.Load(dbeta + c), v_n),
                       table + kTableLength);
          access.Store(hn::Mul(r, hn::Div(access.Load(dgamma + c), v_n)),
                       table + 2 * kTableLength);
          access.Store(access.Load(mean + c), table + 3 * kTableLength);
        });
      },
      [&](auto access, size_t i, const float* table) HWY_ATTR {
        const auto a = hn::Load(d, table);
        const auto centred =
            hn::Sub(access.Load(x + i), hn::Load(d, table + 3 * kTableLength));
        const auto rest =
            hn::Sub(access.Load(dy + i), hn::Load(d, table + kTableLength));
        const auto g =
            hn::NegMulAdd(centred, hn::Load(d, table + 2 * kTableLength), rest);
        if constexpr (kAccumulate) {
          access.Store(hn::MulAdd(a, g, access.Load(dx + i)), dx + i);
        } else {
          access.Store(hn::Mul(a, g), dx + i);
        }
      });
}

void BackwardRows(size_t begin, size_t end, size_t rows, size_t channels,
                  const float* x, const float* dy, const float* mean,
                  const float* rstd, const float* gamma, const float* dgamma,
                  const float* dbeta, bool accumulate, float* dx) {
  if (accumulate) {
    BackwardLoop<true>(begin, end, rows, channels, x, dy, mean, rstd, gamma,
                       dgamma, dbeta, dx);
  } else {
    BackwardLoop<false>(begin, end, rows, channels, x, dy, mean, rstd, gamma,
                        dgamma, dbeta, dx);
  }
}

template <bool kAccumulate>
void ScaleBackwardLoop(size_t begin, size_t end, size_t channels,
                       const float* dy, const float* HWY_RESTRICT scale,
                       float* dx) {
  const Lanes16 d;
  ForEachRowVector<1>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          access.Store(access.Load(scale + first + j), tables + j);
        });
      },
      [&](auto access, size_t i, const float* table) HWY_ATTR {
        const auto factor = hn::Load(d, table);
        if constexpr (kAccumulate) {
          access.Store(
              hn::MulAdd(access.Load(dy + i), factor, access.Load(dx + i)),
              dx + i);
        } else {
          access.Store(hn::Mul(access.Load(dy + i), factor), dx + i);
        }
      });
}

void ScaleBackwardRows(size_t begin, size_t end, size_t channels,
                       const float* dy, const float* scale, bool accumulate,
                       float* dx) {
  if (accumulate) {
    ScaleBackwardLoop<true>(begin, end, channels, dy, scale, dx);
  } else {
    ScaleBackwardLoop<false>(begin, end, channels, dy, scale, dx);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
