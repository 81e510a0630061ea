// Convolution: gradient of the weights. Contract: conv.h.
//
// dw is a matrix of out channels x taps, summed over output pixels. Its lanes
// lie over taps where a run of neighbouring taps is long (then dy is
// broadcast), else over out channels (then x is broadcast and the result is
// transposed at the end). The matrix is cut into units of a few register tiles.
// With many channels a pixel's taps and out channels lie pages apart; so a
// slice of the in channels is staged at a time, and dy is packed by unit rows.
//
// Units are ordered by (group, slice of in channels, block of rows, run of
// taps, columns, rows); threads take ranges. A range within a slice and block
// keeps its partial sums in scratch:
//
//   for each chunk of pixels (rows.h)     accumulators start at +0
//     for each band in the chunk          stage x, pack dy
//       for each unit                     its chains go on, in memory between
//     combine with the chunks before      partials.h
//   dw += result
//
// Without staging a unit's partial sums fit the stack and there are no bands.
//
// Threads that share units all read, stage and pack the same pixels. So with
// many pixels they share those first (PixelShare): each sums nodes of the tree
// of chunks, for all units or a part of them, and the nodes are combined at the
// end. The additions are the same.
// Next: partials.h, conv_bands.h, gemm-inl.h.
#include <algorithm>
#include <cstring>

#include "simd/conv.h"
#include "simd/conv_bands.h"
#include "simd/grain.h"
#include "simd/partials.h"
#include "simd/tile.h"

namespace temper::simd {
namespace {

// Floats of the partial results that a thread keeps at once, with slices and
// without: small models have no memory for more.
constexpr size_t kSlicedFloats = 256 * 1024 / sizeof(float);
constexpr size_t kWholeFloats = 160 * 1024 / sizeof(float);

// Pixels of a band if its bytes allow: accumulators go to memory between bands.
constexpr size_t kBandPixels = 128;

// Floats of dy packed at once.
constexpr size_t kPackedDyFloats = 128 * 1024 / sizeof(float);

// Sums over fewer pixels write dw about as often as they multiply.
constexpr size_t kFewPixels = 64;

// In channels that are staged at a time. Few channels, and few pixels (which
// make one band), are not cut: then runs of taps in dw are longest. A slice
// divides the channels, into pairs of panels if possible.
constexpr size_t kWholeChannels = 64;
bool OneBand(const ConvSizes& s) {
  return s.OutPixels() <= kChunkUnit &&
         s.batch * static_cast<size_t>((s.in_h + 2) * (s.in_w + 2)) * s.in_c <=
             48 * 1024 / sizeof(float);
}
size_t SliceChannels(const ConvSizes& s) {
  if (s.groups != 1 || s.in_c <= kWholeChannels || OneBand(s)) return s.in_c;
  const bool long_sum = s.OutPixels() > kChunkUnit;
  if (!long_sum && s.in_c % 64 == 0) return 64;
  for (const size_t multiple : {32, 16, 1}) {
    for (size_t n = 48; n >= 16; --n) {
      if (s.in_c % n == 0 && n % multiple == 0) return n;
    }
  }
  return s.in_c;
}

bool LanesOverTaps(const ConvSizes& s, size_t run) {
  // Lanes that do work, in percent, of either way. Taps win a draw: their
  // rows are neighbours in dy, and nothing is transposed.
  const size_t use_taps = 100 * run / RoundUp(run, kPanel);
  const size_t use_channels = 100 * s.group_out / RoundUp(s.group_out, kPanel);
  return use_taps * 4 >= use_channels * 3;
}

struct WeightGradient {
  ConvSizes s;
  size_t pixels;
  size_t run_taps_w;  // kernel columns in a run
  bool lanes_over_taps;
  Source source;
  size_t slices;       // of in channels, 1 unless x is staged
  size_t runs;         // lanes over taps: runs of taps per slice, else 1
  UnitCut cut;         // of one run of one slice of one group
  size_t unit_floats;  // of its partial result
  bool pack_dy;
  size_t block_rows;  // row units that pass by one staging
  bool cols_fastest;  // order of the units of a block

  // `filters` of one group.
  WeightGradient(const ConvShape& shape, size_t batch, bool prologue,
                 size_t filters)
      : s(shape, batch),
        pixels(s.OutPixels()),
        run_taps_w(s.groups == 1 && s.dilation_w == 1 ? s.kernel_w : 1),
        lanes_over_taps(LanesOverTaps(s, run_taps_w * s.group_in)),
        source(ForwardSource(s, lanes_over_taps ? SliceChannels(s) : s.in_c,
                             kBandPixels, prologue)) {
    slices = s.in_c / source.channels;
    const size_t slice_in = s.group_in / slices;
    if (lanes_over_taps) {
      runs = s.Taps() / run_taps_w;
      cut = slices > 1 && slice_in % (2 * kPanel) == 0
                ? CutUnits(filters, run_taps_w * slice_in, 2)
                : CutUnits(filters, run_taps_w * slice_in);
    } else {
      runs = 1;
      cut = CutUnits(s.Taps() * s.group_in, filters);
    }
    unit_floats = cut.rows * cut.cols;
    // A packed element is used once per tap of the slice.
    pack_dy = lanes_over_taps && source.staged && s.groups == 1 &&
              s.out_c >= 64 && s.Taps() * slice_in >= 64;
    cols_fastest = lanes_over_taps && (pack_dy || pixels <= kFewPixels);
    block_rows =
        MostFloats() / (Partials() * unit_floats * runs * cut.col_units);
    if (pack_dy) {
      block_rows = std::min(block_rows,
                            kPackedDyFloats / (source.cut.pixels * cut.rows));
    }
    block_rows = std::clamp<size_t>(block_rows, 1, cut.row_units);
    block_rows = DivUp(cut.row_units, DivUp(cut.row_units, block_rows));
  }

  size_t SliceUnits() const { return runs * cut.Count(); }
  size_t Units() const { return s.groups * slices * SliceUnits(); }
  // Partials alive at once, for this many pixels or fewer.
  size_t Partials() const { return PartialCount(MostChunks(pixels)); }
  size_t AllUnitFloats() const { return Units() * unit_floats; }
  // Most floats that nodes may take: a quarter of what is summed.
  size_t MostNodeFloats() const { return pixels * (s.in_c + s.out_c) / 4; }
  // How `threads` threads share the work: `parts` ranges of chunks times
  // threads / parts ranges of units. One part: units only.
  ChunkParts PixelShare(size_t threads) const {
    const size_t chunks = ChunkCount(pixels);
    for (size_t parts = threads; parts > 1; --parts) {
      const ChunkParts share{chunks, parts};
      if (threads % parts != 0 || parts > chunks) continue;
      if (threads / parts > Units()) break;
      if (share.Balanced(pixels) &&
          share.Nodes() * AllUnitFloats() <= MostNodeFloats()) {
        return share;
      }
    }
    return {chunks, 1};
  }
  // Of all batches up to this one and as many threads or fewer.
  size_t NodeBytes(size_t threads) const {
    size_t nodes = 0;
    for (size_t chunks = 2; chunks <= MostChunks(pixels); ++chunks) {
      for (size_t parts = 2; parts <= std::min(threads, chunks); ++parts) {
        nodes = std::max(nodes, ChunkParts{chunks, parts}.Nodes());
      }
    }
    return PartBytes(std::min(nodes * AllUnitFloats(), MostNodeFloats()));
  }
  // Floats of partial results that a thread may keep.
  size_t MostFloats() const {
    return slices > 1 ? kSlicedFloats : kWholeFloats;
  }
  // Units whose partial results are kept at the same time. Without staging
  // there is nothing to share between units: one, on the stack.
  size_t UnitsAtOnce(size_t partials) const {
    if (!source.staged) return 1;
    return std::clamp<size_t>(MostFloats() / (partials * unit_floats), 1,
                              block_rows * runs * cut.col_units);
  }
  // Parts of a thread's scratch. They grow with the batch and the filters, as
  // the blocks do not.
  size_t PartialBytes() const {
    const size_t unit = Partials() * unit_floats;
    return PartBytes(
        std::max(unit, std::min(MostFloats(), unit * SliceUnits())));
  }
  size_t PackedDyBytes() const {
    if (!pack_dy) return 0;
    // Fewer filters may be cut into units of more rows.
    return PartBytes(
        std::max(source.cut.pixels * kMaxTileRows,
                 std::min(kPackedDyFloats,
                          source.cut.pixels * cut.rows * cut.row_units)));
  }
  size_t SlotBytes() const {
    if (!source.staged) return 0;
    return PartialBytes() + PartBytes(source.StagedFloats()) + PackedDyBytes();
  }

  // Where a unit lies.
  struct Place {
    size_t group, slice, run, col_unit, row_unit;
    size_t block, block_end;  // row units of its block
    Unit unit;
  };
  Place At(size_t i) const {
    Place p;
    const size_t row_length = runs * cut.col_units;
    p.group = i / SliceUnits() / slices;
    p.slice = i / SliceUnits() % slices;
    i %= SliceUnits();
    p.block = i / (row_length * block_rows) * block_rows;
    p.block_end = std::min(cut.row_units, p.block + block_rows);
    i -= p.block * row_length;
    const size_t rows = p.block_end - p.block;
    size_t column = i / rows;
    p.row_unit = p.block + i % rows;
    if (cols_fastest) {
      column = i % row_length;
      p.row_unit = p.block + i / row_length;
    }
    p.col_unit = column % cut.col_units;
    p.run = column / cut.col_units;
    p.unit = cut.At(p.row_unit, p.col_unit);
    return p;
  }
  // The next one in the same block.
  void Next(Place& p) const {
    if (cols_fastest) {
      if (++p.col_unit == cut.col_units) {
        p.col_unit = 0;
        if (++p.run == runs) p.run = 0, ++p.row_unit;
      }
    } else if (++p.row_unit == p.block_end) {
      p.row_unit = p.block;
      if (++p.col_unit == cut.col_units) p.col_unit = 0, ++p.run;
    }
    p.unit = cut.At(p.row_unit, p.col_unit);
  }
  // The first unit of the next block.
  size_t BlockEnd(size_t i) const {
    const Place p = At(i);
    return i - i % SliceUnits() + p.block_end * runs * cut.col_units;
  }
  size_t TapAt(size_t kh, size_t kw, const Window& window) const {
    return kh * static_cast<size_t>(s.dilation_h) * window.row_floats +
           kw * static_cast<size_t>(s.dilation_w) * source.channels;
  }

  // dy as it lies, or packed: [row unit of the block][pixel][cut.rows].
  struct Gradient {
    const float* at;
    size_t unit_step;  // 0: not packed
  };
  // Packs the block's rows of `count` pixels.
  Gradient PackDy(const Place& block, const float* dy, size_t count,
                  float* packed) const {
    const size_t unit_step = count * cut.rows;
    for (size_t i = block.block; i < block.block_end; ++i) {
      const float* from = dy + i * cut.rows;
      float* to = packed + (i - block.block) * unit_step;
      // Whole vectors: what is too much, the next pixel overwrites. Of the last
      // pixel only the rows: another thread may write past dy.
      for (size_t p = 1; p < count; ++p, from += s.out_c, to += cut.rows) {
        std::memcpy(to, from, kPanel * sizeof(float));
      }
      std::memcpy(to, from, cut.At(i, 0).rows * sizeof(float));
    }
    return {packed, unit_step};
  }

  // Sums the pixels of the walk, which begins in window, into c.
  void Accumulate(const Place& place, const Window& window, const Walk& walk,
                  const Gradient& dy, Reduction r) const {
    const Unit& unit = place.unit;
    r.walk = walk;
    r.rows = unit.rows;
    const float* const x = window.at + place.group * s.group_in;
    const float* const g = dy.at + place.group * s.group_out;
    if (lanes_over_taps) {
      const size_t per_row = s.kernel_w / run_taps_w;
      if (dy.unit_step == 0) {
        r.a = g + unit.row;
        r.dense_step = s.out_c;
      } else {
        r.a = g + (place.row_unit - place.block) * dy.unit_step;
        r.dense_step = cut.rows;
      }
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
    r.dense_step = s.out_c;
    RunReduction(r);
  }

  size_t FilterFloats() const { return s.Taps() * s.group_in; }
  // Element (row 0 of a unit, column `col` of its run) in dw.
  float* ColumnAt(const Place& place, size_t col, float* dw) const {
    const size_t slice = s.group_in / slices;
    return dw + (place.group * s.group_out + place.unit.row) * FilterFloats() +
           (place.run * run_taps_w + col / slice) * s.group_in +
           place.slice * slice + col % slice;
  }
  void AddTo(const Place& place, const float* sum, float* dw) const {
    const Unit& unit = place.unit;
    if (!lanes_over_taps) {
      float* const group = dw + place.group * s.group_out * FilterFloats();
      for (size_t row = 0; row < unit.rows; ++row) {
        for (size_t col = 0; col < unit.cols; ++col) {
          group[(unit.col + col) * FilterFloats() + unit.row + row] +=
              sum[row * cut.cols + col];
        }
      }
      return;
    }
    const size_t slice = s.group_in / slices;
    const size_t end = unit.col + unit.cols;
    for (size_t row = 0; row < unit.rows; ++row) {
      const float* from = sum + row * cut.cols;
      for (size_t col = unit.col; col < end;) {
        // Without slices a run lies together.
        const size_t n =
            slices == 1 ? end - col : std::min(slice - col % slice, end - col);
        AddFloats(n, from, ColumnAt(place, col, dw) + row * FilterFloats());
        from += n;
        col += n;
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
    walk.col_step = static_cast<size_t>(s.stride_w) * source.channels;
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

  // Sums chunks [first_chunk, first_chunk + chunks), a node of the tree or all
  // of them, of the units [begin, end) of one block. True if the result went to
  // dw at once.
  bool SumUnits(size_t begin, size_t end, size_t first_chunk, size_t chunks,
                const float* x, Prologue prologue, const float* dy, float* dw,
                const PartialBuffers& sums, float* stage, float* packed) const {
    const size_t out_w = static_cast<size_t>(s.out_w);
    const size_t out_h = static_cast<size_t>(s.out_h);
    const size_t chunk = ChunkRows(pixels);
    const size_t first = first_chunk * chunk;
    const size_t last =
        first + ChunkParts::RowsOf(pixels, first_chunk, first_chunk + chunks);
    const auto merge = [&](size_t into, size_t from) {
      AddFloats((end - begin) * unit_floats, sums.At(from), sums.At(into));
    };
    // Without staging all pixels are one band.
    BandCut bands = source.cut;
    if (!source.staged) {
      bands.images = s.batch;
      bands.band_rows = out_h;
      bands.image_bands = bands.row_bands = 1;
    }
    const Place first_place = At(begin);
    const size_t slice = first_place.slice * source.channels;
    x += slice;
    if (!prologue.IsIdentity()) {
      prologue.scale += slice;
      prologue.shift += slice;
    }
    Reduction r;
    r.ldc = cut.cols;
    // One chunk in one band: the chains are added where they belong.
    const bool direct = lanes_over_taps && chunk >= pixels &&
                        bands.Count() == 1 &&
                        (slices == 1 || source.channels % cut.cols == 0);
    if (direct) {
      r.ldc = FilterFloats();
      r.add = true;
    }
    PartialStack stack;
    Band band;
    Window window;
    size_t next_band = 0, band_begin = 0, band_end = 0;
    for (size_t from = first; from < last; from += chunk) {
      float* const top = sums.At(stack.Top());
      const size_t to = std::min(last, from + chunk);
      for (size_t at = from; at < to;) {
        if (at >= band_end) {
          while (at >= band_end) {
            band = BandAt(bands, next_band++);
            band_begin = band_end;
            band_end += band.images * band.rows * out_w;
          }
          window = source.Open(x, prologue, band, stage);
        }
        const size_t stop = std::min(to, band_end);
        // Several images in a band are whole ones: pixels follow each other.
        Walk walk =
            PixelWalk(window, band.rows,
                      (at - band_begin) % (band.rows * out_w), stop - at);
        Window inside = window;
        inside.at +=
            (at - band_begin) / (band.rows * out_w) * window.image_floats;
        Gradient gradient = {dy + at * s.out_c, 0};
        if (pack_dy) {
          gradient = PackDy(first_place, gradient.at, stop - at, packed);
        }
        r.resume = at != from;
        Place place = first_place;
        for (size_t i = begin; i < end; ++i, Next(place)) {
          r.cols = RoundUp(place.unit.cols, kPanel / 2);
          r.c = top + (i - begin) * unit_floats;
          if (direct) {
            r.cols = place.unit.cols;
            r.c = ColumnAt(place, place.unit.col, dw);
          }
          Accumulate(place, inside, walk, gradient, r);
        }
        at = stop;
      }
      stack.Push(merge);
    }
    stack.Finish(merge);
    return direct;
  }

  // Adds what SumUnits left in `result` to dw.
  void AddUnits(size_t begin, size_t end, const float* result,
                float* dw) const {
    while (begin < end) {
      const size_t stop = std::min(end, BlockEnd(begin));
      Place place = At(begin);
      for (; begin < stop; ++begin, Next(place), result += unit_floats) {
        AddTo(place, result, dw);
      }
    }
  }
};

}  // namespace

size_t direct::ConvBackwardWeightsScratch(const ConvShape& shape,
                                          uint32_t batch, uint32_t threads,
                                          bool prologue) {
  size_t bytes = 0;
  // The largest batches of the kinds that SliceChannels tells apart: they may
  // need more than a larger one of the next kind.
  uint32_t whole = 0, one_chunk = 0;
  for (uint32_t n = 1; n <= std::min<uint32_t>(batch, kChunkUnit); ++n) {
    const ConvSizes s(shape, n);
    if (OneBand(s)) whole = n;
    if (s.OutPixels() <= kChunkUnit) one_chunk = n;
  }
  for (const uint32_t n : {whole, one_chunk, batch}) {
    if (n == 0) continue;
    const WeightGradient g(shape, n, prologue, shape.out_c / shape.groups);
    bytes = std::max(bytes, SlotCount(g.Units(), threads) * g.SlotBytes());
    if (const size_t nodes = g.NodeBytes(threads); nodes != 0) {
      bytes = std::max(bytes, threads * g.SlotBytes() + nodes);
    }
    // Without a prologue after all, x may need no staging: other units.
    if (prologue) {
      const WeightGradient plain(shape, n, false, shape.out_c / shape.groups);
      bytes = std::max(bytes,
                       threads * plain.SlotBytes() + plain.NodeBytes(threads));
    }
  }
  return bytes;
}

void direct::ConvBackwardWeights(const ConvShape& shape, uint32_t batch,
                                 const float* x, const Prologue& prologue,
                                 const float* dy, uint32_t first,
                                 uint32_t filters, float* dw, void* scratch,
                                 const ParallelRunner& parallel) {
  if (batch == 0 || filters == 0) return;
  const WeightGradient g(shape, batch, !prologue.IsIdentity(),
                         filters / shape.groups);
  const size_t work = g.pixels * g.unit_floats;
  const size_t grain = DivUp(kMultiplyGrain, work);
  const size_t slot_floats = g.SlotBytes() / sizeof(float);
  float* const slots = static_cast<float*>(scratch);
  // Where a thread works: parts of the scratch, or without staging its stack.
  struct Slot {
    float *partials, *stage, *packed;
  };
  const auto slot_at = [&](size_t slot, float* stack) {
    Slot at = {stack, nullptr, nullptr};
    if (!g.source.staged) return at;
    at.partials = slots + slot * slot_floats;
    at.stage = at.partials + g.PartialBytes() / sizeof(float);
    at.packed = at.stage + PartBytes(g.source.StagedFloats()) / sizeof(float);
    return at;
  };
  const size_t threads = ParallelShares(
      parallel, Saturated(uint64_t{work} * g.Units()), kMultiplyGrain);
  const ChunkParts share = g.PixelShare(threads);
  if (share.parts == 1) {
    const size_t at_once = g.UnitsAtOnce(g.Partials());
    ParallelFor(parallel, g.Units(), grain, Split::kWhole,
                [&](size_t begin, size_t end, size_t slot) {
                  alignas(64) float stack[kMaxPartials * kMaxUnitFloats];
                  const Slot at = slot_at(slot, stack);
                  const size_t stride = at_once * g.unit_floats;
                  while (begin < end) {
                    const size_t stop =
                        std::min({end, begin + at_once, g.BlockEnd(begin)});
                    if (!g.SumUnits(begin, stop, 0, share.chunks, x, prologue,
                                    dy + first, dw,
                                    {at.partials, at.partials + stride, stride},
                                    at.stage, at.packed)) {
                      g.AddUnits(begin, stop, at.partials, dw);
                    }
                    begin = stop;
                  }
                });
    return;
  }
  // Threads share pixels.
  const size_t ranges = threads / share.parts;
  const size_t all = g.AllUnitFloats();
  float* const nodes = slots + threads * slot_floats;
  const size_t at_once = g.UnitsAtOnce(std::max<size_t>(1, share.Others()));
  const auto sum = [&](size_t part, size_t range, const Slot& at) {
    size_t begin = g.Units() * range / ranges;
    const size_t end = g.Units() * (range + 1) / ranges;
    while (begin < end) {
      const size_t stop = std::min({end, begin + at_once, g.BlockEnd(begin)});
      share.ForEachNode(
          [&](size_t of, size_t node, size_t chunk, size_t chunks) {
            if (of != part) return;
            g.SumUnits(begin, stop, chunk, chunks, x, prologue, dy + first, dw,
                       {nodes + node * all + begin * g.unit_floats, at.partials,
                        at_once * g.unit_floats},
                       at.stage, at.packed);
          });
      begin = stop;
    }
  };
  ParallelFor(parallel, threads, 1, Split::kWhole,
              [&](size_t begin, size_t end, size_t slot) {
                alignas(64) float stack[kMaxPartials * kMaxUnitFloats];
                for (size_t i = begin; i < end; ++i) {
                  sum(i / ranges, i % ranges, slot_at(slot, stack));
                }
              });
  ParallelFor(parallel, g.Units(),
              DivUp(kElementGrain, share.Nodes() * g.unit_floats),
              [&](size_t begin, size_t end, size_t) {
                float* const at = nodes + begin * g.unit_floats;
                share.Combine([&](size_t into, size_t from) {
                  AddFloats((end - begin) * g.unit_floats, at + from * all,
                            at + into * all);
                });
                g.AddUnits(begin, end, at, dw);
              });
}

}  // namespace temper::simd
