// The products of Winograd convolution: for each of 16 positions a small matrix
// product with whole panels, no masks and no walk. RunProduct would suffice,
// but with few channels its calls cost as much as a fifth of the sums.
//
//   m[p][tile][j] =
//       sum over c of v[p][tile][c] * u[p][j / kPanel][c][j % kPanel]
//
// one FMA chain in ascending c, from +0.
// Next: tile_macros.h, winograd.cc.
#if defined(TEMPER_SIMD_WINOGRAD_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_WINOGRAD_PRODUCT_INL_H_
#undef TEMPER_SIMD_WINOGRAD_PRODUCT_INL_H_
#else
#define TEMPER_SIMD_WINOGRAD_PRODUCT_INL_H_
#endif

#include "hwy/highway.h"
#include "simd/lanes-inl.h"
#include "simd/tile_macros.h"
#include "simd/winograd_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Most rows of a tile of `vecs` vectors, as in gemm-inl.h.
constexpr size_t MostPositionRows([[maybe_unused]] int vecs) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  return vecs == 1 ? 16 : 14;
#elif HWY_ARCH_ARM_A64
  return vecs == 1 ? 16 : 12;
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  return 4;
#else
  return vecs == 1 ? 12 : 6;
#endif
}

// The tiles from `first` on and the vectors from `vec` on, `positions` of them.
template <int kRows, int kVecs>
HWY_NOINLINE void PositionTile(const PositionProduct& q, size_t first,
                               size_t vec, size_t position, size_t positions) {
  const Lanes16 d;
  using V = hn::Vec<Lanes16>;
  const size_t N = hn::Lanes(d);
  const size_t a_step = q.v_tile;
  const float* a = q.v + position * q.v_position + first * a_step;
  const float* b = q.u + position * q.u_position;
  float* to = q.m + position * q.m_position + first * q.m_tile + vec * N;
  const size_t b0_at = vec * N / kPanel * q.u_panel + vec * N % kPanel;
  [[maybe_unused]] const size_t b1_at =
      (vec + 1) * N / kPanel * q.u_panel + (vec + 1) * N % kPanel;
  for (; positions != 0; --positions) {
    const V start0 = hn::Zero(d);
    [[maybe_unused]] const V start1 = start0, start2 = start0, start3 = start0;
    TEMPER_TILE_ROWS(TEMPER_TILE_DECLARE)
    const float* bp0 = b + b0_at;
    [[maybe_unused]] const float* bp1 = b + b1_at;
    [[maybe_unused]] const float *bp2 = bp0, *bp3 = bp0;
    const float* p0 = a;
    const float* p3 = kRows > 3 ? p0 + 3 * a_step : p0;
    const float* p6 = kRows > 6 ? p3 + 3 * a_step : p0;
    const float* p9 = kRows > 9 ? p6 + 3 * a_step : p0;
    const float* p12 = kRows > 12 ? p9 + 3 * a_step : p0;
    const float* p15 = kRows > 15 ? p12 + 3 * a_step : p0;
    size_t i = q.channels;
    for (; i >= 2; i -= 2) {
      TEMPER_TILE_STEP(0, TEMPER_TILE_FMA_ROWS);
      TEMPER_TILE_STEP(kPanel, TEMPER_TILE_FMA_ROWS_1);
      bp0 += 2 * kPanel, bp1 += 2 * kPanel;
      p0 += 2, p3 += 2, p6 += 2, p9 += 2, p12 += 2, p15 += 2;
    }
    if (i != 0) TEMPER_TILE_STEP(0, TEMPER_TILE_FMA_ROWS);
    float* c = to;
#define TEMPER_POSITION_STORE(r)                               \
  if constexpr (kRows > r) {                                   \
    hn::StoreU(acc##r##_0, d, c);                              \
    if constexpr (kVecs > 1) hn::StoreU(acc##r##_1, d, c + N); \
    c += q.m_tile;                                             \
  }
    TEMPER_TILE_ROWS(TEMPER_POSITION_STORE)
#undef TEMPER_POSITION_STORE
    a += q.v_position;
    b += q.u_position;
    to += q.m_position;
  }
}

template <int kVecs>
HWY_INLINE void PositionTiles(const PositionProduct& q, size_t vec) {
  using Function =
      void (*)(const PositionProduct&, size_t, size_t, size_t, size_t);
#define TEMPER_POSITION_ENTRY(r) \
  &PositionTile<(r < MostPositionRows(kVecs) ? r + 1 : 1), kVecs>,
  static constexpr Function kTiles[] = {
      TEMPER_TILE_ROWS(TEMPER_POSITION_ENTRY)};
#undef TEMPER_POSITION_ENTRY
  const size_t cuts = DivUp(q.tiles, MostPositionRows(kVecs));
  // Short sums: all positions in one call. Long ones: weights stay in the L1
  // cache from one row of register tiles to the next.
  const size_t positions = q.channels <= 32 ? kPositions : 1;
  for (size_t p = 0; p < kPositions; p += positions) {
    for (size_t i = 0; i < cuts; ++i) {
      const size_t first = q.tiles * i / cuts;
      kTiles[q.tiles * (i + 1) / cuts - first - 1](q, first, vec, p, positions);
    }
  }
}

void PositionProducts(const PositionProduct& q) {
  const size_t vecs = DivUp(q.cols, hn::Lanes(Lanes16()));
  size_t vec = 0;
  for (; vec + 2 <= vecs; vec += 2) PositionTiles<2>(q, vec);
  if (vec < vecs) PositionTiles<1>(q, vec);
}

// Rows [first, first + kRows) of the results, kVecs vectors from `vec` on.
template <int kRows, int kVecs>
HWY_NOINLINE void ReductionTile(const PositionReduction& q, size_t first,
                                size_t vec, size_t position, size_t positions) {
  const Lanes16 d;
  using V = hn::Vec<Lanes16>;
  const size_t N = hn::Lanes(d);
  const float* z = q.z + position * q.z_position + first;
  const float* v = q.v + position * q.v_position + vec * N;
  float* to = q.q + position * q.q_position + first * q.q_row + vec * N;
  for (; positions != 0; --positions) {
    const V start0 = hn::Zero(d);
    [[maybe_unused]] const V start1 = start0, start2 = start0, start3 = start0;
    TEMPER_TILE_ROWS(TEMPER_TILE_DECLARE)
    if (q.resume) {
      const float* c = to;
#define TEMPER_POSITION_LOAD(r)                                \
  if constexpr (kRows > r) {                                   \
    acc##r##_0 = hn::LoadU(d, c);                              \
    if constexpr (kVecs > 1) acc##r##_1 = hn::LoadU(d, c + N); \
    c += q.q_row;                                              \
  }
      TEMPER_TILE_ROWS(TEMPER_POSITION_LOAD)
#undef TEMPER_POSITION_LOAD
    }
    const float* a = z;
    const float* bp0 = v;
    [[maybe_unused]] const float *bp1 = v + N, *bp2 = v, *bp3 = v;
    for (size_t i = q.tiles; i != 0; --i) {
      TEMPER_TILE_STEP(0, TEMPER_TILE_FMA_COLUMNS);
      a += q.z_tile;
      bp0 += q.v_tile, bp1 += q.v_tile;
    }
    float* c = to;
#define TEMPER_POSITION_STORE(r)                               \
  if constexpr (kRows > r) {                                   \
    hn::StoreU(acc##r##_0, d, c);                              \
    if constexpr (kVecs > 1) hn::StoreU(acc##r##_1, d, c + N); \
    c += q.q_row;                                              \
  }
    TEMPER_TILE_ROWS(TEMPER_POSITION_STORE)
#undef TEMPER_POSITION_STORE
    z += q.z_position;
    v += q.v_position;
    to += q.q_position;
  }
}

template <int kVecs>
HWY_INLINE void ReductionTiles(const PositionReduction& q, size_t vec,
                               size_t position, size_t positions) {
  using Function =
      void (*)(const PositionReduction&, size_t, size_t, size_t, size_t);
#define TEMPER_POSITION_ENTRY(r) \
  &ReductionTile<(r < MostPositionRows(kVecs) ? r + 1 : 1), kVecs>,
  static constexpr Function kTiles[] = {
      TEMPER_TILE_ROWS(TEMPER_POSITION_ENTRY)};
#undef TEMPER_POSITION_ENTRY
  const size_t cuts = DivUp(q.rows, MostPositionRows(kVecs));
  for (size_t i = 0; i < cuts; ++i) {
    const size_t first = q.rows * i / cuts;
    kTiles[q.rows * (i + 1) / cuts - first - 1](q, first, vec, position,
                                                positions);
  }
}

void PositionReductions(const PositionReduction& q) {
  const size_t vecs = DivUp(q.cols, hn::Lanes(Lanes16()));
  // One position after the other: V and Z of it stay in the L1 cache.
  const size_t positions = vecs <= 2 ? q.positions : 1;
  for (size_t p = 0; p < q.positions; p += positions) {
    size_t vec = 0;
    for (; vec + 2 <= vecs; vec += 2) ReductionTiles<2>(q, vec, p, positions);
    if (vec < vecs) ReductionTiles<1>(q, vec, p, positions);
  }
}

size_t PositionLanes() { return hn::Lanes(Lanes16()); }

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
