// Matrix products: dispatch and the split over threads. Contracts: gemm.h and
// tile.h. The tile and its loops are in gemm-inl.h.
#include "simd/gemm.h"

#include <algorithm>
#include <cstring>

#include "simd/grain.h"
#include "simd/partials.h"
#include "simd/tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/gemm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/gemm-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(ProductRange);
HWY_EXPORT(ReductionRange);
HWY_EXPORT(PackPanels);

void RunProduct(const Product& p, size_t pixel_begin, size_t pixel_end,
                size_t col_begin, size_t col_end) {
  if (pixel_begin >= pixel_end || col_begin >= col_end) return;
  HWY_DYNAMIC_DISPATCH(ProductRange)
  (p, pixel_begin, pixel_end, col_begin, col_end);
}

void RunReduction(const Reduction& r) {
  if (r.rows == 0 || r.cols == 0) return;
  HWY_DYNAMIC_DISPATCH(ReductionRange)(r);
}

void PackB(size_t k, size_t n, const float* b, size_t k_stride, size_t n_stride,
           float* packed, const ParallelRunner& parallel) {
  const size_t grain = DivUp(kElementGrain, k * kPanel + 1);
  ParallelFor(parallel, DivUp(n, kPanel), grain,
              [&](size_t begin, size_t end, size_t) {
                HWY_DYNAMIC_DISPATCH(PackPanels)
                (begin, end, k, n, b, k_stride, n_stride, packed);
              });
}

void PackRows(size_t k, size_t n, float* w, float* scratch) {
  for (size_t first = 0; first < n; first += kPanel) {
    const size_t rows = std::min(kPanel, n - first);
    float* const panel = w + first * k;
    std::memcpy(scratch, panel, rows * k * sizeof(float));
    PackB(k, rows, scratch, 1, k, panel, {});
  }
}

namespace {

// Units of work are (row block, panel), the panel fastest: a block of A of
// about 128 KB stays in the cache while the panels of B pass by. A range of
// units runs as one product per row block.
void RunMatMul(size_t m, size_t n, const Product& p,
               const ParallelRunner& parallel) {
  if (m == 0 || n == 0) return;
  constexpr size_t kBlockFloats = 32768;
  const size_t k = p.walk.count;
  const size_t most =
      std::clamp<size_t>(kBlockFloats / (k + 1), kChunkUnit / 9, kChunkUnit);
  const size_t blocks = DivUp(m, most);
  const size_t panels = DivUp(n, kPanel);
  const size_t unit = DivUp(m, blocks) * kPanel * (k + 1);
  ParallelFor(parallel, blocks * panels, DivUp(kMultiplyGrain, unit),
              [&](size_t begin, size_t end, size_t) {
                while (begin < end) {
                  const size_t block = begin / panels;
                  const size_t first = begin % panels;
                  const size_t last = std::min(panels, first + end - begin);
                  RunProduct(p, m * block / blocks, m * (block + 1) / blocks,
                             first * kPanel, std::min(n, last * kPanel));
                  begin += last - first;
                }
              });
}

// An A that does not lie in the cache.
constexpr size_t kFetchFloats = 4 * 1024 * 1024 / sizeof(float);

Product DenseProduct(size_t m, size_t k, const float* a, size_t lda,
                     bool accumulate, float* c, size_t ldc) {
  Product p;
  p.cols = m;
  p.a = a;
  p.a_col = lda;
  p.walk.count = k;
  p.walk.cols = k == 0 ? 1 : k;
  p.accumulate = accumulate;
  p.fetch_ahead = m * k > kFetchFloats;
  p.c = c;
  p.c_col = ldc;
  return p;
}

}  // namespace

void MatMul(size_t m, size_t n, size_t k, const float* a, size_t lda,
            const float* packed_b, const float* bias, bool accumulate, float* c,
            size_t ldc, const ParallelRunner& parallel) {
  Product p = DenseProduct(m, k, a, lda, accumulate, c, ldc);
  p.b = packed_b;
  p.b_panel = k * kPanel;
  p.b_step = kPanel;
  p.bias = bias;
  RunMatMul(m, n, p, parallel);
}

void MatMulUnpacked(size_t m, size_t n, size_t k, const float* a, size_t lda,
                    const float* b, size_t ldb, bool accumulate, float* c,
                    size_t ldc, const ParallelRunner& parallel) {
  Product p = DenseProduct(m, k, a, lda, accumulate, c, ldc);
  p.b = b;
  p.b_panel = kPanel;
  p.b_step = ldb;
  RunMatMul(m, n, p, parallel);
}

// A unit's partial results live on the stack of whoever runs it.
size_t MatMulTransposedScratch(size_t, size_t, size_t) { return 0; }

void MatMulTransposed(size_t rows, size_t m, size_t n, const float* a,
                      size_t lda, const float* b, size_t ldb, float* c,
                      size_t ldc, void*, const ParallelRunner& parallel) {
  if (rows == 0 || m == 0 || n == 0) return;
  const UnitCut cut = CutUnits(m, n);
  const size_t chunk = ChunkRows(rows), chunks = ChunkCount(rows);
  const size_t work = rows * cut.rows * cut.cols;
  ParallelFor(parallel, cut.Count(), DivUp(kMultiplyGrain, work),
              [&](size_t begin, size_t end, size_t) {
                alignas(64) float stack[kMaxPartials][kMaxUnitFloats];
                for (size_t i = begin; i < end; ++i) {
                  const Unit unit = cut.At(i);
                  Reduction r;
                  r.dense_step = lda;
                  r.walk.cols = rows;
                  r.walk.col_step = ldb;
                  r.rows = unit.rows;
                  r.cols = unit.cols;
                  PartialStack partials;
                  for (size_t q = 0; q < chunks; ++q) {
                    r.a = a + q * chunk * lda + unit.row;
                    r.b = b + q * chunk * ldb + unit.col;
                    r.walk.count = std::min(chunk, rows - q * chunk);
                    if (chunks == 1) {
                      r.c = c + unit.row * ldc + unit.col;
                      r.ldc = ldc;
                      r.add = true;
                    } else {
                      r.c = stack[partials.Top()];
                      r.ldc = cut.cols;
                    }
                    RunReduction(r);
                    if (chunks != 1) {
                      partials.Push([&](size_t into, size_t from) {
                        AddFloats(unit.rows * cut.cols, stack[from],
                                  stack[into]);
                      });
                    }
                  }
                  if (chunks == 1) continue;
                  partials.Finish([&](size_t into, size_t from) {
                    AddFloats(unit.rows * cut.cols, stack[from], stack[into]);
                  });
                  for (size_t row = 0; row < unit.rows; ++row) {
                    AddFloats(unit.cols, stack[0] + row * cut.cols,
                              c + (unit.row + row) * ldc + unit.col);
                  }
                }
              });
}

}  // namespace temper::simd
#endif  // HWY_ONCE
