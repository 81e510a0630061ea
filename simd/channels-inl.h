// What the kernels with lanes over channels share (norm, depthwise, pool): tail
// access for channel counts that are no multiple of the vector, sums over rows,
// and a walk over rows x channels with per-channel coefficients in registers.
//
// Nothing here changes a sum's order: a channel is always one chain over
// ascending rows, wherever its lane happens to lie.
// Next: norm-inl.h, depthwise-inl.h, pool-inl.h.
#if defined(TEMPER_SIMD_CHANNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SIMD_CHANNELS_INL_H_
#undef TEMPER_SIMD_CHANNELS_INL_H_
#else
#define TEMPER_SIMD_CHANNELS_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "simd/lanes-inl.h"
#include "simd/rows.h"

HWY_BEFORE_NAMESPACE();
namespace temper::simd {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// How a kernel's body sees one vector of channels: the tag and vector type, and
// loads and stores of its channels only. LoadAll and StoreAll move whole
// vectors (tables and partial results are padded to 16 floats).
template <class D>
struct VectorOps {
  using V = hn::Vec<D>;
  HWY_INLINE V LoadAll(const float* p) const { return hn::LoadU(D(), p); }
  HWY_INLINE void StoreAll(V v, float* p) const { hn::StoreU(v, D(), p); }
  HWY_INLINE V Set(float value) const { return hn::Set(D(), value); }
  HWY_INLINE V Zero() const { return hn::Zero(D()); }
};

// Whole vectors.
template <class D>
struct WholeVector : VectorOps<D> {
  using V = hn::Vec<D>;
  HWY_INLINE V Load(const float* p) const { return hn::LoadU(D(), p); }
  HWY_INLINE void Store(V v, float* p) const { hn::StoreU(v, D(), p); }
};

// The first `count` lanes, 0 < count < lanes. Unlike PartAccess it is fast
// enough for inner loops: lanes past `count` hold anything (inputs have a
// readable tail, rows.h), and they are never stored.
template <class D>
struct TailVector : VectorOps<D> {
  using V = hn::Vec<D>;
  explicit HWY_INLINE TailVector(size_t n) : count(n) {}
  HWY_INLINE V Load(const float* p) const {
#if HWY_HAVE_SCALABLE || HWY_MAX_BYTES >= 32
    return hn::MaskedLoad(hn::FirstN(D(), count), D(), p);
#else
    return hn::LoadU(D(), p);
#endif
  }
  HWY_INLINE void Store(V v, float* p) const {
#if HWY_HAVE_SCALABLE || HWY_MAX_BYTES >= 32
    hn::BlendedStore(v, hn::FirstN(D(), count), D(), p);
#else
    // Without store masks a blend would write the neighbour's bytes.
    HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
    hn::Store(v, D(), lanes);
    for (size_t i = 0; i < count; ++i) p[i] = lanes[i];
#endif
  }
  size_t count;
};

template <class Access>
HWY_INLINE void StoreVector(Access access, typename Access::V v, float* y) {
  access.Store(v, y);
}
// `start`, which also lies at `memory`.
template <class Access>
HWY_INLINE typename Access::V Copy(Access, typename Access::V start,
                                   const float*) {
  return start;
}
// On 64-bit Arm the vector pipes are the bottleneck: stores and copies between
// registers use them in addition to the multiply-adds. On the Cortex-A76 a
// `str` of a vector takes two of their slots, an `st1` one, and a load none
// (LLVM's model, bench/mca.md). Compilers choose `str`.
#if HWY_ARCH_ARM_A64 && !HWY_HAVE_SCALABLE && HWY_TARGET != HWY_SCALAR && \
    HWY_TARGET != HWY_EMU128
template <class D>
HWY_INLINE void StoreVector(WholeVector<D>, typename WholeVector<D>::V v,
                            float* y) {
  __asm__("st1 {%1.4s}, [%2]"
          : "=m"(*reinterpret_cast<float(*)[4]>(y))
          : "w"(v.raw), "r"(y));
}
template <class D>
HWY_INLINE typename WholeVector<D>::V Copy(WholeVector<D>,
                                           typename WholeVector<D>::V,
                                           const float* memory) {
  typename WholeVector<D>::V copy;
  __asm__ volatile("ldr %q0, %1"
                   : "=w"(copy.raw)
                   : "m"(*reinterpret_cast<const float(*)[4]>(memory)));
  return copy;
}
#endif

// Eight channels are common and sixteen lanes are too many for them.
using Lanes8 = hn::CappedTag<float, 8>;

// Calls body(access, c) for vectors that cover the channels [begin, end).
template <class Body>
HWY_INLINE void ForEachChannelVector(size_t begin, size_t end, Body&& body) {
  const size_t N = hn::Lanes(Lanes16());
  size_t c = begin;
  for (; c + N <= end; c += N) body(WholeVector<Lanes16>(), c);
  const size_t half = hn::Lanes(Lanes8());
  if (half < N && c + half <= end) {
    body(WholeVector<Lanes8>(), c);
    c += half;
  }
  if (c < end) body(TailVector<Lanes8>(end - c), c);
}

// acc[j] = term(access, acc[j], r * stride + j, j) for every row r in ascending
// order and every j < count. Rows are taken in tiles, so that memory is walked
// forward while four chains at a time stay in registers.
// acc: RoundUp(count, 16) floats.
template <class Term>
HWY_INLINE void ReduceRows(size_t rows, size_t stride, size_t count,
                           float* HWY_RESTRICT acc, Term&& term) {
  const WholeVector<Lanes16> full;
  const size_t N = hn::Lanes(Lanes16());
  const size_t tile = 8 + 2048 / count;
  for (size_t begin = 0; begin < rows; begin += tile) {
    const size_t end = rows - begin < tile ? rows : begin + tile;
    size_t j = 0;
    for (; j + 4 * N <= count; j += 4 * N) {
      auto a0 = full.LoadAll(acc + j);
      auto a1 = full.LoadAll(acc + j + N);
      auto a2 = full.LoadAll(acc + j + 2 * N);
      auto a3 = full.LoadAll(acc + j + 3 * N);
      for (size_t r = begin; r < end; ++r) {
        const size_t i = r * stride + j;
        a0 = term(full, a0, i, j);
        a1 = term(full, a1, i + N, j + N);
        a2 = term(full, a2, i + 2 * N, j + 2 * N);
        a3 = term(full, a3, i + 3 * N, j + 3 * N);
      }
      full.StoreAll(a0, acc + j);
      full.StoreAll(a1, acc + j + N);
      full.StoreAll(a2, acc + j + 2 * N);
      full.StoreAll(a3, acc + j + 3 * N);
    }
    ForEachChannelVector(j, count, [&](auto access, size_t k) HWY_ATTR {
      auto a = access.LoadAll(acc + k);
      for (size_t r = begin; r < end; ++r) {
        a = term(access, a, r * stride + k, k);
      }
      access.StoreAll(a, acc + k);
    });
  }
}

// Whether the coefficients of four vectors stay in registers. Then rows are
// walked four vectors at a time: from outer caches and memory, several
// neighbouring lines of a row arrive faster than one line of every row.
inline constexpr bool kFourAbreast =
    (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64;

inline constexpr size_t kTableLength = 512;

// Calls body(access, i, stride, count, table) for columns of vectors that cover
// the rows [begin, end) of a rows x channels matrix: the vectors at the flat
// indices i, i + stride, ..., `count` of them. They share their coefficients:
// coefficient k of the lanes is table[k * kTableLength], to be loaded once per
// call. fill(first_channel, count, tables) computes the coefficients. With
// kFourAbreast, abreast(i, stride, count, table) does four neighbouring columns
// of whole vectors at once.
//
// Few channels: the coefficients are repeated until they fill whole vectors and
// the matrix is walked as one flat array, so that 8 channels use 16 lanes and 3
// channels waste none. Many channels: block after block of kTableLength. Rows
// are taken in tiles that stay in the first-level cache.
template <size_t kTables, class Fill, class Body, class Abreast>
HWY_INLINE void ForEachColumn(size_t begin, size_t end, size_t channels,
                              Fill&& fill, Body&& body, Abreast&& abreast) {
  HWY_ALIGN float tables[kTables * kTableLength];
  const size_t N = hn::Lanes(Lanes16());
  // The least common multiple: N is a power of two.
  size_t unit = channels;
  while (unit % N != 0) unit *= 2;
  if (unit <= kTableLength) {
    const size_t n = (end - begin) * channels;
    const size_t lines = n / unit;
    fill(size_t{0}, channels, tables);
    for (size_t k = 0; k < kTables; ++k) {
      float* table = tables + k * kTableLength;
      for (size_t j = channels; j < unit; ++j) table[j] = table[j - channels];
    }
    size_t i = begin * channels;
    const size_t tile = 4 + 4096 / unit;
    for (size_t line = 0; line < lines; line += tile) {
      const size_t count = lines - line < tile ? lines - line : tile;
      size_t j = 0;
      for (; kFourAbreast && j + 4 * N <= unit; j += 4 * N) {
        abreast(i + j, unit, count, tables + j);
      }
      for (; j < unit; j += N) {
        body(WholeVector<Lanes16>(), i + j, unit, count, tables + j);
      }
      i += count * unit;
    }
    ForEachChannelVector(0, n - lines * unit,
                         [&](auto access, size_t j) HWY_ATTR {
                           body(access, i + j, unit, size_t{1}, tables + j);
                         });
    return;
  }
  for (size_t first = 0; first < channels; first += kTableLength) {
    const size_t left = channels - first;
    const size_t columns = left < kTableLength ? left : kTableLength;
    fill(first, columns, tables);
    const size_t tile = 4 + 4096 / columns;
    for (size_t r = begin; r < end; r += tile) {
      const size_t count = end - r < tile ? end - r : tile;
      const size_t i = r * channels + first;
      size_t j = 0;
      for (; kFourAbreast && j + 4 * N <= columns; j += 4 * N) {
        abreast(i + j, channels, count, tables + j);
      }
      ForEachChannelVector(j, columns, [&](auto access, size_t k) HWY_ATTR {
        body(access, i + k, channels, count, tables + k);
      });
    }
  }
}

// Without the variant for four columns at once.
template <size_t kTables, class Fill, class Body>
HWY_INLINE void ForEachColumn(size_t begin, size_t end, size_t channels,
                              Fill&& fill, Body&& body) {
  ForEachColumn<kTables>(
      begin, end, channels, fill, body,
      [&](size_t i, size_t stride, size_t count, const float* table) HWY_ATTR {
        const size_t N = hn::Lanes(Lanes16());
        for (size_t v = 0; v < 4 * N; v += N)
          body(WholeVector<Lanes16>(), i + v, stride, count, table + v);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::simd
HWY_AFTER_NAMESPACE();
#endif  // toggle
