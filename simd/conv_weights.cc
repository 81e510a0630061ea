// Convolution: gradient of the weights. Contract: conv.h.
//
// dw is a matrix of out channels x taps, summed over output pixels. Its lanes
// lie over taps where a run of neighbouring taps is long (then dy is
// broadcast), else over out channels (then x is broadcast and the result is
// transposed at the end). The matrix is cut into units of a few register tiles;
// a thread takes a range of units and stages x for itself. Per group of units
// that fits the scratch:
//
//   for each chunk of pixels (rows.h)     accumulators start at +0
//     for each band in the chunk          stage x, if there is padding
//       for each unit                     its chains go on, in memory between
//     combine with the chunks before      partials.h
//   dw += result
//
// Next: partials.h, conv_bands.h, gemm-inl.h.
#include <algorithm>

#include "simd/conv.h"
#include "simd/conv_bands.h"
#include "simd/grain.h"
#include "simd/partials.h"
#include "simd/tile.h"

namespace temper::simd {
namespace {

// Floats of one partial result of a group of units.
constexpr size_t kPartialFloats = 32 * 1024 / sizeof(float);

// Pixels of a band if its bytes allow: accumulators go to memory between bands.
constexpr size_t kBandPixels = 128;

struct WeightGradient {
  ConvSizes s;
  Source source;
  size_t pixels;
  bool lanes_over_taps;
  size_t runs;        // lanes over taps: runs of taps per group, else 1
  size_t run_taps_w;  // kernel columns in a run
  UnitCut cut;        // of one run of one group
  size_t unit_floats;

  // `filters` of one group.
  WeightGradient(const ConvShape& shape, size_t batch, bool prologue,
                 size_t filters)
      : s(shape, batch),
        source(ForwardSource(s, kBandPixels, prologue)),
        pixels(s.OutPixels()) {
    const bool whole_rows = s.groups == 1 && s.dilation_w == 1;
    run_taps_w = whole_rows ? s.kernel_w : 1;
    const size_t run = run_taps_w * s.group_in;
    // Lanes that do work, in percent, of either way. Taps win a draw: their
    // rows are neighbours in dy, and nothing is transposed.
    const size_t use_taps = 100 * run / RoundUp(run, kPanel);
    const size_t use_channels =
        100 * s.group_out / RoundUp(s.group_out, kPanel);
    lanes_over_taps = use_taps * 4 >= use_channels * 3;
    if (lanes_over_taps) {
      runs = s.Taps() / run_taps_w;
      cut = CutUnits(filters, run);
    } else {
      runs = 1;
      cut = CutUnits(s.Taps() * s.group_in, filters);
    }
    unit_floats = cut.rows * cut.cols;
  }

  size_t Units() const { return s.groups * runs * cut.Count(); }
  // Units of one thread whose partial results are kept at the same time.
  // Without staging there is nothing to share between units: one, on the stack.
  size_t UnitsAtOnce(size_t threads) const {
    if (!source.staged) return 1;
    return std::clamp<size_t>(kPartialFloats / unit_floats, 1,
                              DivUp(Units(), SlotCount(Units(), threads)));
  }
  // Partials alive at once, for this many pixels or fewer.
  size_t Partials() const {
    return PartialCount(pixels > (kMaxChunks - 1) * kChunkUnit
                            ? kMaxChunks
                            : ChunkCount(pixels));
  }
  // Of all partials of a thread. The same for every range of filters.
  size_t PartialBytes() const { return PartBytes(Partials() * kPartialFloats); }
  size_t SlotBytes() const {
    if (!source.staged) return 0;
    return PartialBytes() + PartBytes(source.StagedFloats());
  }

  // Where unit i lies. Rows are counted fastest, groups slowest.
  struct Place {
    size_t group, run, col_unit, row_unit;
    Unit unit;
  };
  Place At(size_t i) const {
    const size_t j = i % cut.Count();
    return {i / cut.Count() / runs, i / cut.Count() % runs, j / cut.row_units,
            j % cut.row_units, cut.At(j)};
  }
  void Next(Place& p) const {
    if (++p.row_unit == cut.row_units) {
      p.row_unit = 0;
      if (++p.col_unit == cut.col_units) {
        p.col_unit = 0;
        if (++p.run == runs) p.run = 0, ++p.group;
      }
    }
    p.unit = cut.At(p.row_unit, p.col_unit);
  }
  size_t TapAt(size_t kh, size_t kw, const Window& window) const {
    return kh * static_cast<size_t>(s.dilation_h) * window.row_floats +
           kw * static_cast<size_t>(s.dilation_w) * s.in_c;
  }

  // Sums pixels [first, last) of dy, the walk beginning in window, into c.
  void Accumulate(const Place& place, const Window& window, const Walk& walk,
                  const float* dy, bool resume, float* c) const {
    const Unit& unit = place.unit;
    Reduction r;
    r.dense_step = s.out_c;
    r.walk = walk;
    r.rows = unit.rows;
    r.cols = RoundUp(unit.cols, kPanel);
    r.c = c;
    r.ldc = cut.cols;
    r.resume = resume;
    const float* const x = window.at + place.group * s.group_in;
    const float* const g = dy + place.group * s.group_out;
    if (lanes_over_taps) {
      const size_t per_row = s.kernel_w / run_taps_w;
      r.a = g + unit.row;
      r.b = x + TapAt(place.run / per_row, place.run % per_row, window) +
            unit.col;
      RunReduction(r);
      return;
    }
    size_t offsets[kMaxTileRows];
    size_t channel = unit.row % s.group_in;
    size_t kw = unit.row / s.group_in % s.kernel_w;
    size_t kh = unit.row / s.group_in / s.kernel_w;
    size_t tap = TapAt(kh, kw, window);
    for (size_t row = 0; row < unit.rows; ++row) {
      offsets[row] = tap + channel;
      if (++channel == s.group_in) {
        channel = 0;
        if (++kw == s.kernel_w) kw = 0, ++kh;
        tap = TapAt(kh, kw, window);
      }
    }
    r.a = x;
    r.a_offsets = offsets;
    r.b = g + unit.col;
    RunReduction(r);
  }

  void AddTo(const Place& place, const float* sum, float* dw) const {
    const Unit& unit = place.unit;
    const size_t filter = s.Taps() * s.group_in;
    float* const group = dw + place.group * s.group_out * filter;
    if (lanes_over_taps) {
      const size_t run = place.run * run_taps_w * s.group_in;
      for (size_t row = 0; row < unit.rows; ++row) {
        AddFloats(unit.cols, sum + row * cut.cols,
                  group + (unit.row + row) * filter + run + unit.col);
      }
      return;
    }
    for (size_t row = 0; row < unit.rows; ++row) {
      for (size_t col = 0; col < unit.cols; ++col) {
        group[(unit.col + col) * filter + unit.row + row] +=
            sum[row * cut.cols + col];
      }
    }
  }

  // The walk over `count` output pixels from pixel `first` of the window.
  Walk PixelWalk(const Window& window, size_t rows, size_t first,
                 size_t count) const {
    Walk walk;
    walk.count = count;
    walk.cols = static_cast<size_t>(s.out_w);
    walk.rows = rows;
    walk.col_step = static_cast<size_t>(s.stride_w) * s.in_c;
    walk.row_step = static_cast<size_t>(s.stride_h) * window.row_floats;
    walk.image_step = window.image_floats;
    if (walk.row_step == walk.cols * walk.col_step) {
      walk.cols *= walk.rows;
      walk.rows = 1;
      walk.row_step = 0;
    }
    walk.first_col = first % walk.cols;
    walk.first_row = first / walk.cols;
    return walk;
  }

  // Units [begin, end). Partial i lies at partials + i * stride.
  void RunUnits(size_t begin, size_t end, const float* x,
                const Prologue& prologue, const float* dy, float* dw,
                float* partials, size_t stride, float* stage) const {
    const size_t out_w = static_cast<size_t>(s.out_w);
    const size_t out_h = static_cast<size_t>(s.out_h);
    const size_t chunk = ChunkRows(pixels);
    const auto merge = [&](size_t into, size_t from) {
      AddFloats((end - begin) * unit_floats, partials + from * stride,
                partials + into * stride);
    };
    // Without staging all pixels are one band.
    BandCut bands = source.cut;
    if (!source.staged) {
      bands.images = s.batch;
      bands.band_rows = out_h;
      bands.image_bands = bands.row_bands = 1;
    }
    const Place first_place = At(begin);
    PartialStack stack;
    Band band = BandAt(bands, 0);
    Window window = source.Open(x, prologue, band, stage);
    size_t next_band = 1;
    size_t band_begin = 0, band_end = band.images * band.rows * out_w;
    for (size_t from = 0; from < pixels; from += chunk) {
      float* const sums = partials + stack.Top() * stride;
      const size_t to = std::min(pixels, from + chunk);
      for (size_t at = from; at < to;) {
        if (at == band_end) {
          band = BandAt(bands, next_band++);
          window = source.Open(x, prologue, band, stage);
          band_begin = band_end;
          band_end += band.images * band.rows * out_w;
        }
        const size_t stop = std::min(to, band_end);
        // Several images in a band are whole ones: pixels follow each other.
        Walk walk =
            PixelWalk(window, band.rows,
                      (at - band_begin) % (band.rows * out_w), stop - at);
        Window inside = window;
        inside.at +=
            (at - band_begin) / (band.rows * out_w) * window.image_floats;
        Place place = first_place;
        for (size_t i = begin; i < end; ++i, Next(place)) {
          Accumulate(place, inside, walk, dy + at * s.out_c, at != from,
                     sums + (i - begin) * unit_floats);
        }
        at = stop;
      }
      stack.Push(merge);
    }
    stack.Finish(merge);
    Place place = first_place;
    for (size_t i = begin; i < end; ++i, Next(place)) {
      AddTo(place, partials + (i - begin) * unit_floats, dw);
    }
  }
};

}  // namespace

size_t ConvBackwardWeightsScratch(const ConvShape& shape, uint32_t batch,
                                  uint32_t threads, bool prologue) {
  if (batch == 0) return 0;
  const WeightGradient g(shape, batch, prologue, shape.out_c / shape.groups);
  return SlotCount(g.Units(), threads) * g.SlotBytes();
}

void ConvBackwardWeights(const ConvShape& shape, uint32_t batch, const float* x,
                         const Prologue& prologue, const float* dy,
                         uint32_t first, uint32_t filters, float* dw,
                         void* scratch, const ParallelRunner& parallel) {
  if (batch == 0 || filters == 0) return;
  const WeightGradient g(shape, batch, !prologue.IsIdentity(),
                         filters / shape.groups);
  const size_t at_once = g.UnitsAtOnce(parallel.threads);
  const size_t work = g.pixels * g.unit_floats;
  ParallelFor(parallel, g.Units(), DivUp(kMultiplyGrain, work),
              [&](size_t begin, size_t end, size_t slot) {
                alignas(64) float stack[kMaxPartials * kMaxUnitFloats];
                float* partials = stack;
                float* stage = nullptr;
                if (g.source.staged) {
                  partials = static_cast<float*>(scratch) +
                             slot * (g.SlotBytes() / sizeof(float));
                  stage = partials + g.PartialBytes() / sizeof(float);
                }
                for (; begin < end; begin += at_once) {
                  g.RunUnits(begin, std::min(end, begin + at_once), x, prologue,
                             dy + first, dw, partials, at_once * g.unit_floats,
                             stage);
                }
              });
}

}  // namespace temper::simd
