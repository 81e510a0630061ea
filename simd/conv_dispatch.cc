// Which kernel computes a convolution: Winograd's where it is faster, the
// direct one elsewhere. The rule knows the shape alone, so that neither target,
// threads, arena nor a short last batch changes bits.
//
// The costs are cycles of vectors of `lanes` floats, fitted to Zen 4
// (bench/winograd_bench.cc), where vectors of 8 and of 16 are equally fast per
// float: Winograd must win with both, by a tenth. A tile's transforms cost 62
// and 45 (50) cycles per vector of input and output channels, a vector
// FMA 1.07; the direct kernel's 1.08 or 1.12. Next: conv.h, winograd.h.
#include <cstdint>
#include <initializer_list>

#include "simd/conv.h"
#include "simd/gemm.h"
#include "simd/tile.h"
#include "simd/winograd.h"

namespace temper::simd {
namespace {

// Percent of a cycle, summed over a layer.
using Cost = uint64_t;

Cost Tiles(uint32_t h, uint32_t w) { return DivUp(h, 2) * DivUp(w, 2); }

// Parts into which 16 x rows x cols floats are cut.
Cost Blocks(size_t rows, size_t cols, size_t bytes) {
  return DivUp(16 * rows * RoundUp(cols, kPanel) * sizeof(float), bytes);
}

// Outputs h x w; lanes over out channels.
bool ProductPays(uint32_t h, uint32_t w, size_t in, size_t out) {
  for (const size_t lanes : {size_t{8}, size_t{16}}) {
    const Cost in_vecs = DivUp(in, lanes), out_vecs = DivUp(out, lanes);
    const Cost blocks = Blocks(in, out, 512 * 1024);
    const Cost tile =
        6200 * in_vecs * blocks + 4500 * out_vecs + 1712 * in * out_vecs;
    const Cost weights = 1000 * in * out_vecs;  // shared by 8 images
    // It has half vectors for the last columns.
    const Cost halves = DivUp(out, 8) * 16 / lanes;
    const Cost direct = Cost{486} * h * w * in * halves;
    if (direct * 10 < (Tiles(h, w) * tile + weights) * 11) return false;
  }
  return true;
}

}  // namespace

bool WinogradForwardApplies(const ConvShape& s) {
  return WinogradComputes(s) && ProductPays(s.out_h, s.out_w, s.in_c, s.out_c);
}

bool WinogradBackwardDataApplies(const ConvShape& s) {
  return WinogradComputes(s) && ProductPays(s.in_h, s.in_w, s.out_c, s.in_c);
}

// Lanes over in channels; the direct kernel's lie over taps x in channels.
bool WinogradBackwardWeightsApplies(const ConvShape& s) {
  if (!WinogradComputes(s)) return false;
  for (const size_t lanes : {size_t{8}, size_t{16}}) {
    const Cost in_vecs = DivUp(s.in_c, lanes), out_vecs = DivUp(s.out_c, lanes);
    const Cost blocks = Blocks(s.out_c, s.in_c, 256 * 1024);
    const Cost tile =
        6200 * in_vecs * blocks + 5000 * out_vecs + 1760 * s.out_c * in_vecs;
    const Cost weights = 600 * s.out_c * in_vecs;  // shared by 8 images
    const Cost direct =
        Cost{1008} * s.out_h * s.out_w * s.out_c * s.in_c / lanes;
    if (direct * 10 < (Tiles(s.out_h, s.out_w) * tile + weights) * 11)
      return false;
  }
  return true;
}

size_t ConvForwardScratch(const ConvShape& s, uint32_t batch, uint32_t threads,
                          bool prologue) {
  return WinogradForwardApplies(s)
             ? WinogradForwardScratch(s, batch, threads)
             : direct::ConvForwardScratch(s, batch, threads, prologue);
}

void ConvForward(const ConvShape& s, uint32_t batch, const float* x,
                 const Prologue& prologue, const float* w, const float* bias,
                 float* y, void* scratch, const ParallelRunner& parallel) {
  const auto run =
      WinogradForwardApplies(s) ? WinogradForward : direct::ConvForward;
  run(s, batch, x, prologue, w, bias, y, scratch, parallel);
}

size_t ConvBackwardDataScratch(const ConvShape& s, uint32_t batch,
                               uint32_t threads) {
  return WinogradBackwardDataApplies(s)
             ? WinogradBackwardDataScratch(s, batch, threads)
             : direct::ConvBackwardDataScratch(s, batch, threads);
}

void ConvBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                      const float* w, bool accumulate, float* dx, void* scratch,
                      const ParallelRunner& parallel) {
  const auto run = WinogradBackwardDataApplies(s) ? WinogradBackwardData
                                                  : direct::ConvBackwardData;
  run(s, batch, dy, w, accumulate, dx, scratch, parallel);
}

size_t ConvBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                  uint32_t threads, bool prologue) {
  return WinogradBackwardWeightsApplies(s)
             ? WinogradBackwardWeightsScratch(s, batch, threads)
             : direct::ConvBackwardWeightsScratch(s, batch, threads, prologue);
}

void ConvBackwardWeights(const ConvShape& s, uint32_t batch, const float* x,
                         const Prologue& prologue, const float* dy,
                         uint32_t first, uint32_t filters, float* dw,
                         void* scratch, const ParallelRunner& parallel) {
  const auto run = WinogradBackwardWeightsApplies(s)
                       ? WinogradBackwardWeights
                       : direct::ConvBackwardWeights;
  run(s, batch, x, prologue, dy, first, filters, dw, scratch, parallel);
}

}  // namespace temper::simd
