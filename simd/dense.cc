// Dense layers on few samples. Contract: dense.h; loops: tile.h.
#include "simd/dense.h"

#include <algorithm>

#include "simd/elementwise.h"
#include "simd/gemm.h"
#include "simd/grain.h"
#include "simd/tile.h"

namespace temper::simd {
namespace {

// What the cache holds of x while the panels of w pass by.
constexpr size_t kMostFloats = 32768;
static_assert(kMaxOwnFloats <= kMostFloats);

// Panels that a thread packs and uses before it goes on to the next: as many as
// tiles have vectors side by side, and few enough to stay in the caches.
constexpr size_t kOwnPanels = 2;

// A piece of a gradient: rows of it (in fours, as tiles like them), or a part
// of a row. 24 KB.
constexpr size_t kPieceFloats = 6144;

// Calls f(x) with x as it lies there, or as the calling thread forms it.
template <class F>
void WithOwnInput(size_t floats, const DenseInput& input, F&& f) {
  if (input.prologue.IsIdentity() || floats > kMaxOwnFloats) return f(input.x);
  alignas(64) float own[kMaxOwnFloats + kTailBytes / sizeof(float)];
  ApplyPrologue(floats / input.channels, input.channels, input.x,
                input.prologue, own);
  f(static_cast<const float*>(own));
}

// The input of threads that do not form it themselves.
DenseInput Shared(size_t floats, const DenseInput& input,
                  const ParallelRunner& parallel) {
  if (input.prologue.IsIdentity() || floats <= kMaxOwnFloats) return input;
  ApplyPrologue(floats / input.channels, input.channels, input.x,
                input.prologue, input.formed, parallel);
  return {input.formed};
}

}  // namespace

size_t DenseForwardScratch(size_t rows, size_t in, size_t out,
                           uint32_t threads) {
  const size_t panels = DivUp(out, kPanel);
  const size_t slots = std::min<size_t>(threads, panels);
  const size_t own = slots * std::min(kOwnPanels, panels);
  // Fewer rows than planned may come.
  return std::max(rows * in > kMostFloats ? panels : 0, own) * kPanel * in *
         sizeof(float);
}

void DenseForward(size_t rows, size_t in, size_t out, const DenseInput& input,
                  const float* w, const float* bias, float* packed, float* y,
                  const ParallelRunner& parallel) {
  const DenseInput shared = Shared(rows * in, input, parallel);
  if (rows * in > kMostFloats) {
    PackB(in, out, w, 1, in, packed, parallel);
    MatMul(rows, out, in, shared.x, in, packed, bias, false, y, out, parallel);
    return;
  }
  const size_t unit = (rows + 1) * kPanel * (in + 1);
  const size_t group = std::min(kOwnPanels, DivUp(out, kPanel));
  ParallelFor(parallel, DivUp(out, kPanel), DivUp(kMultiplyGrain, unit),
              [&](size_t begin, size_t end, size_t slot) {
                float* const panels = packed + slot * group * kPanel * in;
                WithOwnInput(rows * in, shared, [&](const float* x) {
                  for (size_t panel = begin; panel < end; panel += group) {
                    const size_t first = panel * kPanel;
                    const size_t last =
                        std::min(out, std::min(end, panel + group) * kPanel);
                    PackB(in, last - first, w + first * in, 1, in, panels, {});
                    MatMul(rows, last - first, in, x, in, panels,
                           bias == nullptr ? nullptr : bias + first, false,
                           y + first, out, {});
                  }
                });
              });
}

void DenseForwardPacked(size_t rows, size_t in, size_t out,
                        const DenseInput& input, const float* w,
                        const float* bias, float* y,
                        const ParallelRunner& parallel) {
  const DenseInput shared = Shared(rows * in, input, parallel);
  if (rows * in > kMostFloats) {
    MatMul(rows, out, in, shared.x, in, w, bias, false, y, out, parallel);
    return;
  }
  const size_t unit = (rows + 1) * kPanel * (in + 1);
  ParallelFor(parallel, DivUp(out, kPanel), DivUp(kMultiplyGrain, unit),
              [&](size_t begin, size_t end, size_t) {
                WithOwnInput(rows * in, shared, [&](const float* x) {
                  const size_t first = begin * kPanel;
                  MatMul(rows, std::min(out, end * kPanel) - first, in, x, in,
                         w + first * in,
                         bias == nullptr ? nullptr : bias + first, false,
                         y + first, out, {});
                });
              });
}

void DenseBackward(size_t rows, size_t in, size_t out, const DenseInput& input,
                   const float* w, const float* dy, bool accumulate, float* dx,
                   const GradientTaker& taker, const ParallelRunner& parallel) {
  if (rows == 0 || in == 0 || out == 0) return;
  if (dx != nullptr) {
    MatMulUnpacked(rows, in, out, dy, out, w, in, accumulate, dx, in, parallel);
  }
  const DenseInput shared = Shared(rows * in, input, parallel);
  const size_t cols = std::min(in, kPieceFloats);
  size_t most = std::min(kMaxTileRows, kPieceFloats / cols);
  if (most > 4) most -= most % 4;
  const auto take = [&](const float* x, size_t first, size_t last) {
    alignas(64) float piece[kPieceFloats];
    for (size_t row = first; row < last; row += most) {
      Reduction r;
      r.rows = std::min(most, last - row);
      r.a = dy + row;
      r.dense_step = out;
      r.walk.count = r.walk.cols = rows;
      r.walk.col_step = in;
      r.c = piece;
      r.add = true;  // to +0, as where a gradient has memory of its own
      for (size_t col = 0; col < in; col += cols) {
        r.b = x + col;
        r.cols = r.ldc = std::min(cols, in - col);
        Fill(r.rows * r.cols, 0.0f, piece, {});
        RunReduction(r);
        taker.take(taker.context, row * in + col, r.rows * r.cols, piece);
      }
    }
  };
  const size_t unit = rows * kPanel * in;
  ParallelFor(parallel, DivUp(out, kPanel), DivUp(kMultiplyGrain, unit),
              [&](size_t begin, size_t end, size_t) {
                WithOwnInput(rows * in, shared, [&](const float* x) {
                  take(x, begin * kPanel, std::min(out, end * kPanel));
                });
              });
}

}  // namespace temper::simd
