// The rows of a register tile, written out: accumulators, loads, FMAs, stores.
// SVE vectors cannot be elements of arrays, so that each accumulator is a named
// variable acc<row>_<vector>, and rows that a template does not have vanish by
// `if constexpr`. The names that the macros use (V, d, N, kRows, kVecs, t, p0,
// bp0, a_step, ...) are those of Tile in gemm-inl.h.
// Next: gemm-inl.h, winograd_product-inl.h.
#ifndef TEMPER_SIMD_TILE_MACROS_H_
#define TEMPER_SIMD_TILE_MACROS_H_

#define TEMPER_TILE_ROWS(X) \
  X(0)                      \
  X(1)                      \
  X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

// Without this GCC loads all elements of A early and spills accumulators. No
// load crosses it; it emits no instruction.
#if HWY_ARCH_ARM
#define TEMPER_TILE_FENCE __asm__ volatile("" ::: "memory")
#else
#define TEMPER_TILE_FENCE
#endif

#define TEMPER_TILE_DECLARE(r)                                 \
  [[maybe_unused]] V acc##r##_0 = start0, acc##r##_1 = start1, \
                     acc##r##_2 = start2, acc##r##_3 = start3;

#define TEMPER_TILE_LOAD(r)                                        \
  if constexpr (kRows > r) {                                       \
    const float* c = TEMPER_TILE_C(r);                             \
    if constexpr (kVecs > 1) acc##r##_0 = hn::LoadU(d, c);         \
    if constexpr (kVecs > 2) acc##r##_1 = hn::LoadU(d, c + N);     \
    if constexpr (kVecs > 3) acc##r##_2 = hn::LoadU(d, c + 2 * N); \
    const V last = LoadLast(d, t.last, c + (kVecs - 1) * N);       \
    if constexpr (kVecs == 1) acc##r##_0 = last;                   \
    if constexpr (kVecs == 2) acc##r##_1 = last;                   \
    if constexpr (kVecs == 3) acc##r##_2 = last;                   \
    if constexpr (kVecs == 4) acc##r##_3 = last;                   \
  }

#define TEMPER_TILE_ADD(r)                                            \
  if constexpr (kRows > r) {                                          \
    const float* c = TEMPER_TILE_C(r);                                \
    const V last = LoadLast(d, t.last, c + (kVecs - 1) * N);          \
    if constexpr (kVecs == 1) acc##r##_0 = hn::Add(last, acc##r##_0); \
    if constexpr (kVecs == 2) acc##r##_1 = hn::Add(last, acc##r##_1); \
    if constexpr (kVecs == 3) acc##r##_2 = hn::Add(last, acc##r##_2); \
    if constexpr (kVecs == 4) acc##r##_3 = hn::Add(last, acc##r##_3); \
    if constexpr (kVecs > 1)                                          \
      acc##r##_0 = hn::Add(hn::LoadU(d, c), acc##r##_0);              \
    if constexpr (kVecs > 2)                                          \
      acc##r##_1 = hn::Add(hn::LoadU(d, c + N), acc##r##_1);          \
    if constexpr (kVecs > 3)                                          \
      acc##r##_2 = hn::Add(hn::LoadU(d, c + 2 * N), acc##r##_2);      \
  }

#define TEMPER_TILE_STORE(r)                                         \
  if constexpr (kRows > r) {                                         \
    float* c = TEMPER_TILE_C(r);                                     \
    if constexpr (kVecs > 1) hn::StoreU(acc##r##_0, d, c);           \
    if constexpr (kVecs > 2) hn::StoreU(acc##r##_1, d, c + N);       \
    if constexpr (kVecs > 3) hn::StoreU(acc##r##_2, d, c + 2 * N);   \
    float* const end = c + (kVecs - 1) * N;                          \
    if constexpr (kVecs == 1) StoreLast(d, acc##r##_0, t.last, end); \
    if constexpr (kVecs == 2) StoreLast(d, acc##r##_1, t.last, end); \
    if constexpr (kVecs == 3) StoreLast(d, acc##r##_2, t.last, end); \
    if constexpr (kVecs == 4) StoreLast(d, acc##r##_3, t.last, end); \
  }

// Where row r's element of A and its results lie.
#define TEMPER_TILE_POINTER(r) \
  [[maybe_unused]] const float* const a##r = t.a[r < kRows ? r : 0];
#define TEMPER_TILE_C(r) \
  (kMode == Mode::kPointers ? t.c[r] : t.c[0] + r * t.c_step)
#define TEMPER_TILE_A_POINTERS(r) (a##r)[at]
#define TEMPER_TILE_A_COLUMNS(r) a[r]
// Three rows per pointer: the address of each is pointer + {0, 1, 2} * step.
#define TEMPER_TILE_A_ROWS(r) TEMPER_TILE_A_ROWS_PLUS(r, 0)
#define TEMPER_TILE_A_ROWS_1(r) TEMPER_TILE_A_ROWS_PLUS(r, 1)
#define TEMPER_TILE_A_ROWS_PLUS(r, k) \
  (r / 3 == 0   ? p0                  \
   : r / 3 == 1 ? p3                  \
   : r / 3 == 2 ? p6                  \
   : r / 3 == 3 ? p9                  \
   : r / 3 == 4 ? p12                 \
                : p15)[r % 3 * a_step + k]

#define TEMPER_TILE_FMA(r, element)                                      \
  if constexpr (kRows > r) {                                             \
    const V x = hn::Set(d, element);                                     \
    acc##r##_0 = hn::MulAdd(x, b0, acc##r##_0);                          \
    if constexpr (kVecs > 1) acc##r##_1 = hn::MulAdd(x, b1, acc##r##_1); \
    if constexpr (kVecs > 2) acc##r##_2 = hn::MulAdd(x, b2, acc##r##_2); \
    if constexpr (kVecs > 3) acc##r##_3 = hn::MulAdd(x, b3, acc##r##_3); \
    if constexpr (r % 2 == 1) {                                          \
      TEMPER_TILE_FENCE;                                                 \
    }                                                                    \
  }
#define TEMPER_TILE_FMA_POINTERS(r) \
  TEMPER_TILE_FMA(r, TEMPER_TILE_A_POINTERS(r))
#define TEMPER_TILE_FMA_COLUMNS(r) TEMPER_TILE_FMA(r, TEMPER_TILE_A_COLUMNS(r))
#define TEMPER_TILE_FMA_ROWS(r) TEMPER_TILE_FMA(r, TEMPER_TILE_A_ROWS(r))
#define TEMPER_TILE_FMA_ROWS_1(r) TEMPER_TILE_FMA(r, TEMPER_TILE_A_ROWS_1(r))

// One step of the sum: B's vectors at offset kb, then every row.
#define TEMPER_TILE_STEP(kb, fma)                           \
  do {                                                      \
    const V b0 = hn::LoadU(d, bp0 + (kb));                  \
    [[maybe_unused]] V b1 = b0, b2 = b0, b3 = b0;           \
    if constexpr (kVecs > 1) b1 = hn::LoadU(d, bp1 + (kb)); \
    if constexpr (kVecs > 2) b2 = hn::LoadU(d, bp2 + (kb)); \
    if constexpr (kVecs > 3) b3 = hn::LoadU(d, bp3 + (kb)); \
    TEMPER_TILE_ROWS(fma)                                   \
  } while (0)

#endif  // TEMPER_SIMD_TILE_MACROS_H_
