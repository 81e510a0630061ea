// Batch normalisation loops. Contract: norm.h. Helpers: channels-inl.h.
//
// Sums walk rows with one chain per channel; element-wise passes walk the
// matrix flat with the coefficients in small tables on the stack (8 KiB at
// most). Partial results are padded to 16 floats, so that whole vectors may
// touch them. Next: norm.cc splits rows and channels over threads and combines
// the chunks.
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

// Mean less pivot, and sum of squared deviations from the mean, of one unit:
// `rows` <= kChunkUnit rows of `count` <= kStatsBlock channels (row stride
// `stride`), written to padded mean and m2. The pivot, one value per channel
// near the others, keeps channels accurate whose mean is far larger than their
// spread: without it the rounding of the units' means would show in the
// variance when they are merged.
void UnitStats(size_t rows, size_t stride, size_t count,
               const float* HWY_RESTRICT x, const float* HWY_RESTRICT pivot,
               float* HWY_RESTRICT mean, float* HWY_RESTRICT m2) {
  const Lanes16 d;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    hn::StoreU(hn::Zero(d), d, mean + j);
    hn::StoreU(hn::Zero(d), d, m2 + j);
  }
  ReduceRows(rows, stride, count, mean,
             [&](auto access, auto acc, size_t i, size_t j) HWY_ATTR {
               return hn::Add(
                   acc, hn::Sub(access.Load(x + i), access.Load(pivot + j)));
             });
  const auto v_n = hn::Set(d, static_cast<float>(rows));
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    hn::StoreU(hn::Div(hn::LoadU(d, mean + j), v_n), d, mean + j);
  }
  ReduceRows(rows, stride, count, m2,
             [&](auto access, auto acc, size_t i, size_t j) HWY_ATTR {
               const auto shifted =
                   hn::Sub(access.Load(x + i), access.Load(pivot + j));
               const auto delta = hn::Sub(shifted, access.LoadAll(mean + j));
               return hn::MulAdd(delta, delta, acc);
             });
}

// UnitStats of four full units that follow each other, side by side: with few
// channels one unit alone is one chain, which waits for its additions. Results
// of unit u go to mean and m2 + u * kStatsBlock.
void FourUnitStats(size_t stride, size_t count, const float* HWY_RESTRICT x,
                   const float* HWY_RESTRICT pivot, float* HWY_RESTRICT mean,
                   float* HWY_RESTRICT m2) {
  const size_t step = kChunkUnit * stride;
  ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
    const auto p = access.Load(pivot + j);
    auto a0 = access.Zero(), a1 = a0, a2 = a0, a3 = a0;
    const float* HWY_RESTRICT from = x + j;
    for (size_t r = 0; r < kChunkUnit; ++r, from += stride) {
      a0 = hn::Add(a0, hn::Sub(access.Load(from), p));
      a1 = hn::Add(a1, hn::Sub(access.Load(from + step), p));
      a2 = hn::Add(a2, hn::Sub(access.Load(from + 2 * step), p));
      a3 = hn::Add(a3, hn::Sub(access.Load(from + 3 * step), p));
    }
    const auto n = access.Set(static_cast<float>(kChunkUnit));
    const auto m0 = hn::Div(a0, n), m1 = hn::Div(a1, n);
    const auto m_2 = hn::Div(a2, n), m3 = hn::Div(a3, n);
    a0 = access.Zero(), a1 = a0, a2 = a0, a3 = a0;
    from = x + j;
    for (size_t r = 0; r < kChunkUnit; ++r, from += stride) {
      const auto d0 = hn::Sub(hn::Sub(access.Load(from), p), m0);
      const auto d1 = hn::Sub(hn::Sub(access.Load(from + step), p), m1);
      const auto d2 = hn::Sub(hn::Sub(access.Load(from + 2 * step), p), m_2);
      const auto d3 = hn::Sub(hn::Sub(access.Load(from + 3 * step), p), m3);
      a0 = hn::MulAdd(d0, d0, a0);
      a1 = hn::MulAdd(d1, d1, a1);
      a2 = hn::MulAdd(d2, d2, a2);
      a3 = hn::MulAdd(d3, d3, a3);
    }
    access.StoreAll(m0, mean + j);
    access.StoreAll(m1, mean + kStatsBlock + j);
    access.StoreAll(m_2, mean + 2 * kStatsBlock + j);
    access.StoreAll(m3, mean + 3 * kStatsBlock + j);
    access.StoreAll(a0, m2 + j);
    access.StoreAll(a1, m2 + kStatsBlock + j);
    access.StoreAll(a2, m2 + 2 * kStatsBlock + j);
    access.StoreAll(a3, m2 + 3 * kStatsBlock + j);
  });
}

// One chunk: its units merged in ascending order.
void ChunkStats(size_t rows, size_t stride, size_t count,
                const float* HWY_RESTRICT x, const float* HWY_RESTRICT pivot,
                float* HWY_RESTRICT mean, float* HWY_RESTRICT m2) {
  const size_t N = hn::Lanes(Lanes16());
  HWY_ALIGN float unit_mean[4 * kStatsBlock];
  HWY_ALIGN float unit_m2[4 * kStatsBlock];
  for (size_t begin = 0; begin < rows;) {
    size_t units = 1;
    size_t n = rows - begin < kChunkUnit ? rows - begin : kChunkUnit;
    if (begin == 0) {
      UnitStats(n, stride, count, x, pivot, mean, m2);
      begin = n;
      continue;
    }
    const float* HWY_RESTRICT from = x + begin * stride;
    if (count < 4 * N && rows - begin >= 4 * kChunkUnit) {
      units = 4;
      FourUnitStats(stride, count, from, pivot, unit_mean, unit_m2);
    } else {
      UnitStats(n, stride, count, from, pivot, unit_mean, unit_m2);
    }
    for (size_t u = 0; u < units; ++u, begin += n) {
      MergeStats(count, static_cast<float>(begin), mean, m2,
                 static_cast<float>(n), unit_mean + u * kStatsBlock,
                 unit_m2 + u * kStatsBlock);
    }
  }
}

// mean = partial mean + pivot, variance = m2 / rows.
void FinishStats(size_t channels, size_t rows, const float* HWY_RESTRICT pivot,
                 const float* HWY_RESTRICT partial_mean,
                 const float* HWY_RESTRICT partial_m2, float* HWY_RESTRICT mean,
                 float* HWY_RESTRICT variance) {
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    access.Store(
        hn::Add(access.Load(pivot + c), access.LoadAll(partial_mean + c)),
        mean + c);
    access.Store(hn::Div(access.LoadAll(partial_m2 + c),
                         access.Set(static_cast<float>(rows))),
                 variance + c);
  });
}

void Coefficients(size_t channels, const float* HWY_RESTRICT mean,
                  const float* HWY_RESTRICT variance,
                  const float* HWY_RESTRICT gamma,
                  const float* HWY_RESTRICT beta, float eps, float* rstd,
                  float* HWY_RESTRICT scale, float* HWY_RESTRICT shift) {
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    const auto r =
        hn::Div(access.Set(1.0f),
                hn::Sqrt(hn::Add(access.Load(variance + c), access.Set(eps))));
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
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    const auto v_momentum = access.Set(momentum);
    const auto v_factor = access.Set(variance_factor);
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
        access.Store(hn::MulAdd(access.Load(x + i), access.LoadAll(table),
                                access.LoadAll(table + kTableLength)),
                     y + i);
      });
}

// Rows whose sums start from +0 before they join the chunk's: norm.h says why.
inline constexpr size_t kSumTile = 24;
static_assert(kChunkUnit % kSumTile == 0);

// Adds one chunk's sums to padded, zeroed dbeta and product (dy * (x - mean)):
// dy is read once for both.
void ChunkSums(size_t rows, size_t stride, size_t count,
               const float* HWY_RESTRICT x, const float* HWY_RESTRICT dy,
               const float* HWY_RESTRICT mean, float* HWY_RESTRICT product,
               float* HWY_RESTRICT dbeta) {
  const WholeVector<Lanes16> full;
  const size_t N = hn::Lanes(Lanes16());
  for (size_t begin = 0; begin < rows; begin += kSumTile) {
    const size_t end = rows - begin < kSumTile ? rows : begin + kSumTile;
    size_t j = 0;
    for (; j + 2 * N <= count; j += 2 * N) {
      auto b0 = full.Zero(), b1 = b0, p0 = b0, p1 = b0;
      const auto m0 = full.Load(mean + j), m1 = full.Load(mean + j + N);
      for (size_t r = begin; r < end; ++r) {
        const size_t i = r * stride + j;
        const auto g0 = full.Load(dy + i), g1 = full.Load(dy + i + N);
        b0 = hn::Add(b0, g0);
        b1 = hn::Add(b1, g1);
        p0 = hn::MulAdd(g0, hn::Sub(full.Load(x + i), m0), p0);
        p1 = hn::MulAdd(g1, hn::Sub(full.Load(x + i + N), m1), p1);
      }
      full.StoreAll(hn::Add(full.LoadAll(dbeta + j), b0), dbeta + j);
      full.StoreAll(hn::Add(full.LoadAll(dbeta + j + N), b1), dbeta + j + N);
      full.StoreAll(hn::Add(full.LoadAll(product + j), p0), product + j);
      full.StoreAll(hn::Add(full.LoadAll(product + j + N), p1),
                    product + j + N);
    }
    ForEachChannelVector(j, count, [&](auto access, size_t k) HWY_ATTR {
      auto b = access.Zero(), p = b;
      const auto m = access.Load(mean + k);
      for (size_t r = begin; r < end; ++r) {
        const size_t i = r * stride + k;
        const auto g = access.Load(dy + i);
        b = hn::Add(b, g);
        p = hn::MulAdd(g, hn::Sub(access.Load(x + i), m), p);
      }
      access.StoreAll(hn::Add(access.LoadAll(dbeta + k), b), dbeta + k);
      access.StoreAll(hn::Add(access.LoadAll(product + k), p), product + k);
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
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    access.Store(hn::Mul(access.LoadAll(product + c), access.Load(rstd + c)),
                 dgamma + c);
    access.Store(access.LoadAll(sum + c), dbeta + c);
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
  ForEachRowVector<4>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          const auto v_n = access.Set(static_cast<float>(rows));
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
        const auto a = access.LoadAll(table);
        const auto centred = hn::Sub(access.Load(x + i),
                                     access.LoadAll(table + 3 * kTableLength));
        const auto rest =
            hn::Sub(access.Load(dy + i), access.LoadAll(table + kTableLength));
        const auto g = hn::NegMulAdd(
            centred, access.LoadAll(table + 2 * kTableLength), rest);
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
  ForEachRowVector<1>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          access.Store(access.Load(scale + first + j), tables + j);
        });
      },
      [&](auto access, size_t i, const float* table) HWY_ATTR {
        const auto factor = access.LoadAll(table);
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
