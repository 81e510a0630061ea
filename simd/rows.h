// The rule by which sums over many rows are cut, so that they have the same
// bits on every target and thread count. A row is one sample or one pixel of
// one sample; `rows` is the actual number in this batch, never the planned one.
//
// The rows are cut into at most 16 chunks of ChunkRows(rows) rows (the last one
// shorter). Inside a chunk one output is one FMA chain in ascending row order;
// the chunk results are combined by the fixed pairwise tree of CombineTree:
// neighbours first ((0+1)+(2+3))+((4+5)+...), a lone last one moves up
// unchanged. 504 is a multiple of 4-, 6-, 8-, 9- and 14-row tiles.
//
// Next: gemm.h and norm.h use it.
#ifndef TEMPER_SIMD_ROWS_H_
#define TEMPER_SIMD_ROWS_H_

#include <cstddef>

namespace temper::simd {

inline constexpr size_t kChunkUnit = 504;
inline constexpr size_t kMaxChunks = 16;

// Every buffer handed to a kernel is followed by at least this many readable
// bytes, whose content does not matter: vector loads may run past the end.
// Stores never do. After activations whose rows are a multiple of 16 floats
// other threads may be writing: vectors of such rows begin at multiples of 16
// and are not loaded past the end (the planner relies on that).
inline constexpr size_t kTailBytes = 64;

constexpr size_t ChunkRows(size_t rows) {
  const size_t most = kChunkUnit * kMaxChunks;
  const size_t units = (rows + most - 1) / most;
  return kChunkUnit * (units == 0 ? 1 : units);
}
constexpr size_t ChunkCount(size_t rows) {
  return (rows + ChunkRows(rows) - 1) / ChunkRows(rows);
}

// A part of the rows. A sum over all rows may be asked for in consecutive
// parts. Rows that the rule does not allow to be summed yet wait for the next
// part, so that the bits do not depend on the parts.
struct RowRange {
  size_t first, count;
  constexpr size_t End() const { return first + count; }
};
// Rows of `done` that a sum in pieces of `piece` rows can take.
constexpr size_t WholePieces(size_t rows, size_t done, size_t piece) {
  return done == rows ? rows : done - done % piece;
}

// A smaller batch may be cut into more chunks than a larger one (8064 rows: 16,
// 8065: 9). Scratch for `rows` must suffice for every smaller number too.
constexpr size_t MostChunks(size_t rows) {
  const size_t units = (rows + kChunkUnit - 1) / kChunkUnit;
  return units < kMaxChunks ? units : kMaxChunks;
}

constexpr size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Combines partial results in place by the tree above: merge(i, j) must fold
// partial j into partial i. The result ends in partial 0.
template <class Merge>
void CombineTree(size_t count, Merge&& merge) {
  for (size_t step = 1; step < count; step *= 2) {
    for (size_t i = 0; i + step < count; i += 2 * step) merge(i, i + step);
  }
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_ROWS_H_
