// Chunked sums in little memory, for the weight gradients. The results of the
// chunks of rows.h are combined while they arrive, like the carries of a binary
// counter: at most kMaxPartials of them exist at once, and the additions are
// those of CombineTree, in number and operands.
//
//   chunk 0 -> [0]            chunk 2 -> [01] [2]
//   chunk 1 -> [0] [1]        chunk 3 -> [01] [2] [3] -> [01] [23] -> [0123]
//            -> [01]          end: fold from the right, the short ones first
//
// Also here: how a weight gradient is cut into units of work.
// Next: gemm.cc (MatMulTransposed), conv_weights.cc.
#ifndef TEMPER_SIMD_PARTIALS_H_
#define TEMPER_SIMD_PARTIALS_H_

#include <algorithm>
#include <cstddef>

#include "simd/gemm.h"
#include "simd/rows.h"
#include "simd/tile.h"

namespace temper::simd {

inline constexpr size_t kMaxPartials = 5;  // for kMaxChunks = 16

// Partials that exist at once while `chunks` chunks are summed.
constexpr size_t PartialCount(size_t chunks) {
  size_t most = 1;
  for (size_t i = 0; i < chunks; ++i) {
    size_t count = 1;  // chunk i itself and one per bit of i
    for (size_t bits = i; bits != 0; bits >>= 1) count += bits & 1;
    most = std::max(most, count);
  }
  return most;
}
static_assert(PartialCount(kMaxChunks) == kMaxPartials);

class PartialStack {
 public:
  // The buffer into which the next chunk is to be summed.
  size_t Top() const { return depth_; }
  // That chunk is complete. merge(into, from) must add buffer `from` to `into`.
  template <class Merge>
  void Push(Merge&& merge) {
    for (size_t carry = chunks_; carry & 1; carry >>= 1, --depth_) {
      merge(depth_ - 1, depth_);
    }
    ++depth_;
    ++chunks_;
  }
  // After the last chunk: the result ends in buffer 0.
  template <class Merge>
  void Finish(Merge&& merge) {
    for (; depth_ > 1; --depth_) merge(depth_ - 2, depth_ - 1);
  }

 private:
  size_t depth_ = 0, chunks_ = 0;
};

// Chunks [0, chunks) in `parts` ranges, for as many threads. What a range can
// sum by itself are nodes of the tree: runs of 2^k chunks that begin at a
// multiple of 2^k.
struct ChunkParts {
  size_t chunks, parts;  // parts <= chunks

  constexpr size_t Begin(size_t part) const { return chunks * part / parts; }
  // Chunks of the node that begins at chunk `first` of a range that ends at
  // `end`.
  static constexpr size_t NodeAt(size_t first, size_t end) {
    size_t size = 1;
    while (first % (2 * size) == 0 && first + 2 * size <= end) size *= 2;
    return size;
  }
  // Calls f(part, node, first chunk, chunks) for all nodes, which are numbered
  // in their order.
  template <class F>
  constexpr void ForEachNode(F&& f) const {
    size_t node = 0;
    for (size_t part = 0; part < parts; ++part) {
      const size_t end = Begin(part + 1);
      for (size_t at = Begin(part); at < end; ++node) {
        const size_t size = NodeAt(at, end);
        f(part, node, at, size);
        at += size;
      }
    }
  }
  constexpr size_t Nodes() const {
    size_t count = 0;
    ForEachNode([&](size_t, size_t, size_t, size_t) { ++count; });
    return count;
  }
  // Partial sums that the largest node needs in addition to its result.
  constexpr size_t Others() const {
    size_t most = 1;
    ForEachNode([&](size_t, size_t, size_t, size_t size) {
      most = std::max(most, PartialCount(size));
    });
    return most - 1;
  }
  // Rows of a sum over `rows` rows that chunks [begin, end) have.
  static constexpr size_t RowsOf(size_t rows, size_t begin, size_t end) {
    const size_t chunk = ChunkRows(rows);
    return std::min(rows, end * chunk) - begin * chunk;
  }
  // Whether no part has many more rows than the average.
  constexpr bool Balanced(size_t rows) const {
    size_t most = 0;
    for (size_t i = 0; i < parts; ++i) {
      most = std::max(most, RowsOf(rows, Begin(i), Begin(i + 1)));
    }
    return most * parts * 4 <= rows * 5;
  }
  // merge(into, from) must add node `from` to node `into`. The result ends in
  // node 0; the additions are those of CombineTree.
  template <class Merge>
  void Combine(Merge&& merge) const {
    size_t held[kMaxChunks], depth = 0, done = 0;
    ForEachNode([&](size_t, size_t node, size_t, size_t size) {
      for (size_t carry = done / size; carry & 1; carry >>= 1) {
        merge(held[--depth], node);
        node = held[depth];
      }
      held[depth++] = node;
      done += size;
    });
    for (; depth > 1; --depth) merge(held[depth - 2], held[depth - 1]);
  }
};

// The buffers of a PartialStack: the first one, which becomes the result, and
// the others, contiguous.
struct PartialBuffers {
  float* result;
  float* others;
  size_t stride;
  float* At(size_t i) const {
    return i == 0 ? result : others + (i - 1) * stride;
  }
};

inline void AddFloats(size_t n, const float* from, float* into) {
  for (size_t i = 0; i < n; ++i) into[i] += from[i];
}

// A unit: 16 rows x 1 panel, 14 x 2 or 8 x 3 of a weight gradient at most,
// whose accumulators fill the registers of one tile (AVX-512) or of a few.
inline constexpr size_t kMaxUnitFloats = 14 * 2 * kPanel;
static_assert(kMaxUnitFloats >= 8 * 3 * kPanel &&
              kMaxUnitFloats >= kMaxTileRows * kPanel);

struct Unit {
  size_t row, rows, col, cols;
};
struct UnitCut {
  size_t total_rows, total_cols;
  size_t rows, cols;  // of a full unit; cols: whole panels
  size_t row_units, col_units;
  size_t Count() const { return row_units * col_units; }
  Unit At(size_t row_unit, size_t col_unit) const {
    Unit u;
    u.row = row_unit * rows;
    u.rows = std::min(rows, total_rows - u.row);
    u.col = col_unit * cols;
    u.cols = std::min(cols, total_cols - u.col);
    return u;
  }
  Unit At(size_t i) const { return At(i % row_units, i / row_units); }
};
constexpr UnitCut CutUnits(size_t rows, size_t cols, size_t unit_panels) {
  UnitCut cut = {};
  cut.total_rows = rows;
  cut.total_cols = cols;
  cut.cols = unit_panels * kPanel;
  cut.col_units = DivUp(cols, cut.cols);
  const size_t most = unit_panels == 3   ? 8
                      : unit_panels == 2 ? 14
                                         : kMaxTileRows;
  cut.rows = DivUp(rows, DivUp(rows, most));
  cut.row_units = DivUp(rows, cut.rows);
  return cut;
}
constexpr UnitCut CutUnits(size_t rows, size_t cols) {
  const size_t panels = DivUp(cols, kPanel);
  return CutUnits(rows, cols, DivUp(panels, DivUp(panels, 3)));
}

}  // namespace temper::simd

#endif  // TEMPER_SIMD_PARTIALS_H_
