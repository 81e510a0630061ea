// The tile of a vector and a half of columns, for AVX-512: rows in pairs, whose
// halves share a vector.
//
//   full[r]     = fma(a[r], b[0..15], full[r])           for every row
//   halves[r/2] = fma(a[r] | a[r + 1], b[16..23] | b[16..23], halves[r/2])
//
// Where half a vector costs as much as a whole one, two rows of 24 columns take
// three multiply-adds this way and four otherwise. An element is one chain in
// ascending order, as in every tile.
// Next: gemm-inl.h includes it.
#if defined(TEMPER_SIMD_GEMM_HALF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_GEMM_HALF_INL_H_
#undef TEMPER_SIMD_GEMM_HALF_INL_H_
#else
#define TEMPER_SIMD_GEMM_HALF_INL_H_
#endif

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "simd/lanes-inl.h"
#include "simd/tile.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3

inline constexpr size_t kHalfTileRows = 16;

struct HalfTileArgs {
  const float* a;  // row r, step k: a[r * a_row + k * a_step]
  size_t a_row, a_step;
  const float* b;       // 16 columns, step k at b + k * b_step
  const float* b_half;  // the other 8, likewise
  size_t b_step, count;
  const float* bias;  // null: +0
  float* c;
  size_t c_row;
  size_t last;         // valid columns of the half, 1 to 8
  bool load_c, add_c;  // as in TileArgs
};

#define TEMPER_HALF_PAIRS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

// This step's element of a row of A: base pointers serve three rows each.
#define TEMPER_HALF_A(row) \
  ((row) / 3 == 0   ? p0   \
   : (row) / 3 == 1 ? p3   \
   : (row) / 3 == 2 ? p6   \
   : (row) / 3 == 3 ? p9   \
   : (row) / 3 == 4 ? p12  \
                    : p15)[(row) % 3 * a_row]
// The second row of pair r; an odd last row is its own partner.
#define TEMPER_HALF_SECOND(r) (2 * (r) + 1 < kRows ? 2 * (r) + 1 : 2 * (r))

#define TEMPER_HALF_DECLARE(r) \
  [[maybe_unused]] V even##r = start, odd##r = start, half##r = start_half;
#define TEMPER_HALF_LOAD(r)                                      \
  if constexpr (kRows > 2 * r) {                                 \
    const float* c0 = t.c + 2 * r * t.c_row;                     \
    const float* c1 = t.c + TEMPER_HALF_SECOND(r) * t.c_row;     \
    even##r = hn::LoadU(d, c0);                                  \
    odd##r = hn::LoadU(d, c1);                                   \
    half##r = hn::Combine(d, hn::MaskedLoad(valid, d8, c1 + 16), \
                          hn::MaskedLoad(valid, d8, c0 + 16));   \
  }
#define TEMPER_HALF_FMA(r)                                                \
  if constexpr (kRows > 2 * r) {                                          \
    const V a0 = hn::Set(d, TEMPER_HALF_A(2 * r));                        \
    even##r = hn::MulAdd(a0, b, even##r);                                 \
    if constexpr (kRows > 2 * r + 1) {                                    \
      const V a1 = hn::Set(d, TEMPER_HALF_A(2 * r + 1));                  \
      odd##r = hn::MulAdd(a1, b, odd##r);                                 \
      half##r = hn::MulAdd(hn::IfThenElse(low, a0, a1), b_half, half##r); \
    } else {                                                              \
      half##r = hn::MulAdd(a0, b_half, half##r);                          \
    }                                                                     \
  }
#define TEMPER_HALF_ADD(r)                                               \
  if constexpr (kRows > 2 * r) {                                         \
    const float* c0 = t.c + 2 * r * t.c_row;                             \
    const float* c1 = t.c + TEMPER_HALF_SECOND(r) * t.c_row;             \
    even##r = hn::Add(hn::LoadU(d, c0), even##r);                        \
    odd##r = hn::Add(hn::LoadU(d, c1), odd##r);                          \
    half##r = hn::Add(hn::Combine(d, hn::MaskedLoad(valid, d8, c1 + 16), \
                                  hn::MaskedLoad(valid, d8, c0 + 16)),   \
                      half##r);                                          \
  }
#define TEMPER_HALF_STORE(r)                                            \
  if constexpr (kRows > 2 * r) {                                        \
    float* c0 = t.c + 2 * r * t.c_row;                                  \
    hn::StoreU(even##r, d, c0);                                         \
    hn::BlendedStore(hn::LowerHalf(d8, half##r), valid, d8, c0 + 16);   \
    if constexpr (kRows > 2 * r + 1) {                                  \
      float* c1 = c0 + t.c_row;                                         \
      hn::StoreU(odd##r, d, c1);                                        \
      hn::BlendedStore(hn::UpperHalf(d8, half##r), valid, d8, c1 + 16); \
    }                                                                   \
  }

template <int kRows>
HWY_NOINLINE void HalfTile(const HalfTileArgs& t) {
  const Lanes16 d;
  const hn::Half<Lanes16> d8;
  using V = hn::Vec<Lanes16>;
  const auto twice = [&](const float* p) HWY_ATTR {
    return V{_mm512_broadcast_f32x8(_mm256_loadu_ps(p))};
  };
  const auto valid = hn::FirstN(d8, t.last);
  const auto low = hn::FirstN(d, 8);
  const V start = t.bias == nullptr ? hn::Zero(d) : hn::LoadU(d, t.bias);
  const V start_half = t.bias == nullptr ? hn::Zero(d) : twice(t.bias + 16);
  TEMPER_HALF_PAIRS(TEMPER_HALF_DECLARE)
  if (t.load_c) {
    TEMPER_HALF_PAIRS(TEMPER_HALF_LOAD)
  }
  const size_t a_row = t.a_row, a_step = t.a_step, b_step = t.b_step;
  const float* p0 = t.a;
  const float* p3 = kRows > 3 ? p0 + 3 * a_row : p0;
  const float* p6 = kRows > 6 ? p3 + 3 * a_row : p0;
  const float* p9 = kRows > 9 ? p6 + 3 * a_row : p0;
  const float* p12 = kRows > 12 ? p9 + 3 * a_row : p0;
  const float* p15 = kRows > 15 ? p12 + 3 * a_row : p0;
  const float* HWY_RESTRICT columns = t.b;
  const float* HWY_RESTRICT half_columns = t.b_half;
  for (size_t i = t.count; i != 0; --i) {
    const V b = hn::LoadU(d, columns), b_half = twice(half_columns);
    TEMPER_HALF_PAIRS(TEMPER_HALF_FMA)
    columns += b_step, half_columns += b_step;
    p0 += a_step, p3 += a_step, p6 += a_step;
    p9 += a_step, p12 += a_step, p15 += a_step;
  }
  if (t.add_c) {
    TEMPER_HALF_PAIRS(TEMPER_HALF_ADD)
  }
  TEMPER_HALF_PAIRS(TEMPER_HALF_STORE)
}

#undef TEMPER_HALF_PAIRS
#undef TEMPER_HALF_A
#undef TEMPER_HALF_SECOND
#undef TEMPER_HALF_DECLARE
#undef TEMPER_HALF_LOAD
#undef TEMPER_HALF_FMA
#undef TEMPER_HALF_ADD
#undef TEMPER_HALF_STORE

HWY_INLINE void RunHalfTile(const HalfTileArgs& t, size_t rows) {
  using Function = void (*)(const HalfTileArgs&);
  static constexpr Function kTiles[kHalfTileRows] = {
      &HalfTile<1>,  &HalfTile<2>,  &HalfTile<3>,  &HalfTile<4>,
      &HalfTile<5>,  &HalfTile<6>,  &HalfTile<7>,  &HalfTile<8>,
      &HalfTile<9>,  &HalfTile<10>, &HalfTile<11>, &HalfTile<12>,
      &HalfTile<13>, &HalfTile<14>, &HalfTile<15>, &HalfTile<16>};
  kTiles[rows - 1](t);
}

// `rows` rows in tiles of nearly equal height. fetch: the rows of A lie after
// each other in memory, and the next tile's are asked for ahead.
HWY_INLINE void RunHalfTiles(HalfTileArgs t, size_t rows, bool fetch) {
  const size_t tiles = DivUp(rows, kHalfTileRows);
  for (size_t i = 0, row = 0; i < tiles; ++i) {
    const size_t end = rows * (i + 1) / tiles, n = end - row;
    if (HWY_UNLIKELY(fetch)) {
      for (size_t at = 0; at < n * t.a_row; at += 16)
        hwy::Prefetch(t.a + n * t.a_row + at);
    }
    RunHalfTile(t, n);
    t.a += n * t.a_row, t.c += n * t.c_row;
    row = end;
  }
}

// Whether `columns` columns end in a vector and at most a half.
HWY_INLINE bool EndsInHalf(size_t columns) {
  const size_t tail = columns % 16;
  return columns > 16 && tail != 0 && tail <= 8;
}
HWY_INLINE bool OneLine(const Walk& walk) {
  return walk.count <= walk.cols - walk.first_col;
}

// Runs the last vector and a half of the columns and returns where it begins,
// or col_end if this tile is not for such pixels.
HWY_INLINE size_t HalfColumns(const Product& p, size_t pixel_begin,
                              size_t pixel_end, size_t col_begin,
                              size_t col_end) {
  const size_t col = pixel_begin % p.cols;
  if (!EndsInHalf(col_end - col_begin) || !OneLine(p.walk) ||
      pixel_end - pixel_begin > p.cols - col)
    return col_end;
  const size_t row = pixel_begin / p.cols % p.rows;
  const size_t image = pixel_begin / p.cols / p.rows;
  const size_t j = (col_end - 1) / 16 * 16 - 16;
  const auto column = [&](size_t k) {
    return p.b + k / kPanel * p.b_panel + k % kPanel;
  };
  HalfTileArgs t;
  t.a = p.a + image * p.a_image + row * p.a_row + col * p.a_col +
        p.walk.first_row * p.walk.row_step + p.walk.first_col;
  t.a_row = p.a_col;
  t.a_step = 1;
  t.b = column(j);
  t.b_half = column(j + 16);
  t.b_step = p.b_step;
  t.count = p.walk.count;
  t.bias = p.bias == nullptr ? nullptr : p.bias + j;
  t.c = p.c + image * p.c_image + row * p.c_row + col * p.c_col + j;
  t.c_row = p.c_col;
  t.last = col_end - j - 16;
  t.load_c = p.accumulate;
  t.add_c = false;
  RunHalfTiles(t, pixel_end - pixel_begin,
               p.fetch_ahead && p.a_col == p.walk.count && j == col_begin);
  return j;
}

// The same for a reduction.
HWY_INLINE size_t HalfColumns(const Reduction& r) {
  if (!EndsInHalf(r.cols) || !OneLine(r.walk) || r.a_offsets != nullptr)
    return r.cols;
  const size_t j = (r.cols - 1) / 16 * 16 - 16;
  HalfTileArgs t;
  t.a = r.a;
  t.a_row = 1;
  t.a_step = r.dense_step;
  t.b = r.b + r.walk.first_row * r.walk.row_step +
        r.walk.first_col * r.walk.col_step + j;
  t.b_half = t.b + 16;
  t.b_step = r.walk.col_step;
  t.count = r.walk.count;
  t.bias = nullptr;
  t.c = r.c + j;
  t.c_row = r.ldc;
  t.last = r.cols - j - 16;
  t.load_c = r.resume;
  t.add_c = r.add;
  RunHalfTiles(t, r.rows, false);
  return j;
}

#else  // other targets have no such tile

HWY_INLINE size_t HalfColumns(const Product&, size_t, size_t, size_t,
                              size_t col_end) {
  return col_end;
}
HWY_INLINE size_t HalfColumns(const Reduction& r) { return r.cols; }

#endif

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
