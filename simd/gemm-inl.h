// The register tile of every matrix product and convolution, and the two loops
// over it. Contracts: tile.h, gemm.h.
//
//   acc[r][v] = fma(a[r], b[v], acc[r][v])      for every step of the sum
//
// kRows x kVecs accumulators stay in registers: each is a named variable, made
// by the macros below, because SVE vectors cannot be elements of arrays. Rows
// that the template does not have vanish by `if constexpr`.
// Tile sizes cannot change a result: an element is one chain, whatever tile
// computes it.
// Next: gemm.cc, conv.cc.
#if defined(TEMPER_SIMD_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_GEMM_INL_H_
#undef TEMPER_SIMD_GEMM_INL_H_
#else
#define TEMPER_SIMD_GEMM_INL_H_
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "simd/gemm.h"
#include "simd/lanes-inl.h"
#include "simd/tile.h"

#ifndef TEMPER_SIMD_GEMM_MACROS_
#define TEMPER_SIMD_GEMM_MACROS_
#define TEMPER_TILE_ROWS(X) \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)

#define TEMPER_TILE_DECLARE(r)                                              \
  [[maybe_unused]] const float* const a##r = t.a[r < kRows ? r : 0];        \
  [[maybe_unused]] V acc##r##_0 = start0, acc##r##_1 = start1,              \
                     acc##r##_2 = start2, acc##r##_3 = start3;

#define TEMPER_TILE_LOAD(r)                                                 \
  if constexpr (kRows > r) {                                                \
    const float* c = t.c[r];                                                \
    if constexpr (kVecs > 1) acc##r##_0 = hn::LoadU(d, c);                  \
    if constexpr (kVecs > 2) acc##r##_1 = hn::LoadU(d, c + N);              \
    if constexpr (kVecs > 3) acc##r##_2 = hn::LoadU(d, c + 2 * N);          \
    const V last = LoadFirst(t.last, c + (kVecs - 1) * N);                  \
    if constexpr (kVecs == 1) acc##r##_0 = last;                            \
    if constexpr (kVecs == 2) acc##r##_1 = last;                            \
    if constexpr (kVecs == 3) acc##r##_2 = last;                            \
    if constexpr (kVecs == 4) acc##r##_3 = last;                            \
  }

#define TEMPER_TILE_STORE(r)                                                \
  if constexpr (kRows > r) {                                                \
    float* c = t.c[r];                                                      \
    if constexpr (kVecs > 1) hn::StoreU(acc##r##_0, d, c);                  \
    if constexpr (kVecs > 2) hn::StoreU(acc##r##_1, d, c + N);              \
    if constexpr (kVecs > 3) hn::StoreU(acc##r##_2, d, c + 2 * N);          \
    float* const end = c + (kVecs - 1) * N;                                 \
    if constexpr (kVecs == 1) StoreFirst(acc##r##_0, t.last, end);          \
    if constexpr (kVecs == 2) StoreFirst(acc##r##_1, t.last, end);          \
    if constexpr (kVecs == 3) StoreFirst(acc##r##_2, t.last, end);          \
    if constexpr (kVecs == 4) StoreFirst(acc##r##_3, t.last, end);          \
  }

#define TEMPER_TILE_ADD(r)                                                  \
  if constexpr (kRows > r) {                                                \
    const float* c = t.c[r];                                                \
    if constexpr (kVecs > 1) acc##r##_0 = hn::Add(hn::LoadU(d, c), acc##r##_0); \
    if constexpr (kVecs > 2) acc##r##_1 = hn::Add(hn::LoadU(d, c + N), acc##r##_1); \
    if constexpr (kVecs > 3)                                                \
      acc##r##_2 = hn::Add(hn::LoadU(d, c + 2 * N), acc##r##_2);            \
    const V last = LoadFirst(t.last, c + (kVecs - 1) * N);                  \
    if constexpr (kVecs == 1) acc##r##_0 = hn::Add(last, acc##r##_0);       \
    if constexpr (kVecs == 2) acc##r##_1 = hn::Add(last, acc##r##_1);       \
    if constexpr (kVecs == 3) acc##r##_2 = hn::Add(last, acc##r##_2);       \
    if constexpr (kVecs == 4) acc##r##_3 = hn::Add(last, acc##r##_3);       \
  }

// TEMPER_TILE_A(r) is the address of the row's element, defined by each loop.
#define TEMPER_TILE_MULTIPLY(r)                                             \
  if constexpr (kRows > r) {                                                \
    const V x = hn::Set(d, *(TEMPER_TILE_A(r)));                            \
    acc##r##_0 = hn::MulAdd(x, b0, acc##r##_0);                             \
    if constexpr (kVecs > 1) acc##r##_1 = hn::MulAdd(x, b1, acc##r##_1);    \
    if constexpr (kVecs > 2) acc##r##_2 = hn::MulAdd(x, b2, acc##r##_2);    \
    if constexpr (kVecs > 3) acc##r##_3 = hn::MulAdd(x, b3, acc##r##_3);    \
  }

// One step of the sum: B's vectors at offset kb, then every row.
#define TEMPER_TILE_STEP(kb)                                                \
  do {                                                                      \
    const V b0 = hn::LoadU(d, bp0 + (kb));                                  \
    [[maybe_unused]] V b1 = b0, b2 = b0, b3 = b0;                           \
    if constexpr (kVecs > 1) b1 = hn::LoadU(d, bp1 + (kb));                 \
    if constexpr (kVecs > 2) b2 = hn::LoadU(d, bp2 + (kb));                 \
    if constexpr (kVecs > 3) b3 = hn::LoadU(d, bp3 + (kb));                 \
    TEMPER_TILE_ROWS(TEMPER_TILE_MULTIPLY)                                  \
  } while (0)
#endif  // TEMPER_SIMD_GEMM_MACROS_

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Most rows of a tile of `vecs` vectors: accumulators, vectors of B and one
// broadcast must fit the register file (32 registers, or 16 and fewer).
constexpr int MaxRows(int vecs) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  constexpr int rows[] = {14, 14, 9, 6};
#elif HWY_ARCH_ARM_A64
  constexpr int rows[] = {14, 12, 8, 6};
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  constexpr int rows[] = {4, 4, 4, 3};
#else
  constexpr int rows[] = {12, 6, 4, 2};
#endif
  return rows[vecs - 1];
}

// Loads and stores of the first `count` lanes; nothing past them is touched.
HWY_INLINE hn::Vec<Lanes16> LoadFirst(size_t count, const float* p) {
  const Lanes16 d;
  if (HWY_LIKELY(count == hn::Lanes(d))) return hn::LoadU(d, p);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, count), d, p);
#else
  return PartAccess{count}.Load(p);
#endif
}
HWY_INLINE void StoreFirst(hn::Vec<Lanes16> v, size_t count, float* p) {
  const Lanes16 d;
  if (HWY_LIKELY(count == hn::Lanes(d))) return hn::StoreU(v, d, p);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, count), d, p);  // a masked store
#else
  PartAccess{count}.Store(v, p);
#endif
}

struct TileArgs {
  const float* a[kMaxTileRows];
  float* c[kMaxTileRows];
  const float* b[kMaxTileVectors];
  const float* bias;  // null: +0
  size_t last;        // valid columns of the last vector
  bool load_c;        // the chains start from c
  bool add_c;         // c = c + chain
  size_t dense_step;
  Walk walk;
};

enum class Mode {
  kPacked,    // A: row pointers, steps of 1; B: dense, steps of kPanel
  kPointers,  // A: row pointers; B: dense; both steps known at run time
  kColumns    // A: a[0] + row, dense; B: walked
};

template <int kRows, int kVecs, Mode kMode>
HWY_NOINLINE void Tile(const TileArgs& t) {
  const Lanes16 d;
  using V = hn::Vec<Lanes16>;
  const size_t N = hn::Lanes(d);
  const float* bp0 = t.b[0];
  [[maybe_unused]] const float* bp1 = t.b[kVecs > 1 ? 1 : 0];
  [[maybe_unused]] const float* bp2 = t.b[kVecs > 2 ? 2 : 0];
  [[maybe_unused]] const float* bp3 = t.b[kVecs > 3 ? 3 : 0];

  V start0 = hn::Zero(d);
  [[maybe_unused]] V start1 = start0, start2 = start0, start3 = start0;
  if (t.bias != nullptr) {
    start0 = hn::LoadU(d, t.bias);
    if constexpr (kVecs > 1) start1 = hn::LoadU(d, t.bias + N);
    if constexpr (kVecs > 2) start2 = hn::LoadU(d, t.bias + 2 * N);
    if constexpr (kVecs > 3) start3 = hn::LoadU(d, t.bias + 3 * N);
  }
  TEMPER_TILE_ROWS(TEMPER_TILE_DECLARE)
  if (t.load_c) {
    TEMPER_TILE_ROWS(TEMPER_TILE_LOAD)
  }

  const Walk& walk = t.walk;
  size_t left = walk.count;
  size_t row = walk.first_row;
  size_t image_at = 0;                 // where the image begins
  size_t at = row * walk.row_step + walk.first_col * walk.col_step;
  size_t dense = 0;
  size_t length = walk.cols - walk.first_col;
  while (left != 0) {
    length = std::min(length, left);
    left -= length;
    if constexpr (kMode == Mode::kPacked) {
      const size_t end = at + length;
#define TEMPER_TILE_A(r) a##r + at
      for (; at + 2 <= end; at += 2, dense += 2 * kPanel) {
        TEMPER_TILE_STEP(dense);
#undef TEMPER_TILE_A
#define TEMPER_TILE_A(r) a##r + at + 1
        TEMPER_TILE_STEP(dense + kPanel);
      }
#undef TEMPER_TILE_A
#define TEMPER_TILE_A(r) a##r + at
      if (at != end) {
        TEMPER_TILE_STEP(dense);
        dense += kPanel;
      }
    } else if constexpr (kMode == Mode::kPointers) {
      for (size_t i = 0; i < length; ++i) {
        TEMPER_TILE_STEP(dense);
        at += walk.col_step;
        dense += t.dense_step;
      }
#undef TEMPER_TILE_A
    } else {
      const float* a = a0 + dense;
      dense += length * t.dense_step;
#define TEMPER_TILE_A(r) a + r
      for (size_t i = 0; i < length; ++i) {
        TEMPER_TILE_STEP(at);
        at += walk.col_step;
        a += t.dense_step;
      }
#undef TEMPER_TILE_A
    }
    if (++row == walk.rows) {
      row = 0;
      image_at += walk.image_step;
    }
    at = image_at + row * walk.row_step;
    length = walk.cols;
  }

  if (t.add_c) {
    TEMPER_TILE_ROWS(TEMPER_TILE_ADD)
  }
  TEMPER_TILE_ROWS(TEMPER_TILE_STORE)
}

using TileFunction = void (*)(const TileArgs&);

// The tile of `rows` rows; sizes that this target lacks are null.
template <int kVecs, Mode kMode>
HWY_INLINE TileFunction TileOfRows(size_t rows) {
#define TEMPER_TILE_POINTER(r) \
  &Tile<(r < MaxRows(kVecs) ? r + 1 : 1), kVecs, kMode>,
  static constexpr TileFunction kTiles[] = {
      TEMPER_TILE_ROWS(TEMPER_TILE_POINTER)};
#undef TEMPER_TILE_POINTER
  return kTiles[rows - 1];
}

template <Mode kMode>
HWY_INLINE TileFunction FindTile(size_t rows, size_t vecs) {
  switch (vecs) {
    case 1: return TileOfRows<1, kMode>(rows);
    case 2: return TileOfRows<2, kMode>(rows);
    case 3: return TileOfRows<3, kMode>(rows);
    default: return TileOfRows<4, kMode>(rows);
  }
}

// How rows x vecs are cut into equal tiles. Cost of a tile's step in half
// cycles of a core with two FMA and two load pipes: FMAs, loads, or the latency
// of the chains. It decides speed only.
struct Cut {
  size_t row_tiles, vec_tiles;
};
HWY_INLINE Cut ChooseCut(size_t rows, size_t vecs) {
  Cut best = {};
  size_t best_cost = ~size_t{0};
  for (size_t v = 1; v <= std::min(vecs, kMaxTileVectors); ++v) {
    const Cut cut = {DivUp(rows, MaxRows(static_cast<int>(v))), DivUp(vecs, v)};
    const size_t r = DivUp(rows, cut.row_tiles);
    const size_t step = std::max(std::max(r * v, r + v), size_t{8});
    const size_t cost = cut.row_tiles * cut.vec_tiles * (16 * step + r + v);
    if (cost < best_cost) best = cut, best_cost = cost;
  }
  return best;
}

template <Mode kMode>
void ProductTiles(const Product& p, size_t pixel_begin, size_t pixel_end,
                  size_t col_begin, size_t col_end) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  const size_t pixels = pixel_end - pixel_begin;
  const size_t vecs = DivUp(col_end - col_begin, N);
  const Cut cut = ChooseCut(pixels, vecs);
  TileArgs t;
  t.load_c = p.accumulate;
  t.add_c = false;
  t.dense_step = p.b_step;
  t.walk = p.walk;
  const size_t first_col = pixel_begin % p.cols;
  const size_t first_row = pixel_begin / p.cols % p.rows;
  const size_t first_image = pixel_begin / p.cols / p.rows;
  for (size_t i = 0; i < cut.vec_tiles; ++i) {
    const size_t vec = vecs * i / cut.vec_tiles;
    const size_t tile_vecs = vecs * (i + 1) / cut.vec_tiles - vec;
    const size_t j = col_begin + vec * N;
    for (size_t v = 0; v < tile_vecs; ++v) {
      const size_t column = j + v * N;
      t.b[v] = p.b + column / kPanel * p.b_panel + column % kPanel;
    }
    t.bias = p.bias == nullptr ? nullptr : p.bias + j;
    t.last = std::min(N, col_end - (j + (tile_vecs - 1) * N));
    size_t col = first_col, row = first_row, image = first_image;
    size_t a_at = image * p.a_image + row * p.a_row + col * p.a_col;
    size_t c_at = image * p.c_image + row * p.c_row + col * p.c_col + j;
    for (size_t k = 0; k < cut.row_tiles; ++k) {
      const size_t tile_rows = pixels * (k + 1) / cut.row_tiles -
                               pixels * k / cut.row_tiles;
      for (size_t r = 0; r < tile_rows; ++r) {
        t.a[r] = p.a + a_at;
        t.c[r] = p.c + c_at;
        a_at += p.a_col;
        c_at += p.c_col;
        if (++col == p.cols) {
          col = 0;
          if (++row == p.rows) row = 0, ++image;
          a_at = image * p.a_image + row * p.a_row;
          c_at = image * p.c_image + row * p.c_row + j;
        }
      }
      FindTile<kMode>(tile_rows, tile_vecs)(t);
    }
  }
}

void ProductRange(const Product& p, size_t pixel_begin, size_t pixel_end,
                  size_t col_begin, size_t col_end) {
  if (p.b_step == kPanel && p.walk.col_step == 1) {
    ProductTiles<Mode::kPacked>(p, pixel_begin, pixel_end, col_begin, col_end);
  } else {
    ProductTiles<Mode::kPointers>(p, pixel_begin, pixel_end, col_begin,
                                  col_end);
  }
}

template <Mode kMode>
void ReductionTiles(const Reduction& r) {
  const Lanes16 d;
  const size_t N = hn::Lanes(d);
  const size_t vecs = DivUp(r.cols, N);
  const Cut cut = ChooseCut(r.rows, vecs);
  TileArgs t;
  t.load_c = r.resume;
  t.add_c = r.add;
  t.bias = nullptr;
  t.dense_step = r.dense_step;
  t.walk = r.walk;
  for (size_t i = 0; i < cut.vec_tiles; ++i) {
    const size_t vec = vecs * i / cut.vec_tiles;
    const size_t tile_vecs = vecs * (i + 1) / cut.vec_tiles - vec;
    const size_t j = vec * N;
    for (size_t v = 0; v < tile_vecs; ++v) t.b[v] = r.b + j + v * N;
    t.last = std::min(N, r.cols - (j + (tile_vecs - 1) * N));
    for (size_t k = 0; k < cut.row_tiles; ++k) {
      const size_t begin = r.rows * k / cut.row_tiles;
      const size_t end = r.rows * (k + 1) / cut.row_tiles;
      for (size_t row = begin; row < end; ++row) {
        t.a[row - begin] =
            r.a + (r.a_offsets == nullptr ? row : r.a_offsets[row]);
        t.c[row - begin] = r.c + row * r.ldc + j;
      }
      FindTile<kMode>(end - begin, tile_vecs)(t);
    }
  }
}

void ReductionRange(const Reduction& r) {
  if (r.a_offsets == nullptr) {
    ReductionTiles<Mode::kColumns>(r);
  } else {
    ReductionTiles<Mode::kPointers>(r);
  }
}

// One panel of B: columns [0, cols) of kPanel, the others zero.
HWY_INLINE void PackPanel(size_t k, size_t cols, const float* b,
                          size_t k_stride, size_t n_stride,
                          float* HWY_RESTRICT packed) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  // B lies transposed: 4 x 4 blocks through registers.
  if (k_stride == 1) {
    const hn::FixedTag<float, 4> d;
    for (; i + 4 <= k; i += 4) {
      size_t j = 0;
      for (; j + 4 <= cols; j += 4) {
        const float* from = b + i + j * n_stride;
        float* to = packed + i * kPanel + j;
        const auto r0 = hn::LoadU(d, from);
        const auto r1 = hn::LoadU(d, from + n_stride);
        const auto r2 = hn::LoadU(d, from + 2 * n_stride);
        const auto r3 = hn::LoadU(d, from + 3 * n_stride);
        const auto lo01 = hn::InterleaveLower(d, r0, r1);
        const auto lo23 = hn::InterleaveLower(d, r2, r3);
        const auto hi01 = hn::InterleaveUpper(d, r0, r1);
        const auto hi23 = hn::InterleaveUpper(d, r2, r3);
        hn::StoreU(hn::ConcatLowerLower(d, lo23, lo01), d, to);
        hn::StoreU(hn::ConcatUpperUpper(d, lo23, lo01), d, to + kPanel);
        hn::StoreU(hn::ConcatLowerLower(d, hi23, hi01), d, to + 2 * kPanel);
        hn::StoreU(hn::ConcatUpperUpper(d, hi23, hi01), d, to + 3 * kPanel);
      }
      for (size_t u = 0; u < 4; ++u) {
        float* to = packed + (i + u) * kPanel;
        for (size_t q = j; q < cols; ++q) to[q] = b[i + u + q * n_stride];
        for (size_t q = cols; q < kPanel; ++q) to[q] = 0.0f;
      }
    }
  }
#endif
  for (; i < k; ++i) {
    const float* from = b + i * k_stride;
    float* to = packed + i * kPanel;
    for (size_t j = 0; j < cols; ++j) to[j] = from[j * n_stride];
    for (size_t j = cols; j < kPanel; ++j) to[j] = 0.0f;
  }
}

void PackPanels(size_t panel_begin, size_t panel_end, size_t k, size_t n,
                const float* b, size_t k_stride, size_t n_stride,
                float* packed) {
  for (size_t panel = panel_begin; panel < panel_end; ++panel) {
    const size_t j = panel * kPanel;
    PackPanel(k, std::min(kPanel, n - j), b + j * n_stride, k_stride, n_stride,
              packed + j * k);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
