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
