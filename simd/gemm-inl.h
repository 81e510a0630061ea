// The register tile of every matrix product and convolution, and the two loops
// over it. Contracts: tile.h, gemm.h.
//
//   acc[r][v] = fma(a[r], b[v], acc[r][v])      for every step of the sum
//
// kRows x kVecs accumulators stay in registers: each is a named variable, made
// by tile_macros.h.
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
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "simd/gemm.h"
#include "simd/gemm_half-inl.h"
#include "simd/lanes-inl.h"
#include "simd/tile.h"
#include "simd/tile_macros.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Most rows of a tile of `vecs` vectors: accumulators, vectors of B and one
// broadcast must fit the register file (32 registers, or 16 and fewer).
constexpr int MaxRows(int vecs) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  constexpr int rows[] = {16, 14, 9, 6};
#elif HWY_ARCH_ARM_A64
  constexpr int rows[] = {16, 12, 8, 6};
#elif HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  constexpr int rows[] = {4, 4, 4, 3};
#else
  constexpr int rows[] = {12, 6, 4, 2};
#endif
  return rows[vecs - 1];
}

// A tile's last vector of columns may be partial. AVX-512 and SVE mask it; on
// other targets the tile then works on a buffer (kMasks false).
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_TARGET == HWY_SVE || \
    HWY_TARGET == HWY_SVE2
inline constexpr bool kMasks = true;
template <class D>
HWY_INLINE hn::Vec<D> LoadLast(D d, size_t count, const float* p) {
  return hn::MaskedLoad(hn::FirstN(d, count), d, p);
}
template <class D>
HWY_INLINE void StoreLast(D d, hn::Vec<D> v, size_t count, float* p) {
  hn::BlendedStore(v, hn::FirstN(d, count), d, p);
}
#else
inline constexpr bool kMasks = false;
template <class D>
HWY_INLINE hn::Vec<D> LoadLast(D d, size_t, const float* p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE void StoreLast(D d, hn::Vec<D> v, size_t, float* p) {
  hn::StoreU(v, d, p);
}
#endif

// A remainder of at most half a vector of columns is left to half vectors. They
// cost half on CPUs that split AVX-512 operations in two, and no more than
// whole ones on others.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
using TailLanes = hn::CappedTag<float, 8>;
inline constexpr size_t kTailColumns = 8;
#else
using TailLanes = Lanes16;
inline constexpr size_t kTailColumns = 0;
#endif
HWY_INLINE size_t TailColumns(size_t cols) {
  const size_t tail = cols % hn::Lanes(Lanes16());
  return tail <= kTailColumns ? tail : 0;
}

// How the rows of a tile find A and C. B is read at b[v] + offset.
enum class Mode {
  kPointers,  // row r: a[r] + walk, c[r]; B dense
  kRows,      // row r: a[0] + r * a_step + walk in steps of 1; B dense
  kColumns    // row r: a[0] + r, dense; B walked
};

struct TileArgs {
  const float* a[kMaxTileRows];
  float* c[kMaxTileRows];
  size_t a_step, c_step;  // between rows, except with kPointers
  const float* b[kMaxTileVectors];
  const float* bias;  // null: +0
  size_t last;        // valid columns of the last vector
  bool load_c;        // the chains start from c
  bool add_c;         // c = c + chain
  size_t dense_step;
  Walk walk;
};

template <class D, int kRows, int kVecs, Mode kMode>
HWY_NOINLINE void Tile(const TileArgs& t) {
  const D d;
  using V = hn::Vec<D>;
  const size_t N = hn::Lanes(d);
  const float* const bp0 = t.b[0];
  [[maybe_unused]] const float* const bp1 = t.b[kVecs > 1 ? 1 : 0];
  [[maybe_unused]] const float* const bp2 = t.b[kVecs > 2 ? 2 : 0];
  [[maybe_unused]] const float* const bp3 = t.b[kVecs > 3 ? 3 : 0];

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

  const Walk walk = t.walk;
  size_t left = walk.count;
  size_t row = walk.first_row;
  size_t line = row * walk.row_step;  // where the walk's row begins
  size_t image = 0;
  size_t at = line + walk.first_col * walk.col_step;
  size_t dense = 0;
  const size_t dense_step = t.dense_step;
  size_t length = walk.cols - walk.first_col;
  while (left != 0) {
    length = std::min(length, left);
    left -= length;
    if constexpr (kMode == Mode::kPointers) {
      TEMPER_TILE_ROWS(TEMPER_TILE_POINTER)
      for (size_t i = 0; i < length; ++i) {
        TEMPER_TILE_STEP(dense, TEMPER_TILE_FMA_POINTERS);
        at += walk.col_step;
        dense += dense_step;
      }
    } else if constexpr (kMode == Mode::kRows) {
      const size_t a_step = t.a_step;
      const float* p0 = t.a[0] + at;
      const float* p3 = kRows > 3 ? p0 + 3 * a_step : p0;
      const float* p6 = kRows > 6 ? p3 + 3 * a_step : p0;
      const float* p9 = kRows > 9 ? p6 + 3 * a_step : p0;
      const float* p12 = kRows > 12 ? p9 + 3 * a_step : p0;
      const float* p15 = kRows > 15 ? p12 + 3 * a_step : p0;
      size_t i = length;
// Not on Arm, where GCC spills if two steps follow each other (bench/mca.md).
#if !HWY_ARCH_ARM
      for (; i >= 2; i -= 2) {
        TEMPER_TILE_STEP(dense, TEMPER_TILE_FMA_ROWS);
        dense += dense_step;
        TEMPER_TILE_STEP(dense, TEMPER_TILE_FMA_ROWS_1);
        dense += dense_step;
        p0 += 2, p3 += 2, p6 += 2, p9 += 2, p12 += 2, p15 += 2;
      }
#endif
      for (; i != 0; --i) {
        TEMPER_TILE_STEP(dense, TEMPER_TILE_FMA_ROWS);
        dense += dense_step;
        ++p0, ++p3, ++p6, ++p9, ++p12, ++p15;
      }
    } else {
      const float* a = t.a[0] + dense;
      dense += length * dense_step;
      for (size_t i = 0; i < length; ++i) {
        TEMPER_TILE_STEP(at, TEMPER_TILE_FMA_COLUMNS);
        at += walk.col_step;
        a += dense_step;
      }
    }
    line += walk.row_step;
    if (++row == walk.rows) {
      row = 0;
      image += walk.image_step;
      line = image;
    }
    at = line;
    length = walk.cols;
  }

  if (t.add_c) {
    TEMPER_TILE_ROWS(TEMPER_TILE_ADD)
  }
  TEMPER_TILE_ROWS(TEMPER_TILE_STORE)
}

using TileFunction = void (*)(const TileArgs&);

// The tile of `rows` rows, at most MaxRows(kVecs).
template <class D, int kVecs, Mode kMode>
HWY_INLINE TileFunction TileOfRows(size_t rows) {
#define TEMPER_TILE_ENTRY(r) \
  &Tile<D, (r < MaxRows(kVecs) ? r + 1 : 1), kVecs, kMode>,
  static constexpr TileFunction kTiles[] = {
      TEMPER_TILE_ROWS(TEMPER_TILE_ENTRY)};
#undef TEMPER_TILE_ENTRY
  return kTiles[rows - 1];
}

template <class D, Mode kMode>
HWY_INLINE TileFunction FindTile(size_t rows, size_t vecs) {
  if constexpr (!std::is_same_v<D, Lanes16>)
    return TileOfRows<D, 1, kMode>(rows);
  switch (vecs) {
    case 1:
      return TileOfRows<D, 1, kMode>(rows);
    case 2:
      return TileOfRows<D, 2, kMode>(rows);
    case 3:
      return TileOfRows<D, 3, kMode>(rows);
    default:
      return TileOfRows<D, 4, kMode>(rows);
  }
}

// How rows x vecs are cut into nearly equal tiles. The rows are `lines` lines
// of `rows` rows each, cut on their own.
struct Cut {
  size_t row_tiles, vec_tiles;  // per line
  size_t rows, taller;  // the first `taller` tiles have rows + 1, others rows
  size_t lines;
  uint64_t cost;
};
// The cost of a tile's step in half cycles of a core with two FMA and two load
// pipes: FMAs, loads, or the latency of the chains. It decides speed only.
template <uint32_t kVecs>
HWY_INLINE void TryCut(uint32_t rows, uint32_t lines, uint32_t vecs,
                       bool pointers, Cut& best) {
  if (kVecs > 1 && vecs < kVecs) return;
  constexpr uint32_t rows_most = MaxRows(static_cast<int>(kVecs));
#if HWY_ARCH_X86
  // More row pointers than general registers.
  const uint32_t most =
      pointers ? std::min(rows_most, kVecs == 1 ? 11u : 14u) : rows_most;
#else
  const uint32_t most = rows_most;
#endif
  const uint32_t tiles = (rows + most - 1) / most;
  const uint32_t vec_tiles = (vecs + kVecs - 1) / kVecs;
  const uint32_t base = rows / tiles, taller = rows - base * tiles;
  const uint32_t r = base + (taller != 0 ? 1 : 0);
  uint32_t step = std::max(std::max(r * kVecs, r + kVecs), 12u);
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
  // Three vectors of B and 12 accumulators leave no register to spare.
  if (kVecs == 3) step += step / 8;
#endif
  const uint64_t cost = uint64_t{lines} * tiles * vec_tiles *
                        ((pointers ? 17 : 16) * step + r + kVecs);
  if (cost < best.cost) best = {tiles, vec_tiles, base, taller, lines, cost};
}
HWY_INLINE void TryCuts(size_t rows, size_t lines, size_t vecs, bool pointers,
                        Cut& best) {
  // More than 2^32 rows or vectors do not fit any memory we run in.
  const uint32_t r = static_cast<uint32_t>(rows);
  const uint32_t l = static_cast<uint32_t>(lines);
  const uint32_t v = static_cast<uint32_t>(vecs);
  TryCut<1>(r, l, v, pointers, best);
  TryCut<2>(r, l, v, pointers, best);
  TryCut<3>(r, l, v, pointers, best);
  TryCut<4>(r, l, v, pointers, best);
}

// Runs one tile; a partial last vector goes through a buffer where the target
// has no masks.
template <class D, Mode kMode>
HWY_INLINE void RunTile(TileArgs& t, size_t rows, size_t vecs) {
  const size_t N = hn::Lanes(D());
  if (kMasks || HWY_LIKELY(t.last == N)) {
    FindTile<D, kMode>(rows, vecs)(t);
    return;
  }
  const size_t cols = (vecs - 1) * N + t.last;
  HWY_ALIGN float buffer[kMaxTileRows * kMaxTileVectors * 16];
  float* c[kMaxTileRows];
  float* const first = t.c[0];
  for (size_t r = 0; r < rows; ++r) {
    c[r] = kMode == Mode::kPointers ? t.c[r] : first + r * t.c_step;
    t.c[r] = buffer + r * vecs * N;
    if (t.load_c || t.add_c) std::copy_n(c[r], cols, t.c[r]);
  }
  const size_t c_step = t.c_step;
  t.c_step = vecs * N;
  FindTile<D, kMode>(rows, vecs)(t);
  t.c_step = c_step;
  for (size_t r = 0; r < rows; ++r) {
    std::copy_n(buffer + r * vecs * N, cols, c[r]);
  }
}

template <class D>
void ProductColumns(const Product& p, size_t pixel_begin, size_t pixel_end,
                    size_t col_begin, size_t col_end) {
  const D d;
  const size_t N = hn::Lanes(d);
  const size_t pixels = pixel_end - pixel_begin;
  const size_t vecs = DivUp(col_end - col_begin, N);
  Cut cut = {};
  cut.cost = ~uint64_t{0};
  // Tiles that stay in a line of pixels, or tiles that do not care.
  TryCuts(pixels, 1, vecs, p.cols < pixels, cut);
  if (p.cols < pixels && pixel_begin % p.cols == 0 && pixels % p.cols == 0) {
    TryCuts(p.cols, pixels / p.cols, vecs, false, cut);
  }
  TileArgs t;
  t.load_c = p.accumulate;
  t.add_c = false;
  t.a_step = p.a_col;
  t.c_step = p.c_col;
  t.dense_step = p.b_step;
  t.walk = p.walk;
  // A row of A may be too short for the hardware prefetcher.
  const bool fetch = p.fetch_ahead && p.a_col == p.walk.count;
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
    const float* a = p.a + image * p.a_image + row * p.a_row + col * p.a_col;
    float* c = p.c + image * p.c_image + row * p.c_row + col * p.c_col + j;
    const size_t tiles = cut.row_tiles * cut.lines;
    for (size_t n = 0, k = 0; n < tiles; ++n) {
      const size_t tile_rows = cut.rows + (k < cut.taller ? 1 : 0);
      if (++k == cut.row_tiles) k = 0;
      const bool straight = tile_rows <= p.cols - col;
      if (straight) {
        t.a[0] = a;
        t.c[0] = c;
      }
      for (size_t r = 0; r < tile_rows;) {
        const size_t steps = std::min(tile_rows - r, p.cols - col);
        if (!straight) {
          for (size_t q = 0; q < steps; ++q) {
            t.a[r + q] = a + q * p.a_col;
            t.c[r + q] = c + q * p.c_col;
          }
        }
        r += steps;
        col += steps;
        a += steps * p.a_col;
        c += steps * p.c_col;
        if (col == p.cols) {
          col = 0;
          if (++row == p.rows) row = 0, ++image;
          a = p.a + image * p.a_image + row * p.a_row;
          c = p.c + image * p.c_image + row * p.c_row + j;
        }
      }
      if (HWY_UNLIKELY(fetch &&
                       i == 0)) {  // the next tile's rows; a is there by now
        for (size_t at = 0; at < tile_rows * p.a_col; at += 16) {
          hwy::Prefetch(a + at);
        }
      }
      if (straight) {
        RunTile<D, Mode::kRows>(t, tile_rows, tile_vecs);
      } else {
        RunTile<D, Mode::kPointers>(t, tile_rows, tile_vecs);
      }
    }
  }
}

void ProductRange(const Product& p, size_t pixel_begin, size_t pixel_end,
                  size_t col_begin, size_t col_end) {
  col_end = HalfColumns(p, pixel_begin, pixel_end, col_begin, col_end);
  const size_t whole = col_end - TailColumns(col_end - col_begin);
  if (col_begin != whole) {
    ProductColumns<Lanes16>(p, pixel_begin, pixel_end, col_begin, whole);
  }
  if (whole != col_end) {
    ProductColumns<TailLanes>(p, pixel_begin, pixel_end, whole, col_end);
  }
}

template <class D>
void ReductionColumns(const Reduction& r) {
  const D d;
  const size_t N = hn::Lanes(d);
  const size_t vecs = DivUp(r.cols, N);
  Cut cut = {};
  cut.cost = ~uint64_t{0};
  TryCuts(r.rows, 1, vecs, r.a_offsets != nullptr, cut);
  TileArgs t;
  t.load_c = r.resume;
  t.add_c = r.add;
  t.bias = nullptr;
  t.c_step = r.ldc;
  t.dense_step = r.dense_step;
  t.walk = r.walk;
  for (size_t i = 0; i < cut.vec_tiles; ++i) {
    const size_t vec = vecs * i / cut.vec_tiles;
    const size_t tile_vecs = vecs * (i + 1) / cut.vec_tiles - vec;
    const size_t j = vec * N;
    for (size_t v = 0; v < tile_vecs; ++v) t.b[v] = r.b + j + v * N;
    t.last = std::min(N, r.cols - (j + (tile_vecs - 1) * N));
    size_t begin = 0;
    for (size_t k = 0; k < cut.row_tiles; ++k) {
      const size_t end = begin + cut.rows + (k < cut.taller ? 1 : 0);
      t.c[0] = r.c + begin * r.ldc + j;
      if (r.a_offsets == nullptr) {
        t.a[0] = r.a + begin;
        RunTile<D, Mode::kColumns>(t, end - begin, tile_vecs);
      } else {
        for (size_t row = begin; row < end; ++row) {
          t.a[row - begin] = r.a + r.a_offsets[row];
          t.c[row - begin] = r.c + row * r.ldc + j;
        }
        RunTile<D, Mode::kPointers>(t, end - begin, tile_vecs);
      }
      begin = end;
    }
  }
}

void ReductionRange(const Reduction& r) {
  Reduction part = r;
  part.cols = HalfColumns(r);
  const size_t tail = TailColumns(part.cols);
  part.cols -= tail;
  if (part.cols != 0) ReductionColumns<Lanes16>(part);
  if (tail != 0) {
    part.b += part.cols;
    part.c += part.cols;
    part.cols = tail;
    ReductionColumns<TailLanes>(part);
  }
}

#if HWY_TARGET != HWY_SCALAR
// Transposes 4 rows of 4 floats in every 128-bit block: out k holds element k
// of rows 0 to 3. Pairs of floats move as doubles, which ARMv7 lacks.
#if HWY_HAVE_FLOAT64
using FloatPair = double;
#else
using FloatPair = uint64_t;
#endif
template <class D, class V>
HWY_INLINE void StoreTransposed(D d, V r0, V r1, V r2, V r3, float* to) {
  const hn::Repartition<FloatPair, D> dd;
  const auto lo01 = hn::BitCast(dd, hn::InterleaveLower(d, r0, r1));
  const auto lo23 = hn::BitCast(dd, hn::InterleaveLower(d, r2, r3));
  const auto hi01 = hn::BitCast(dd, hn::InterleaveUpper(d, r0, r1));
  const auto hi23 = hn::BitCast(dd, hn::InterleaveUpper(d, r2, r3));
  const auto store = [&](auto v, size_t k) HWY_ATTR {
    hn::StoreU(hn::BitCast(d, v), d, to + k * kPanel);
  };
  store(hn::InterleaveLower(dd, lo01, lo23), 0);
  store(hn::InterleaveUpper(dd, lo01, lo23), 1);
  store(hn::InterleaveLower(dd, hi01, hi23), 2);
  store(hn::InterleaveUpper(dd, hi01, hi23), 3);
}

// Columns [j, j + kColumns) of kSteps steps of a transposed B: 4 or 8 columns.
constexpr size_t kPackColumns =
    HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 ? size_t{8} : size_t{4};
HWY_INLINE void PackBlock(const float* from, size_t n_stride, float* to) {
  const hn::FixedTag<float, 4> d4;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  const hn::FixedTag<float, 8> d;
  const auto load = [&](size_t j) HWY_ATTR {
    return hn::Combine(d, hn::LoadU(d4, from + (j + 4) * n_stride),
                       hn::LoadU(d4, from + j * n_stride));
  };
#else
  const auto& d = d4;
  const auto load = [&](size_t j)
                        HWY_ATTR { return hn::LoadU(d4, from + j * n_stride); };
#endif
  StoreTransposed(d, load(0), load(1), load(2), load(3), to);
}
#endif

// One panel of B: columns [0, cols) of kPanel, the others zero.
HWY_INLINE void PackPanel(size_t k, size_t cols, const float* b,
                          size_t k_stride, size_t n_stride,
                          float* HWY_RESTRICT packed) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  // B is transposed: blocks go through registers, and a cache line of every
  // column at once, because columns far apart evict each other from the cache.
  if (k_stride == 1) {
    for (; i + 4 <= k;) {
      const size_t steps = std::min<size_t>(16, (k - i) / 4 * 4);
      size_t j = 0;
      for (; j + kPackColumns <= cols; j += kPackColumns) {
        for (size_t u = 0; u < steps; u += 4) {
          PackBlock(b + i + u + j * n_stride, n_stride,
                    packed + (i + u) * kPanel + j);
        }
      }
      for (; j < kPanel; ++j) {
        float* to = packed + i * kPanel + j;
        for (size_t u = 0; u < steps; ++u) {
          to[u * kPanel] = j < cols ? b[i + u + j * n_stride] : 0.0f;
        }
      }
      i += steps;
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
