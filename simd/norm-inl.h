// Batch normalisation loops. Contract: norm.h. Helpers: channels-inl.h.
//
// Sums walk rows with a few chains per channel (norm.h); element-wise passes
// walk the matrix flat with the coefficients in small tables on the stack (8
// KiB at most). Partial results are padded to 16 floats, so that whole vectors
// may touch them. Next: norm.cc splits rows and channels over threads and
// combines the chunks.
#if defined(TEMPER_SIMD_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_NORM_INL_H_
#undef TEMPER_SIMD_NORM_INL_H_
#else
#define TEMPER_SIMD_NORM_INL_H_
#endif

#include <cstring>

#include "hwy/highway.h"
#include "simd/activation-inl.h"
#include "simd/channels-inl.h"
#include "simd/flush-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Channels whose sums one task takes at most. The same on every target.
inline constexpr size_t kStatsBlock = 128;
inline constexpr size_t kPivotRows = 24;
// Rows of one chain of the statistics: a quarter of a unit.
inline constexpr size_t kPartRows = kChunkUnit / 4;
static_assert(4 * kPartRows == kChunkUnit);

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

// pivot = a value near the mean of each channel: the mean of kPivotRows rows
// spread over the first unit. Subtracting the pivot from every value keeps
// channels accurate when the mean is much larger than the spread, and allows
// one pass over the rows: the sum and the sum of squares then hardly cancel.
void Pivot(size_t rows, size_t channels, const float* HWY_RESTRICT x,
           float* HWY_RESTRICT pivot) {
  if (rows > kChunkUnit) rows = kChunkUnit;
  const size_t count = rows < kPivotRows ? rows : kPivotRows;
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    const auto first = access.Load(x + c);
    auto sum = access.Zero();
    for (size_t k = 1; k < count; ++k) {
      const float* HWY_RESTRICT row = x + rows * k / count * channels;
      sum = hn::Add(sum, hn::Sub(access.Load(row + c), first));
    }
    const auto n = access.Set(static_cast<float>(count));
    access.StoreAll(hn::Add(first, hn::Div(sum, n)), pivot + c);
  });
}

// Sums of x - pivot and of its square over the rows [0, rows) of one part.
template <class Access, class V>
HWY_INLINE void PartSums(Access access, size_t rows, size_t stride,
                         const float* HWY_RESTRICT x, V pivot, V& sum,
                         V& square) {
  for (size_t r = 0; r < rows; ++r) {
    const V d = hn::Sub(access.Load(x + r * stride), pivot);
    sum = hn::Add(sum, d);
    square = hn::MulAdd(d, d, square);
  }
}

// Mean less pivot, and sum of squared deviations from the mean, of one unit of
// `rows` <= kChunkUnit rows of `count` <= kStatsBlock channels (row stride
// `stride`), written to padded mean and m2. The unit's four parts of kPartRows
// rows are chains of their own, side by side: one chain alone would wait for
// its additions.
void UnitStats(size_t rows, size_t stride, size_t count,
               const float* HWY_RESTRICT x, const float* HWY_RESTRICT pivot,
               float* HWY_RESTRICT mean, float* HWY_RESTRICT m2) {
  const size_t part = kPartRows * stride;
  ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
    const auto p = access.LoadAll(pivot + j);
    const auto zero = access.Zero();
    auto s0 = zero, s1 = zero, s2 = zero, s3 = zero;
    auto q0 = zero, q1 = zero, q2 = zero, q3 = zero;
    const float* HWY_RESTRICT from = x + j;
    if (rows == kChunkUnit) {
      for (size_t r = 0; r < kPartRows; ++r, from += stride) {
        const auto d0 = hn::Sub(access.Load(from), p);
        const auto d1 = hn::Sub(access.Load(from + part), p);
        const auto d2 = hn::Sub(access.Load(from + 2 * part), p);
        const auto d3 = hn::Sub(access.Load(from + 3 * part), p);
        s0 = hn::Add(s0, d0), q0 = hn::MulAdd(d0, d0, q0);
        s1 = hn::Add(s1, d1), q1 = hn::MulAdd(d1, d1, q1);
        s2 = hn::Add(s2, d2), q2 = hn::MulAdd(d2, d2, q2);
        s3 = hn::Add(s3, d3), q3 = hn::MulAdd(d3, d3, q3);
      }
    } else {
      const auto rows_of = [&](size_t i) {
        const size_t begin = i * kPartRows;
        return rows < begin               ? 0
               : rows - begin < kPartRows ? rows - begin
                                          : kPartRows;
      };
      PartSums(access, rows_of(0), stride, from, p, s0, q0);
      PartSums(access, rows_of(1), stride, from + part, p, s1, q1);
      PartSums(access, rows_of(2), stride, from + 2 * part, p, s2, q2);
      PartSums(access, rows_of(3), stride, from + 3 * part, p, s3, q3);
    }
    const auto sum = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
    const auto square = hn::Add(hn::Add(q0, q1), hn::Add(q2, q3));
    const auto m = hn::Div(sum, access.Set(static_cast<float>(rows)));
    // Rounding may leave a value slightly below 0; NaN stays.
    const auto rest = hn::NegMulAdd(sum, m, square);
    access.StoreAll(m, mean + j);
    access.StoreAll(hn::IfThenZeroElse(hn::Lt(rest, zero), rest), m2 + j);
  });
}

// The rows [first, last) of one chunk, first at the start of a unit: units are
// merged in ascending order into mean and m2, which hold those before.
void ChunkStats(size_t first, size_t last, size_t stride, size_t count,
                const float* HWY_RESTRICT x, const float* HWY_RESTRICT pivot,
                float* HWY_RESTRICT mean, float* HWY_RESTRICT m2) {
  HWY_ALIGN float unit_mean[kStatsBlock];
  HWY_ALIGN float unit_m2[kStatsBlock];
  for (size_t begin = first; begin < last; begin += kChunkUnit) {
    const size_t n = last - begin < kChunkUnit ? last - begin : kChunkUnit;
    if (begin == 0) {
      UnitStats(n, stride, count, x, pivot, mean, m2);
      continue;
    }
    UnitStats(n, stride, count, x + begin * stride, pivot, unit_mean, unit_m2);
    MergeStats(count, static_cast<float>(begin), mean, m2,
               static_cast<float>(n), unit_mean, unit_m2);
  }
}

// mean = partial mean + pivot, variance = m2 / rows.
void FinishStats(size_t channels, size_t rows, const float* HWY_RESTRICT pivot,
                 const float* HWY_RESTRICT partial_mean,
                 const float* HWY_RESTRICT partial_m2, float* HWY_RESTRICT mean,
                 float* HWY_RESTRICT variance) {
  ForEachChannelVector(0, channels, [&](auto access, size_t c) HWY_ATTR {
    access.Store(
        hn::Add(access.LoadAll(pivot + c), access.LoadAll(partial_mean + c)),
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
    const auto v_rest = access.Set(1.0f - momentum);
    const auto v_factor = access.Set(variance_factor);
    const auto follow = [&](float* running, auto value) HWY_ATTR {
      const auto old = hn::Mul(v_rest, access.Load(running));
      access.Store(FlushTiny(hn::MulAdd(v_momentum, value, old)), running);
    };
    follow(running_mean + c, access.Load(mean + c));
    follow(running_variance + c, hn::Mul(access.Load(variance + c), v_factor));
  });
}

// Rows whose sums start from +0 before they join the chunk's: norm.h says why.
inline constexpr size_t kSumTile = 24;
static_assert(kChunkUnit % kSumTile == 0);

// The sums of kTiles tiles of `rows` rows (row stride `stride`, tiles after
// each other), each a chain from +0, added to dbeta and product in order.
template <int kTiles, class Act, class Access>
HWY_INLINE void TileSums(Act act, Access access, size_t rows, size_t stride,
                         const float* HWY_RESTRICT x,
                         const float* HWY_RESTRICT dy, typename Access::V mean,
                         typename Access::V scale, typename Access::V shift,
                         float* HWY_RESTRICT product,
                         float* HWY_RESTRICT dbeta) {
  using V = typename Access::V;
  const V zero = access.Zero();
  V b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  V p0 = zero, p1 = zero, p2 = zero, p3 = zero;
  const size_t tile = kSumTile * stride;
  const auto add = [&](size_t i, V& b, V& p) HWY_ATTR {
    const V v = access.Load(x + i);
    const V g =
        GradientAtInput(act, hn::MulAdd(v, scale, shift), access.Load(dy + i));
    b = hn::Add(b, g);
    p = hn::MulAdd(g, hn::Sub(v, mean), p);
  };
  for (size_t r = 0; r < rows; ++r) {
    const size_t i = r * stride;
    add(i, b0, p0);
    if constexpr (kTiles > 1) add(i + tile, b1, p1);
    if constexpr (kTiles > 2) add(i + 2 * tile, b2, p2);
    if constexpr (kTiles > 2) add(i + 3 * tile, b3, p3);
  }
  V b = hn::Add(access.LoadAll(dbeta), b0);
  V p = hn::Add(access.LoadAll(product), p0);
  if constexpr (kTiles > 1) b = hn::Add(b, b1), p = hn::Add(p, p1);
  if constexpr (kTiles > 2) b = hn::Add(b, b2), p = hn::Add(p, p2);
  if constexpr (kTiles > 2) b = hn::Add(b, b3), p = hn::Add(p, p3);
  access.StoreAll(b, dbeta);
  access.StoreAll(p, product);
}

// The sums of one tile of four neighbouring vectors.
template <class Act>
HWY_INLINE void TileSumsFour(Act act, size_t rows, size_t stride,
                             const float* HWY_RESTRICT x,
                             const float* HWY_RESTRICT dy, const float* mean,
                             const float* scale, const float* shift,
                             float* HWY_RESTRICT product,
                             float* HWY_RESTRICT dbeta) {
  constexpr bool kMask = !kIsNone<Act>;
  const WholeVector<Lanes16> full;
  const size_t N = hn::Lanes(Lanes16());
  const auto m0 = full.Load(mean), m1 = full.Load(mean + N),
             m2 = full.Load(mean + 2 * N), m3 = full.Load(mean + 3 * N);
  const auto load = [&](const float* from, size_t column) HWY_ATTR {
    return full.Load((kMask ? from : mean) + column);
  };
  const auto s0 = load(scale, 0), s1 = load(scale, N), s2 = load(scale, 2 * N),
             s3 = load(scale, 3 * N);
  const auto t0 = load(shift, 0), t1 = load(shift, N), t2 = load(shift, 2 * N),
             t3 = load(shift, 3 * N);
  auto b0 = full.Zero(), b1 = b0, b2 = b0, b3 = b0;
  auto p0 = b0, p1 = b0, p2 = b0, p3 = b0;
  const auto add = [&](size_t i, auto s, auto t, auto m, auto& b,
                       auto& p) HWY_ATTR {
    const auto v = full.Load(x + i);
    const auto g = GradientAtInput(act, hn::MulAdd(v, s, t), full.Load(dy + i));
    b = hn::Add(b, g);
    p = hn::MulAdd(g, hn::Sub(v, m), p);
  };
  for (size_t r = 0, i = 0; r < rows; ++r, i += stride) {
    add(i, s0, t0, m0, b0, p0);
    add(i + N, s1, t1, m1, b1, p1);
    add(i + 2 * N, s2, t2, m2, b2, p2);
    add(i + 3 * N, s3, t3, m3, b3, p3);
  }
  const auto join = [&](float* sums, size_t column, auto v) HWY_ATTR {
    full.Store(hn::Add(full.Load(sums + column), v), sums + column);
  };
  join(dbeta, 0, b0), join(product, 0, p0);
  join(dbeta, N, b1), join(product, N, p1);
  join(dbeta, 2 * N, b2), join(product, 2 * N, p2);
  join(dbeta, 3 * N, b3), join(product, 3 * N, p3);
}

// Adds one chunk's sums to padded, zeroed dbeta and product (g * (x - mean)),
// where g is dy after the activation's gradient. scale and shift are those of
// the prologue; unused without an activation.
template <class Act>
void ChunkSumsLoop(Act act, size_t rows, size_t stride, size_t count,
                   const float* HWY_RESTRICT x, const float* HWY_RESTRICT scale,
                   const float* HWY_RESTRICT shift,
                   const float* HWY_RESTRICT dy, const float* HWY_RESTRICT mean,
                   float* HWY_RESTRICT product, float* HWY_RESTRICT dbeta) {
  constexpr bool kMask = !kIsNone<Act>;
  const size_t N = hn::Lanes(Lanes16());
  const size_t fours = kFourAbreast ? count / (4 * N) * (4 * N) : 0;
  for (size_t r = 0; fours != 0 && r < rows; r += kSumTile) {
    const size_t n = rows - r < kSumTile ? rows - r : kSumTile;
    for (size_t j = 0; j < fours; j += 4 * N) {
      TileSumsFour(act, n, stride, x + r * stride + j, dy + r * stride + j,
                   mean + j, scale + j, shift + j, product + j, dbeta + j);
    }
  }
  for (size_t begin = 0; begin < rows; begin += 4 * kSumTile) {
    const size_t left = rows - begin;
    ForEachChannelVector(fours, count, [&](auto access, size_t j) HWY_ATTR {
      const auto m = access.Load(mean + j);
      const auto a = kMask ? access.Load(scale + j) : m;
      const auto b = kMask ? access.Load(shift + j) : m;
      const float* HWY_RESTRICT xj = x + begin * stride + j;
      const float* HWY_RESTRICT gj = dy + begin * stride + j;
      size_t r = 0;
      if (left >= 4 * kSumTile) {
        TileSums<4>(act, access, kSumTile, stride, xj, gj, m, a, b, product + j,
                    dbeta + j);
        return;
      }
      for (; r + kSumTile <= left; r += kSumTile) {
        TileSums<1>(act, access, kSumTile, stride, xj + r * stride,
                    gj + r * stride, m, a, b, product + j, dbeta + j);
      }
      if (r < left) {
        TileSums<1>(act, access, left - r, stride, xj + r * stride,
                    gj + r * stride, m, a, b, product + j, dbeta + j);
      }
    });
  }
}

void ChunkSums(size_t rows, size_t stride, size_t count, const float* x,
               const Prologue& p, const float* dy, const float* mean,
               float* product, float* dbeta) {
  WithActivation(p.activation, [&](auto act) HWY_ATTR {
    ChunkSumsLoop(act, rows, stride, count, x, p.scale, p.shift, dy, mean,
                  product, dbeta);
  });
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

// dx = a * g + ((x - mean) * c - b), with g = dy after the activation's
// gradient, a = gamma * rstd, c = -a * rstd * (dgamma / rows) and
// b = a * (dbeta / rows).
template <bool kAccumulate, class Act>
void BackwardLoop(Act act, size_t begin, size_t end, size_t rows,
                  size_t channels, const float* HWY_RESTRICT x,
                  const float* HWY_RESTRICT shift, const float* dy,
                  const float* HWY_RESTRICT mean,
                  const float* HWY_RESTRICT rstd,
                  const float* HWY_RESTRICT gamma,
                  const float* HWY_RESTRICT dgamma,
                  const float* HWY_RESTRICT dbeta, float* dx) {
  constexpr bool kMask = !kIsNone<Act>;
  const auto one = [&](auto access, size_t i, auto a, auto b, auto c, auto m,
                       auto y0) HWY_ATTR {
    const auto v = access.Load(x + i);
    const auto g =
        GradientAtInput(act, hn::MulAdd(v, a, y0), access.Load(dy + i));
    auto d = hn::MulSub(hn::Sub(v, m), c, b);
    d = hn::MulAdd(a, g, d);
    if constexpr (kAccumulate) d = hn::Add(access.Load(dx + i), d);
    access.Store(FlushTiny(d), dx + i);
  };
  ForEachColumn<5>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        ForEachChannelVector(0, count, [&](auto access, size_t j) HWY_ATTR {
          const auto v_n = access.Set(static_cast<float>(rows));
          const size_t c = first + j;
          float* table = tables + j;
          const auto r = access.Load(rstd + c);
          const auto a = hn::Mul(access.Load(gamma + c), r);
          access.Store(a, table);
          access.Store(
              FlushTiny(hn::Mul(a, hn::Div(access.Load(dbeta + c), v_n))),
              table + kTableLength);
          access.Store(
              FlushTiny(hn::Neg(hn::Mul(
                  a, hn::Mul(r, hn::Div(access.Load(dgamma + c), v_n))))),
              table + 2 * kTableLength);
          access.Store(access.Load(mean + c), table + 3 * kTableLength);
          if constexpr (kMask) {
            access.Store(access.Load(shift + c), table + 4 * kTableLength);
          }
        });
      },
      [&](auto access, size_t i, size_t stride, size_t count,
          const float* table) HWY_ATTR {
        const auto a = access.LoadAll(table);
        const auto b = access.LoadAll(table + kTableLength);
        const auto c = access.LoadAll(table + 2 * kTableLength);
        const auto m = access.LoadAll(table + 3 * kTableLength);
        const auto y0 = kMask ? access.LoadAll(table + 4 * kTableLength) : m;
        for (const size_t stop = i + count * stride; i != stop; i += stride) {
          one(access, i, a, b, c, m, y0);
        }
      },
      [&](size_t i, size_t stride, size_t count, const float* table) HWY_ATTR {
        const WholeVector<Lanes16> full;
        const size_t N = hn::Lanes(Lanes16());
        const auto load = [&](size_t k, size_t column) HWY_ATTR {
          return full.Load(table + k * kTableLength + column);
        };
        const auto a0 = load(0, 0), b0 = load(1, 0), c0 = load(2, 0),
                   m0 = load(3, 0), y0 = kMask ? load(4, 0) : m0;
        const auto a1 = load(0, N), b1 = load(1, N), c1 = load(2, N),
                   m1 = load(3, N), y1 = kMask ? load(4, N) : m1;
        const auto a2 = load(0, 2 * N), b2 = load(1, 2 * N),
                   c2 = load(2, 2 * N), m2 = load(3, 2 * N),
                   y2 = kMask ? load(4, 2 * N) : m2;
        const auto a3 = load(0, 3 * N), b3 = load(1, 3 * N),
                   c3 = load(2, 3 * N), m3 = load(3, 3 * N),
                   y3 = kMask ? load(4, 3 * N) : m3;
        for (const size_t stop = i + count * stride; i != stop; i += stride) {
          one(full, i, a0, b0, c0, m0, y0);
          one(full, i + N, a1, b1, c1, m1, y1);
          one(full, i + 2 * N, a2, b2, c2, m2, y2);
          one(full, i + 3 * N, a3, b3, c3, m3, y3);
        }
      });
}

// dx = dy * scale, dy after the activation's gradient.
template <bool kAccumulate, class Act>
void ScaleBackwardLoop(Act act, size_t begin, size_t end, size_t channels,
                       const float* HWY_RESTRICT x,
                       const float* HWY_RESTRICT scale,
                       const float* HWY_RESTRICT shift, const float* dy,
                       float* dx) {
  constexpr bool kMask = !kIsNone<Act>;
  ForEachColumn<2>(
      begin, end, channels,
      [&](size_t first, size_t count, float* tables) HWY_ATTR {
        std::memcpy(tables, scale + first, count * sizeof(float));
        if constexpr (kMask) {
          std::memcpy(tables + kTableLength, shift + first,
                      count * sizeof(float));
        }
      },
      [&](auto access, size_t i, size_t stride, size_t count,
          const float* table) HWY_ATTR {
        const auto a = access.LoadAll(table);
        const auto b = kMask ? access.LoadAll(table + kTableLength) : a;
        for (const size_t stop = i + count * stride; i != stop; i += stride) {
          auto g = access.Load(dy + i);
          if constexpr (kMask) {
            g = GradientAtInput(act, hn::MulAdd(access.Load(x + i), a, b), g);
          }
          if constexpr (kAccumulate) {
            g = hn::MulAdd(g, a, access.Load(dx + i));
          } else {
            g = hn::Mul(g, a);
          }
          access.Store(FlushTiny(g), dx + i);
        }
      });
}

void BackwardRows(size_t begin, size_t end, size_t rows, size_t channels,
                  const float* x, const Prologue& p, const float* dy,
                  const float* mean, const float* rstd, const float* gamma,
                  const float* dgamma, const float* dbeta, bool accumulate,
                  float* dx) {
  WithActivation(p.activation, [&](auto act) HWY_ATTR {
    const auto loop = accumulate ? BackwardLoop<true, decltype(act)>
                                 : BackwardLoop<false, decltype(act)>;
    loop(act, begin, end, rows, channels, x, p.shift, dy, mean, rstd, gamma,
         dgamma, dbeta, dx);
  });
}

void ScaleBackwardRows(size_t begin, size_t end, size_t channels,
                       const float* x, const Prologue& p, const float* dy,
                       bool accumulate, float* dx) {
  WithActivation(p.activation, [&](auto act) HWY_ATTR {
    const auto loop = accumulate ? ScaleBackwardLoop<true, decltype(act)>
                                 : ScaleBackwardLoop<false, decltype(act)>;
    loop(act, begin, end, channels, x, p.scale, p.shift, dy, dx);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
