// Winograd convolution: forward and gradient of the input, dispatch of all
// transforms. Contract: winograd.h. Both directions are the same machine:
//
//   for each block of output channels       its weights fit the L2 cache
//     U = G w G^T                           [position][panel][channel][kPanel]
//     for each block of tiles               threads share (block, panel)
//       stage the source                    padding, prologue
//       V = B^T d B                         [position][tile][channel]
//       for some panels: M = V U            16 products, one cut for all
//         y = A^T M A
//
// Next: winograd_tiles.h (blocks), winograd-inl.h (transforms), gemm-inl.h.
#include "simd/winograd.h"

#include <algorithm>

#include "simd/gemm.h"
#include "simd/grain.h"
#include "simd/tile.h"
#include "simd/winograd_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/winograd.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/winograd-inl.h"
#include "simd/winograd_product-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(GradientTransformTiles);
HWY_EXPORT(InputTransformTiles);
HWY_EXPORT(OutputTransformTiles);
HWY_EXPORT(PositionLanes);
HWY_EXPORT(PositionProducts);
HWY_EXPORT(PositionReductions);
HWY_EXPORT(WeightGradientRows);
HWY_EXPORT(WeightTransformRows);

void InputTransform(const InputTransformArgs& args) {
  HWY_DYNAMIC_DISPATCH(InputTransformTiles)(args);
}

void GradientTransform(const GradientTransformArgs& args) {
  HWY_DYNAMIC_DISPATCH(GradientTransformTiles)(args);
}
void RunPositionReduction(const PositionReduction& r) {
  HWY_DYNAMIC_DISPATCH(PositionReductions)(r);
}
void WeightGradientTransform(const float* q, size_t position_step,
                             size_t channels, float* dw) {
  HWY_DYNAMIC_DISPATCH(WeightGradientRows)(q, position_step, channels, dw);
}

namespace {

// Floats of the transformed weights that exist at once, if one panel allows.
constexpr size_t kWeightFloats = 512 * 1024 / sizeof(float);
// Tiles of a block. More would fill register tiles a little better, but with
// few channels V, M and the weights then leave the L1 cache.
constexpr size_t kBlockTiles = 20;
// Most panels of M on any target: those of one register tile.
constexpr size_t kProductPanels = 2;
// Rows of weights that are transformed at once, through the stack.
constexpr size_t kWeightRows = 16;

// Forward, or the gradient of the input with x and y exchanged.
struct Direction {
  TileSource source;
  size_t in_c, out_c;  // channels that are summed, channels that result
  size_t out_h, out_w;
  // Element (tap, in channel, out channel) of the weights lies at
  // w + tap * in_c_of_layer + in * in_step + out * out_step.
  size_t in_step, out_step, tap_step;
  bool flipped;

  TileCut cut;
  size_t panels;        // of all output channels
  size_t block_panels;  // of a block of output channels
  TileBuffer v, m;

  static Direction Forward(const ConvShape& s, size_t batch) {
    return {{static_cast<ptrdiff_t>(s.in_h), static_cast<ptrdiff_t>(s.in_w),
             s.in_c, -static_cast<ptrdiff_t>(s.pad_top),
             -static_cast<ptrdiff_t>(s.pad_left)},
            s.in_c,
            s.out_c,
            s.out_h,
            s.out_w,
            1,
            size_t{9} * s.in_c,
            s.in_c,
            false,
            batch};
  }
  static Direction Backward(const ConvShape& s, size_t batch) {
    return {{static_cast<ptrdiff_t>(s.out_h), static_cast<ptrdiff_t>(s.out_w),
             s.out_c, static_cast<ptrdiff_t>(s.pad_top) - 2,
             static_cast<ptrdiff_t>(s.pad_left) - 2},
            s.out_c,
            s.in_c,
            s.in_h,
            s.in_w,
            size_t{9} * s.in_c,
            1,
            s.in_c,
            true,
            batch};
  }

  // From one position of the transformed weights to the next: one line more,
  // as in TileBuffer.
  size_t WeightStep(size_t count) const {
    return count * in_c * kPanel + kPanel;
  }
  size_t WeightFloats() const { return kPositions * WeightStep(block_panels); }
  size_t SlotBytes() const {
    return PartBytes(Stage::Floats(cut, in_c)) + PartBytes(v.Floats()) +
           PartBytes(m.Floats());
  }
  size_t ScratchBytes(size_t threads) const {
    return PartBytes(WeightFloats()) +
           SlotCount(cut.Count() * block_panels, threads) * SlotBytes();
  }

  void TransformWeights(const float* w, size_t panel_begin, size_t panel_end,
                        float* u, const ParallelRunner& parallel) const;
  void RunBlock(const TileBlock& block, size_t count, const float* u,
                size_t panel_base, size_t panel_begin, size_t panel_end,
                const float* bias, bool accumulate, float* v_at, float* m_at,
                float* y) const;
  void Run(const float* x, const Prologue& prologue, const float* w,
           const float* bias, bool accumulate, float* y, void* scratch,
           const ParallelRunner& parallel) const;

 private:
  static size_t BlockPanels(size_t in, size_t all) {
    const size_t most =
        std::clamp<size_t>(kWeightFloats / (kPositions * kPanel * in), 1, all);
    return DivUp(all, DivUp(all, most));
  }
  Direction(const TileSource& src, size_t in, size_t out, size_t h,
            size_t width, size_t in_stride, size_t out_stride,
            size_t tap_stride, bool flip, size_t batch)
      : source(src),
        in_c(in),
        out_c(out),
        out_h(h),
        out_w(width),
        in_step(in_stride),
        out_step(out_stride),
        tap_step(tap_stride),
        flipped(flip),
        cut(CutTiles(batch, DivUp(h, 2), DivUp(width, 2), kBlockTiles, false)),
        panels(DivUp(out, kPanel)),
        block_panels(BlockPanels(in, panels)),
        v(cut.MostTiles(), in),
        m(cut.MostTiles(), std::min(panels, kProductPanels) * kPanel) {}
};

// Panels [panel_begin, panel_end), to [position][panel][channel][kPanel].
void Direction::TransformWeights(const float* w, size_t panel_begin,
                                 size_t panel_end, float* u,
                                 const ParallelRunner& parallel) const {
  const size_t parts = DivUp(in_c, kWeightRows);
  const size_t count = panel_end - panel_begin;
  ParallelFor(parallel, count * parts,
              DivUp(kElementGrain, kPositions * kPanel * kWeightRows),
              [&](size_t begin, size_t end, size_t) {
                alignas(64) float taps[9 * kWeightRows * kPanel];
                for (size_t i = begin; i < end; ++i) {
                  const size_t panel = i / parts, row = i % parts * kWeightRows;
                  const size_t rows = std::min(kWeightRows, in_c - row);
                  const size_t col = (panel_begin + panel) * kPanel;
                  const float* const from = w + row * in_step + col * out_step;
                  for (size_t tap = 0; tap < 9; ++tap) {
                    PackB(rows, std::min(kPanel, out_c - col),
                          from + (flipped ? 8 - tap : tap) * tap_step, in_step,
                          out_step, taps + tap * rows * kPanel, {});
                  }
                  HWY_DYNAMIC_DISPATCH(WeightTransformRows)
                  (rows, taps, u + (panel * in_c + row) * kPanel,
                   WeightStep(count));
                }
              });
}

// M = V U and the output transform of one block of tiles, panels [panel_begin,
// panel_end) of the block of output channels that begins at panel_base.
void Direction::RunBlock(const TileBlock& block, size_t count, const float* u,
                         size_t panel_base, size_t panel_begin,
                         size_t panel_end, const float* bias, bool accumulate,
                         float* v_at, float* m_at, float* y) const {
  // One register tile is two vectors wide. If it takes all columns, V is read
  // only once and M takes its place.
  const size_t lanes = HWY_DYNAMIC_DISPATCH(PositionLanes)();
  const size_t pass = lanes == kPanel ? kProductPanels : 1;
  const size_t first = (panel_base + panel_begin) * kPanel;
  const size_t cols =
      std::min((panel_end - panel_begin) * kPanel, out_c - first);
  TileBuffer to = m;
  if (cols <= 2 * lanes && cols <= v.tile_step) {
    to = v;
    m_at = v_at;
  }
  PositionProduct p;
  p.tiles = block.Tiles();
  p.channels = in_c;
  p.v = v_at;
  p.v_tile = v.tile_step;
  p.v_position = v.position_step;
  p.u_panel = in_c * kPanel;
  p.u_position = WeightStep(count);
  p.m = m_at;
  p.m_tile = to.tile_step;
  p.m_position = to.position_step;
  for (size_t col = 0; col < cols; col += pass * kPanel) {
    p.cols = std::min(pass * kPanel, cols - col);
    p.u = u + (panel_begin + col / kPanel) * p.u_panel;
    HWY_DYNAMIC_DISPATCH(PositionProducts)(p);
    const size_t channel = first + col;
    OutputTransformArgs args;
    args.from = m_at;
    args.tile_step = to.tile_step;
    args.position_step = to.position_step;
    args.channels = p.cols;
    args.tiles = block.cols;
    args.row_floats = out_w * out_c;
    args.pixel_floats = out_c;
    args.cols = out_w - 2 * block.col;
    args.accumulate = accumulate;
    args.bias = bias == nullptr ? nullptr : bias + channel;
    for (size_t n = block.image; n < block.image + block.images; ++n) {
      for (size_t row = block.row; row < block.row + block.rows; ++row) {
        args.to = y + ((n * out_h + 2 * row) * out_w + 2 * block.col) * out_c +
                  channel;
        args.bottom = 2 * row + 1 < out_h;
        HWY_DYNAMIC_DISPATCH(OutputTransformTiles)(args);
        args.from += block.cols * to.tile_step;
      }
    }
  }
}

void Direction::Run(const float* x, const Prologue& prologue, const float* w,
                    const float* bias, bool accumulate, float* y, void* scratch,
                    const ParallelRunner& parallel) const {
  float* const u = static_cast<float*>(scratch);
  float* const slots = u + PartBytes(WeightFloats()) / sizeof(float);
  for (size_t base = 0; base < panels; base += block_panels) {
    const size_t count = std::min(block_panels, panels - base);
    TransformWeights(w, base, base + count, u, parallel);
    const size_t unit_work = cut.MostTiles() * kPositions * in_c * kPanel;
    ParallelFor(
        parallel, cut.Count() * count, DivUp(kMultiplyGrain, unit_work),
        [&](size_t begin, size_t end, size_t slot) {
          float* const at = slots + slot * (SlotBytes() / sizeof(float));
          Stage stage(source, cut, at);
          float* const v_at =
              at + PartBytes(Stage::Floats(cut, in_c)) / sizeof(float);
          float* const m_at = v_at + PartBytes(v.Floats()) / sizeof(float);
          while (begin < end) {
            const TileBlock block = cut.At(begin / count);
            const size_t stop = std::min(end, RoundUp(begin + 1, count));
            stage.Fill(x, prologue, block);
            TransformBlock(block, stage, in_c, v, 0, 4, v_at);
            RunBlock(block, count, u, base, begin % count,
                     begin % count + stop - begin, bias, accumulate, v_at, m_at,
                     y);
            begin = stop;
          }
        });
  }
}

}  // namespace

size_t WinogradForwardScratch(const ConvShape& s, uint32_t batch,
                              uint32_t threads) {
  if (batch == 0) return 0;
  return Direction::Forward(s, batch).ScratchBytes(threads);
}

void WinogradForward(const ConvShape& s, uint32_t batch, const float* x,
                     const Prologue& prologue, const float* w,
                     const float* bias, float* y, void* scratch,
                     const ParallelRunner& parallel) {
  if (batch == 0) return;
  Direction::Forward(s, batch).Run(x, prologue, w, bias, false, y, scratch,
                                   parallel);
}

size_t WinogradBackwardDataScratch(const ConvShape& s, uint32_t batch,
                                   uint32_t threads) {
  if (batch == 0) return 0;
  return Direction::Backward(s, batch).ScratchBytes(threads);
}

void WinogradBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                          const float* w, bool accumulate, float* dx,
                          void* scratch, const ParallelRunner& parallel) {
  if (batch == 0) return;
  Direction::Backward(s, batch).Run(dy, Prologue(), w, nullptr, accumulate, dx,
                                    scratch, parallel);
}

}  // namespace temper::simd
#endif  // HWY_ONCE
