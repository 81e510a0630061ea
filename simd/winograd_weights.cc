// Winograd convolution: gradient of the weights. Contract: winograd.h.
//
//   for each group of filters             its sums fit the L2 cache
//     threads share 4 rows of positions (x parts of the filters); each
//       for each block of tiles           in order
//         V = B^T x B, Z = A dy A^T       its own positions only
//         Q[p] += Z[p]^T V[p]             in memory between blocks
//       at the end of a chunk of tiles    (rows.h): combine, partials.h
//     dw += G^T Q G                       threads share filters
//
// A thread needs nobody's transforms but its own, so that there is no barrier
// inside the loop over tiles.
// Next: winograd_tiles.h (blocks), winograd_product-inl.h, partials.h.
#include <algorithm>

#include "simd/grain.h"
#include "simd/partials.h"
#include "simd/tile.h"
#include "simd/winograd.h"
#include "simd/winograd_tiles.h"

namespace temper::simd {
namespace {

// Floats of all sums that exist at once, if 16 filters allow.
constexpr size_t kSumFloats = 256 * 1024 / sizeof(float);

struct WeightGradient {
  const ConvShape& s;
  size_t batch;
  TileSource source;
  size_t in_c;
  size_t tiles_h, tiles_w, tiles;
  size_t columns;  // in_c in whole panels

  WeightGradient(const ConvShape& shape, size_t images)
      : s(shape),
        batch(images),
        source{static_cast<ptrdiff_t>(s.in_h), static_cast<ptrdiff_t>(s.in_w),
               s.in_c, -static_cast<ptrdiff_t>(s.pad_top),
               -static_cast<ptrdiff_t>(s.pad_left)},
        in_c(s.in_c),
        tiles_h(DivUp(s.out_h, 2)),
        tiles_w(DivUp(s.out_w, 2)),
        tiles(batch * tiles_h * tiles_w),
        columns(RoundUp(in_c, kPanel)) {}

  // Partial sums alive at once, for this many tiles or fewer.
  size_t Partials() const {
    return PartialCount(
        tiles > (kMaxChunks - 1) * kChunkUnit ? kMaxChunks : ChunkCount(tiles));
  }
  // Filters of a group when so many partial sums exist.
  size_t GroupFilters(size_t partials) const {
    const size_t most = kSumFloats / (partials * kPositions * columns);
    return std::min<size_t>(s.out_c,
                            std::max<size_t>(kPanel, most / kPanel * kPanel));
  }
  size_t PositionStep(size_t filters) const {
    return filters * columns + kPanel;
  }
  size_t SumFloats(size_t filters) const {
    return kPositions * PositionStep(filters);
  }
  // V and Z take 128 KB, but a sum goes to memory after every block.
  TileCut Cut(size_t filters) const {
    const size_t channels = columns + RoundUp(filters, kPanel);
    return CutTiles(batch, tiles_h, tiles_w,
                    std::clamp<size_t>(2048 / channels, 16, 32), true);
  }
  // How a group is shared: rows of positions x parts of the filters.
  size_t Parts(size_t filters, size_t threads) const {
    return std::min(DivUp(threads, 4), DivUp(filters, kPanel));
  }
  // Position rows of a unit's neighbours that one of `ranges` ranges runs.
  static size_t MostRows(size_t units, size_t ranges) {
    return std::min<size_t>(4, DivUp(units, ranges));
  }
  struct Slot {
    size_t stage, v, z;  // bytes
    size_t Bytes() const { return stage + v + z; }
  };
  Slot SlotOf(const TileCut& cut, size_t filters, size_t rows) const {
    return {PartBytes(Stage::Floats(cut, in_c)),
            PartBytes(TileBuffer(cut.MostTiles(), in_c).Floats(4 * rows)),
            PartBytes(TileBuffer(cut.MostTiles(), filters).Floats(4 * rows))};
  }
  size_t ScratchBytes(size_t threads) const;

  // Position rows [first_row, last_row), filters [filter, filter + count) of a
  // group of `filters` whose dy begins at dy. Partial i lies at
  // sums + i * SumFloats(filters).
  void Accumulate(const TileCut& cut, size_t first_row, size_t last_row,
                  size_t filter, size_t count, size_t filters, const float* x,
                  const Prologue& prologue, const float* dy, float* sums,
                  const Slot& slot, float* at) const;
};

size_t WeightGradient::ScratchBytes(size_t threads) const {
  size_t bytes = 0;
  // Fewer tiles make fewer partial sums of more filters each.
  for (size_t partials = Partials(); partials > 0; --partials) {
    const size_t filters = GroupFilters(partials);
    const TileCut cut = Cut(filters);
    size_t slots = 0;
    for (size_t n = 1; n <= threads; ++n) {
      const size_t units = 4 * Parts(filters, n);
      for (size_t ranges = 1; ranges <= std::min(n, units); ++ranges) {
        slots = std::max(
            slots,
            ranges * SlotOf(cut, filters, MostRows(units, ranges)).Bytes());
      }
    }
    bytes = std::max(bytes, PartBytes(partials * SumFloats(filters)) + slots);
  }
  return bytes;
}

void WeightGradient::Accumulate(const TileCut& cut, size_t first_row,
                                size_t last_row, size_t filter, size_t count,
                                size_t filters, const float* x,
                                const Prologue& prologue, const float* dy,
                                float* sums, const Slot& slot,
                                float* at) const {
  Stage stage(source, cut, at);
  float* const v_at = at + slot.stage / sizeof(float);
  float* const z_at = v_at + slot.v / sizeof(float);
  const TileBuffer v(cut.MostTiles(), in_c), z(cut.MostTiles(), count);
  const size_t positions = 4 * (last_row - first_row);
  const size_t position_step = PositionStep(filters);
  const auto sum_at = [&](size_t partial) {
    return sums + partial * SumFloats(filters) + 4 * first_row * position_step +
           filter * columns;
  };
  const auto merge = [&](size_t into, size_t from) {
    for (size_t p = 0; p < positions; ++p) {
      AddFloats(count * columns, sum_at(from) + p * position_step,
                sum_at(into) + p * position_step);
    }
  };
  GradientTransformArgs g;
  g.row_floats = size_t{s.out_w} * s.out_c;
  g.pixel_floats = s.out_c;
  g.channels = count;
  g.first = first_row;
  g.last = last_row;
  g.tile_step = z.tile_step;
  g.position_step = z.position_step;
  PositionReduction r;
  r.rows = count;
  r.cols = in_c;
  r.positions = positions;
  r.z_tile = z.tile_step;
  r.z_position = z.position_step;
  r.v_tile = v.tile_step;
  r.v_position = v.position_step;
  r.q_row = columns;
  r.q_position = position_step;
  const size_t chunk = ChunkRows(tiles);
  PartialStack stack;
  size_t done = 0;
  for (size_t i = 0; i < cut.Count(); ++i) {
    const TileBlock block = cut.At(i);
    stage.Fill(x, prologue, block);
    TransformBlock(block, stage, in_c, v, first_row, last_row, v_at);
    g.tiles = block.cols;
    g.cols = s.out_w - 2 * block.col;
    g.to = z_at;
    for (size_t n = block.image; n < block.image + block.images; ++n) {
      for (size_t row = block.row; row < block.row + block.rows; ++row) {
        g.dy = dy + filter +
               ((n * s.out_h + 2 * row) * s.out_w + 2 * block.col) * s.out_c;
        g.bottom = 2 * row + 1 < s.out_h;
        GradientTransform(g);
        g.to += block.cols * z.tile_step;
      }
    }
    const size_t begin = done, end = done + block.Tiles();
    while (done < end) {
      const size_t chunk_end = std::min(tiles, (done / chunk + 1) * chunk);
      const size_t stop = std::min(end, chunk_end);
      r.tiles = stop - done;
      r.z = z_at + (done - begin) * z.tile_step;
      r.v = v_at + (done - begin) * v.tile_step;
      r.q = sum_at(stack.Top());
      r.resume = done % chunk != 0;
      RunPositionReduction(r);
      done = stop;
      if (done == chunk_end) stack.Push(merge);
    }
  }
  stack.Finish(merge);
}

}  // namespace

size_t WinogradBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                      uint32_t threads) {
  if (batch == 0) return 0;
  return WeightGradient(s, batch).ScratchBytes(threads);
}

void WinogradBackwardWeights(const ConvShape& s, uint32_t batch, const float* x,
                             const Prologue& prologue, const float* dy,
                             uint32_t first, uint32_t filters, float* dw,
                             void* scratch, const ParallelRunner& parallel) {
  if (batch == 0 || filters == 0) return;
  const WeightGradient gradient(s, batch);
  const size_t most = gradient.GroupFilters(gradient.Partials());
  float* const sums = static_cast<float*>(scratch);
  float* const slots =
      sums +
      PartBytes(gradient.Partials() * gradient.SumFloats(most)) / sizeof(float);
  const size_t filter_floats = 9 * gradient.in_c;
  for (size_t from = 0; from < filters; from += most) {
    const size_t count = std::min<size_t>(most, filters - from);
    const TileCut cut = gradient.Cut(count);
    const size_t parts = gradient.Parts(count, parallel.threads);
    const size_t units = 4 * parts;
    const size_t grain =
        DivUp(kMultiplyGrain,
              gradient.tiles * 4 * DivUp(count, parts) * gradient.columns);
    const WeightGradient::Slot slot = gradient.SlotOf(
        cut, count,
        gradient.MostRows(units, ParallelShares(parallel, units, grain)));
    ParallelFor(
        parallel, units, grain, Handing::kAtOnce,
        [&](size_t begin, size_t end, size_t index) {
          float* const at = slots + index * (slot.Bytes() / sizeof(float));
          while (begin < end) {
            const size_t part = begin / 4, row = begin % 4;
            const size_t rows = std::min(4 - row, end - begin);
            const size_t filter = count * part / parts;
            gradient.Accumulate(cut, row, row + rows, filter,
                                count * (part + 1) / parts - filter, count, x,
                                prologue, dy + first + from, sums, slot, at);
            begin += rows;
          }
        });
    ParallelFor(parallel, count, DivUp(kElementGrain, 25 * gradient.columns),
                [&](size_t begin, size_t end, size_t) {
                  for (size_t i = begin; i < end; ++i) {
                    WeightGradientTransform(sums + i * gradient.columns,
                                            gradient.PositionStep(count),
                                            gradient.in_c,
                                            dw + (from + i) * filter_floats);
                  }
                });
  }
}

}  // namespace temper::simd
