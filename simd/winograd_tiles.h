// Geometry of the Winograd kernels: the grid of 2x2 output tiles, how it is cut
// into blocks, and staging of what a block reads. Plain code, compiled once.
//
//   batch x tiles_h x tiles_w -> blocks: part of a row of tiles, some rows of
//                                an image, or several whole images
//   block                     -> staged: its source pixels between zeros, the
//                                prologue applied
//
// Next: winograd.cc (forward, data gradient), winograd_weights.cc.
#ifndef TEMPER_SIMD_WINOGRAD_TILES_H_
#define TEMPER_SIMD_WINOGRAD_TILES_H_

#include <algorithm>
#include <cstddef>

#include "simd/conv.h"
#include "simd/conv_bands.h"
#include "simd/gemm.h"
#include "simd/prologue.h"
#include "simd/rows.h"
#include "simd/tile.h"

namespace temper::simd {

// The positions of a transformed tile: 4 rows of 4.
inline constexpr size_t kPositions = 16;

// Which block of the grid of tiles.
struct TileBlock {
  size_t image, images, row, rows, col, cols;
  size_t Tiles() const { return images * rows * cols; }
};

struct TileCut {
  size_t batch, tiles_h, tiles_w;
  size_t images, rows, cols;  // of a full block
  size_t image_blocks, row_blocks, col_blocks;
  size_t most_images;  // of a block, for this batch or less
  // Which block of an image follows: the one below, for which Stage keeps rows,
  // or the one to the right, so that all tiles are walked in order.
  bool in_order;

  size_t Count() const { return image_blocks * row_blocks * col_blocks; }
  size_t MostTiles() const { return most_images * rows * cols; }
  TileBlock At(size_t i) const {
    TileBlock b;
    const size_t blocks = row_blocks * col_blocks, j = i % blocks;
    b.row = (in_order ? j / col_blocks : j % row_blocks) * rows;
    b.rows = std::min(rows, tiles_h - b.row);
    b.col = (in_order ? j % col_blocks : j / row_blocks) * cols;
    b.cols = std::min(cols, tiles_w - b.col);
    b.image = i / blocks * images;
    b.images = std::min(images, batch - b.image);
    return b;
  }
};

// Blocks of at most `tiles` tiles: whole images, else whole rows, else parts.
inline TileCut CutTiles(size_t batch, size_t tiles_h, size_t tiles_w,
                        size_t tiles, bool in_order) {
  TileCut cut;
  cut.in_order = in_order;
  cut.batch = batch;
  cut.tiles_h = tiles_h;
  cut.tiles_w = tiles_w;
  cut.cols = DivUp(tiles_w, DivUp(tiles_w, tiles));
  cut.col_blocks = DivUp(tiles_w, cut.cols);
  const size_t rows = std::clamp<size_t>(tiles / tiles_w, 1, tiles_h);
  cut.rows = DivUp(tiles_h, DivUp(tiles_h, rows));
  cut.row_blocks = DivUp(tiles_h, cut.rows);
  cut.most_images = 1;
  if (cut.col_blocks == 1 && cut.row_blocks == 1) {
    cut.most_images = std::clamp<size_t>(tiles / (tiles_h * tiles_w), 1, batch);
  }
  cut.images = DivUp(batch, DivUp(batch, cut.most_images));
  cut.image_blocks = DivUp(batch, cut.images);
  return cut;
}

// A batch of images (h, w, channels) that tiles read: tile (0, 0) begins at
// (first_row, first_col), which may lie outside.
struct TileSource {
  ptrdiff_t h, w;
  size_t channels;
  ptrdiff_t first_row, first_col;
};

// What a block reads: images x (2 rows + 2) x (2 cols + 2) pixels, copied
// through the prologue. The rows are a ring: row q of the image's window lies
// in slot q % Rows(), so that a block below the one before finds its first two
// rows there.
class Stage {
 public:
  static size_t Floats(const TileCut& cut, size_t channels) {
    return cut.most_images * (2 * cut.rows + 2) * (2 * cut.cols + 2) * channels;
  }
  Stage(const TileSource& source, const TileCut& cut, float* at)
      : source_(source), ring_(2 * cut.rows + 2), at_(at) {}

  void Fill(const float* x, const Prologue& prologue, const TileBlock& block) {
    const bool below = before_.images == 1 && block.images == 1 &&
                       before_.image == block.image &&
                       before_.col == block.col &&
                       before_.row + before_.rows == block.row;
    before_ = block;
    const ptrdiff_t cols = static_cast<ptrdiff_t>(2 * block.cols + 2);
    const ptrdiff_t col =
        source_.first_col + static_cast<ptrdiff_t>(2 * block.col);
    row_floats_ = (2 * block.cols + 2) * source_.channels;
    const size_t image =
        static_cast<size_t>(source_.h * source_.w) * source_.channels;
    const size_t end = 2 * (block.row + block.rows) + 2;
    for (size_t n = 0; n < block.images; ++n) {
      for (size_t q = 2 * block.row + (below ? 2 : 0); q < end;) {
        const size_t slot = q % ring_;
        const size_t rows = std::min(end - q, ring_ - slot);
        StageWindow(x + (block.image + n) * image, source_.h, source_.w,
                    source_.channels, source_.channels,
                    source_.first_row + static_cast<ptrdiff_t>(q),
                    static_cast<ptrdiff_t>(rows), col, cols, prologue,
                    at_ + (n * ring_ + slot) * row_floats_);
        q += rows;
      }
    }
  }
  // The staged row q of image n of the block.
  const float* Row(size_t n, size_t q) const {
    return at_ + (n * ring_ + q % ring_) * row_floats_;
  }

 private:
  TileSource source_;
  size_t ring_;
  float* at_;
  size_t row_floats_ = 0;
  TileBlock before_ = {};
};

// A buffer of transformed tiles: [position][tile][channel], channels padded to
// whole panels. One extra line per position keeps the 16 stores of a tile from
// mapping to the same set of the cache.
struct TileBuffer {
  size_t tile_step, position_step;
  TileBuffer(size_t tiles, size_t channels)
      : tile_step(RoundUp(channels, kPanel)),
        position_step(tiles * tile_step + kPanel) {}
  size_t Floats(size_t positions = kPositions) const {
    return positions * position_step;
  }
};

// B^T d B of a row of tiles: only the position rows [first, last) of 4. x are
// the four rows of staged pixels, `to` position (first, 0) of the first tile.
// Channels are rounded up to vectors.
struct InputTransformArgs {
  const float* x[4];
  size_t channels, tiles;
  size_t first, last;
  float* to;
  size_t tile_step, position_step;
};
void InputTransform(const InputTransformArgs& args);

// The same for a staged block; tile i of the block goes to v_at + i *
// tile_step.
inline void TransformBlock(const TileBlock& block, const Stage& stage,
                           size_t channels, const TileBuffer& v, size_t first,
                           size_t last, float* v_at) {
  InputTransformArgs args;
  args.channels = channels;
  args.tiles = block.cols;
  args.first = first;
  args.last = last;
  args.tile_step = v.tile_step;
  args.position_step = v.position_step;
  args.to = v_at;
  for (size_t n = 0; n < block.images; ++n) {
    for (size_t row = block.row; row < block.row + block.rows; ++row) {
      for (size_t i = 0; i < 4; ++i) args.x[i] = stage.Row(n, 2 * row + i);
      InputTransform(args);
      args.to += block.cols * v.tile_step;
    }
  }
}

// M = V U, for every position: v and m as in TileBuffer, u packed in panels. m
// may be v (with equal steps) if cols are at most 2 x lanes. Columns are
// rounded up to vectors.
struct PositionProduct {
  size_t tiles, channels, cols;
  const float* v;
  size_t v_tile, v_position;
  const float* u;
  size_t u_panel, u_position;
  float* m;
  size_t m_tile, m_position;
};

// dy of a row of tiles to A dy A^T, only the position rows [first, last).
// dy points at the top left gradient; `cols` of the upper row exist, and of the
// lower one if `bottom`; the others count as zero. Channels are rounded up to
// vectors.
struct GradientTransformArgs {
  const float* dy;
  size_t row_floats, pixel_floats, channels, tiles, cols;
  bool bottom;
  size_t first, last;
  float* to;
  size_t tile_step, position_step;
};
void GradientTransform(const GradientTransformArgs& args);

// q[p][i][j] = (resume ? q : 0) + sum over tiles of z[p][tile][i] *
// v[p][tile][j] for `positions` positions, one chain in ascending order; whole
// panels of j.
struct PositionReduction {
  size_t tiles, rows, cols, positions;
  const float* z;
  size_t z_tile, z_position;
  const float* v;
  size_t v_tile, v_position;
  float* q;
  size_t q_row, q_position;
  bool resume;
};
void RunPositionReduction(const PositionReduction& r);

// dw += G^T q G of one filter: dw (3, 3, channels), position p of q at
// q + p * position_step.
void WeightGradientTransform(const float* q, size_t position_step,
                             size_t channels, float* dw);

// A^T m A of a row of tiles. `from` is position 0 of the first tile, `to` its
// top left output; cols outputs of the upper row exist, and of the lower one if
// `bottom`. bias and accumulate as in winograd.h.
struct OutputTransformArgs {
  const float* from;
  size_t tile_step, position_step, channels, tiles;
  float* to;
  size_t row_floats, pixel_floats, cols;
  bool bottom, accumulate;
  const float* bias;
};

}  // namespace temper::simd

#endif  // TEMPER_SIMD_WINOGRAD_TILES_H_
