// Winograd convolution: gradient of the weights. Contract: winograd.h.
//
//   for each group of filters             its sums fit the L2 cache
//     threads share the chunks of tiles, or 4 rows of positions (x parts of
//     the filters), or both; each
//       for each block of tiles           in order
//         V = B^T x B, Z = A dy A^T       its own positions only
//         Q[p] += Z[p]^T V[p]             in memory between blocks
//       at the end of a chunk of tiles    (rows.h): combine, partials.h
//     dw += G^T Q G                       threads share filters
//
// A thread needs nobody's transforms but its own, so that there is no barrier
// inside the loop over tiles. Threads that share rows of positions all read and
// stage the same pixels; so chunks are shared first, if there are enough.
// Next: winograd_tiles.h (blocks), winograd_product-inl.h, partials.h.
#include <algorithm>

#include "simd/grain.h"
#include "simd/partials.h"
#include "simd/tile.h"
#include "simd/winograd.h"
#include "simd/winograd_tiles.h"

namespace temper::simd {
namespace {

// Floats of the sums that exist at once in one part of the work, if 16 filters
// allow.
constexpr size_t kSumFloats = 256 * 1024 / sizeof(float);

constexpr size_t kPositionRows = 4;

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

  // How threads share a group: `chunks.parts` ranges of chunks times `ranges`
  // ranges of units, which are rows of positions x parts of the filters.
  struct Sharing {
    ChunkParts chunks;
    size_t ranges;
    size_t filter_parts;

    size_t Units() const { return kPositionRows * filter_parts; }
    // Position rows of neighbouring units that a range has at most.
    size_t MostRows() const {
      return std::min(kPositionRows, DivUp(Units(), ranges));
    }
    // Sums that exist at once: the nodes of the tree of chunks that the parts
    // make, and what each part needs beside.
    size_t Nodes() const { return chunks.parts == 1 ? 1 : chunks.Nodes(); }
    size_t Others() const {
      return chunks.parts == 1 ? PartialCount(chunks.chunks) - 1
                               : chunks.Others();
    }
    size_t Sums() const { return Nodes() + chunks.parts * Others(); }
  };
  // One part: threads share units only.
  static Sharing ShareUnits(size_t chunks, size_t filters, size_t threads) {
    const size_t filter_parts =
        std::min(DivUp(threads, kPositionRows), DivUp(filters, kPanel));
    return {{chunks, 1},
            std::min(threads, kPositionRows * filter_parts),
            filter_parts};
  }
  Sharing Share(size_t filters, size_t threads) const {
    const size_t count = ChunkCount(tiles);
    for (size_t parts = std::min(threads, count); parts > 1; --parts) {
      const Sharing sharing = {{count, parts}, threads / parts, 1};
      if (threads % parts == 0 && kPositionRows % sharing.ranges == 0 &&
          sharing.chunks.Balanced(tiles)) {
        return sharing;
      }
    }
    return ShareUnits(count, filters, threads);
  }
  // Filters of a group when so many sums exist, in the caches of so many parts.
  size_t GroupFilters(size_t sums, size_t parts) const {
    const size_t most = parts * kSumFloats / (sums * kPositions * columns);
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

  // Sums chunks [first_chunk, first_chunk + chunks) of tiles, a node of the
  // tree or all of them: position rows [first_row, last_row), filters [filter,
  // filter + count) of a group of `filters` whose dy begins at dy.
  void Accumulate(const TileCut& cut, size_t first_chunk, size_t chunks,
                  size_t first_row, size_t last_row, size_t filter,
                  size_t count, size_t filters, const float* x,
                  const Prologue& prologue, const float* dy,
                  const PartialBuffers& sums, const Slot& slot,
                  float* at) const;
};

size_t WeightGradient::ScratchBytes(size_t threads) const {
  // No group has more filters: a part has a sum at least.
  constexpr size_t kMostPanels = kSumFloats / kPositions / kPanel / kPanel;
  // The largest slot of so many rows and at most so many panels of filters. A
  // last group with fewer filters takes larger blocks of tiles.
  size_t slot_bytes[kPositionRows][kMostPanels];
  for (size_t rows = 1; rows <= kPositionRows; ++rows) {
    size_t most = 0;
    for (size_t panels = 1; panels <= kMostPanels; ++panels) {
      const size_t filters = panels * kPanel;
      if (panels <= DivUp(s.out_c, kPanel))
        most = std::max(most, SlotOf(Cut(filters), filters, rows).Bytes());
      slot_bytes[rows - 1][panels - 1] = most;
    }
  }
  size_t bytes = 0;
  const auto try_sharing = [&](const Sharing& sharing, size_t filters) {
    const size_t slots = sharing.chunks.parts * sharing.ranges;
    const size_t slot =
        slot_bytes[sharing.MostRows() - 1][DivUp(filters, kPanel) - 1];
    bytes = std::max(
        bytes, PartBytes(sharing.Sums() * SumFloats(filters)) + slots * slot);
  };
  // Fewer tiles have fewer chunks and make groups of more filters each.
  for (size_t chunks = 1; chunks <= MostChunks(tiles); ++chunks) {
    for (size_t n = 1; n <= threads; ++n) {
      const size_t filters =
          GroupFilters(ShareUnits(chunks, s.out_c, n).Sums(), 1);
      try_sharing(ShareUnits(chunks, filters, n), filters);
    }
    for (size_t parts = 2; parts <= std::min(threads, chunks); ++parts) {
      for (size_t ranges = 1; ranges <= kPositionRows; ranges *= 2) {
        if (parts * ranges > threads) break;
        const Sharing sharing = {{chunks, parts}, ranges, 1};
        try_sharing(sharing, GroupFilters(sharing.Sums(), parts));
      }
    }
  }
  return bytes;
}

void WeightGradient::Accumulate(const TileCut& cut, size_t first_chunk,
                                size_t chunks, size_t first_row,
                                size_t last_row, size_t filter, size_t count,
                                size_t filters, const float* x,
                                const Prologue& prologue, const float* dy,
                                const PartialBuffers& sums, const Slot& slot,
                                float* at) const {
  Stage stage(source, cut, at);
  float* const v_at = at + slot.stage / sizeof(float);
  float* const z_at = v_at + slot.v / sizeof(float);
  const TileBuffer v(cut.MostTiles(), in_c), z(cut.MostTiles(), count);
  const size_t positions = kPositionRows * (last_row - first_row);
  const size_t position_step = PositionStep(filters);
  const auto sum_at = [&](size_t partial) {
    return sums.At(partial) + kPositionRows * first_row * position_step +
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
  const size_t first_tile = first_chunk * chunk;
  const size_t last_tile =
      first_tile + ChunkParts::RowsOf(tiles, first_chunk, first_chunk + chunks);
  PartialStack stack;
  size_t done = first_tile;
  size_t begin = 0, end = 0;  // tiles of a block
  for (size_t i = 0; done < last_tile; ++i) {
    const TileBlock block = cut.At(i);
    begin = end;
    end += block.Tiles();
    if (end <= done) continue;
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
    while (done < std::min(end, last_tile)) {
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
  const size_t columns = gradient.columns;
  const size_t threads = ParallelShares(
      parallel,
      Saturated(uint64_t{gradient.tiles} * kPositions * filters * columns),
      kMultiplyGrain);
  const WeightGradient::Sharing whole = gradient.Share(filters, threads);
  const size_t most = gradient.GroupFilters(whole.Sums(), whole.chunks.parts);
  float* const sums = static_cast<float*>(scratch);
  float* const slots =
      sums + PartBytes(whole.Sums() * gradient.SumFloats(most)) / sizeof(float);
  const size_t filter_floats = 9 * gradient.in_c;
  for (size_t from = 0; from < filters; from += most) {
    const size_t count = std::min<size_t>(most, filters - from);
    const TileCut cut = gradient.Cut(count);
    const size_t sum_floats = gradient.SumFloats(count);
    const WeightGradient::Sharing sharing = gradient.Share(count, threads);
    const ChunkParts& chunks = sharing.chunks;
    const WeightGradient::Slot slot =
        gradient.SlotOf(cut, count, sharing.MostRows());
    // Units of one part.
    const auto run = [&](size_t part, size_t begin, size_t end, float* at) {
      float* const others =
          sums + (sharing.Nodes() + part * sharing.Others()) * sum_floats;
      while (begin < end) {
        const size_t row = begin % kPositionRows;
        const size_t rows = std::min(kPositionRows - row, end - begin);
        const size_t i = begin / kPositionRows;
        const size_t filter = count * i / sharing.filter_parts;
        const size_t last = count * (i + 1) / sharing.filter_parts;
        const auto accumulate = [&](size_t node, size_t chunk, size_t size) {
          gradient.Accumulate(
              cut, chunk, size, row, row + rows, filter, last - filter, count,
              x, prologue, dy + first + from,
              {sums + node * sum_floats, others, sum_floats}, slot, at);
        };
        if (chunks.parts == 1) {
          accumulate(0, 0, chunks.chunks);
        } else {
          chunks.ForEachNode(
              [&](size_t of, size_t node, size_t chunk, size_t size) {
                if (of == part) accumulate(node, chunk, size);
              });
        }
        begin += rows;
      }
    };
    ParallelFor(parallel, chunks.parts * sharing.ranges, 1, Split::kWhole,
                [&](size_t begin, size_t end, size_t index) {
                  for (size_t i = begin; i < end; ++i) {
                    const size_t range = i % sharing.ranges;
                    run(i / sharing.ranges,
                        sharing.Units() * range / sharing.ranges,
                        sharing.Units() * (range + 1) / sharing.ranges,
                        slots + index * (slot.Bytes() / sizeof(float)));
                  }
                });
    const size_t position_step = gradient.PositionStep(count);
    ParallelFor(
        parallel, count,
        DivUp(kElementGrain, (9 + kPositions * sharing.Nodes()) * columns),
        [&](size_t begin, size_t end, size_t) {
          if (chunks.parts > 1) {
            chunks.Combine([&](size_t into, size_t other) {
              float* const a = sums + into * sum_floats + begin * columns;
              const float* const b =
                  sums + other * sum_floats + begin * columns;
              for (size_t p = 0; p < kPositions; ++p) {
                AddFloats((end - begin) * columns, b + p * position_step,
                          a + p * position_step);
              }
            });
          }
          for (size_t i = begin; i < end; ++i) {
            WeightGradientTransform(sums + i * columns, position_step,
                                    gradient.in_c,
                                    dw + (from + i) * filter_floats);
          }
        });
  }
}

}  // namespace temper::simd
