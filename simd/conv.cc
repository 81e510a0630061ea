// Convolution forward and gradient of the input. Contract: conv.h.
//
// Both are the same algorithm: a grid of output pixels cut into bands, each
// band a Product of staged source pixels with weights packed once per call. The
// input gradient runs it once per phase (ih % stride_h, iw % stride_w): the
// pixels of one phase see the same taps, so there it is a stride-1 convolution
// of dy. With t = ih / stride_h:
//
//   tap kh reaches ih from
//     oh = t + (phase + pad_top - kh * dilation_h) / stride_h
//
// where that division leaves no remainder.
// Next: conv_bands.h (bands), gemm-inl.h (the tile), conv_weights.cc.
#include "simd/conv.h"

#include <algorithm>
#include <cstdint>

#include "simd/conv_bands.h"
#include "simd/gemm.h"
#include "simd/grain.h"
#include "simd/tile.h"
#include "simd/winograd.h"

namespace temper::simd {
namespace {

// Pixels of a band if its bytes allow: full tiles, and weights read less often.
constexpr size_t kBandPixels = 56;

// One pixel row after the other without a gap is one long row.
void MergeRows(Product& p) {
  if (p.a_row == p.cols * p.a_col && p.c_row == p.cols * p.c_col) {
    p.cols *= p.rows;
    p.rows = 1;
    if (p.a_image == p.cols * p.a_col && p.c_image == p.cols * p.c_col) {
      p.cols *= p.images;
      p.images = 1;
    }
  }
}

// The weights of a call as panels of kPanel columns, and when they are packed.
// Few are packed once, for all threads. Many (above kSharedBytes) would be
// written to memory and read back: then each thread packs a block of columns
// that stays in its cache, and runs all its bands against it. That stages a
// band once per block, which costs little compared with a block's
// multiplications.
struct Panels {
  static constexpr size_t kSharedBytes = 640 * 1024;
  static constexpr size_t kBlockBytes = 256 * 1024;
  size_t groups, columns, panel_floats;
  size_t count;   // panels of a group
  bool unpacked;  // read where they lie
  bool given;     // packed already, all of them at `at`
  const float* at = nullptr;
  bool shared;         // else by blocks
  size_t block_count;  // panels of a block

  Panels(size_t number_of_groups, size_t group_columns, size_t terms,
         bool in_place, bool packed = false)
      : groups(number_of_groups),
        columns(group_columns),
        panel_floats(terms * kPanel),
        count(DivUp(columns, kPanel)),
        unpacked(in_place),
        given(packed) {
    const size_t panel_bytes = panel_floats * sizeof(float);
    shared = unpacked || groups * count * panel_bytes <= kSharedBytes;
    // Two panels fill a register tile; four blocks can feed four threads.
    const size_t most = std::clamp<size_t>(kBlockBytes / (panel_bytes + 1), 2,
                                           std::max<size_t>(2, count / 4));
    block_count = shared ? count : DivUp(count, DivUp(count, most));
  }
  bool PackedBefore() const { return shared && !unpacked && !given; }
  size_t SharedFloats() const {
    return PackedBefore() ? groups * count * panel_floats : 0;
  }
  size_t SlotFloats() const {
    return shared || given ? 0 : block_count * panel_floats;
  }
};

size_t SlotBytes(const Source& source, const Panels& panels) {
  return panels.SlotFloats() * sizeof(float) + PartBytes(source.StagedFloats());
}
size_t ScratchBytes(const Source& source, const Panels& panels,
                    uint32_t threads) {
  const size_t units = source.cut.Count() * panels.groups * panels.count;
  return panels.SharedFloats() * sizeof(float) +
         SlotCount(units, threads) * SlotBytes(source, panels);
}

// Calls pack(group, panel_begin, panel_end, to) for the panels and
// run(band, window, group, col_begin, col_end, packed) for the products; packed
// is the panel of col_begin. A unit of work is one panel and one band.
template <class Pack, class Run>
void ForEachBand(const Source& source, const float* x, const Prologue& prologue,
                 const Panels& panels, size_t unit_work, void* scratch,
                 const ParallelRunner& parallel, Pack&& pack, Run&& run) {
  float* const shared = static_cast<float*>(scratch);
  if (panels.PackedBefore()) {
    ParallelFor(parallel, panels.groups * panels.count,
                DivUp(kElementGrain, panels.panel_floats + 1),
                [&](size_t begin, size_t end, size_t) {
                  while (begin < end) {
                    const size_t first = begin % panels.count;
                    const size_t last =
                        std::min(panels.count, first + end - begin);
                    pack(begin / panels.count, first, last,
                         shared + begin * panels.panel_floats);
                    begin += last - first;
                  }
                });
  }
  const size_t bands = source.cut.Count();
  const size_t slot_floats = SlotBytes(source, panels) / sizeof(float);
  // A thread that packs for itself packs for every range.
  ParallelFor(
      parallel, bands * panels.groups * panels.count,
      DivUp(kMultiplyGrain, unit_work + 1),
      panels.shared ? Split::kParts : Split::kWhole,
      [&](size_t begin, size_t end, size_t slot) {
        float* const block =
            shared + panels.SharedFloats() + slot * slot_floats;
        float* const stage = block + panels.SlotFloats();
        size_t open = bands;  // the band in the window
        Band band = {};
        Window window;
        const auto run_panels = [&](size_t i, size_t group, size_t first,
                                    size_t last, const float* packed) {
          if (i != open) {
            open = i;
            band = BandAt(source.cut, i);
            window = source.Open(x, prologue, band, stage);
          }
          run(band, window, group, first * kPanel,
              std::min(panels.columns, last * kPanel), packed);
        };
        if (panels.shared) {  // units in order of (band, group, panel)
          while (begin < end) {
            const size_t unit = begin % (panels.groups * panels.count);
            const size_t first = unit % panels.count;
            const size_t last = std::min(panels.count, first + end - begin);
            run_panels(begin / (panels.groups * panels.count),
                       unit / panels.count, first, last,
                       (panels.given ? panels.at : shared) +
                           unit * panels.panel_floats);
            begin += last - first;
          }
          return;
        }
        while (begin < end) {  // (group, block, band, panel)
          const size_t group = begin / (bands * panels.count);
          const size_t in_group = begin % (bands * panels.count);
          const size_t from =
              in_group / (bands * panels.block_count) * panels.block_count;
          const size_t count =
              std::min(panels.block_count, panels.count - from);
          size_t unit = in_group - from * bands;
          const size_t stop = std::min(bands * count, unit + end - begin);
          begin += stop - unit;
          // A range within one band needs no other panels than its own.
          size_t first = 0, last = count;
          if (unit / count == (stop - 1) / count) {
            first = unit % count, last = (stop - 1) % count + 1;
          }
          const float* packed = block;
          if (panels.given) {
            packed =
                panels.at + (group * panels.count + from) * panels.panel_floats;
          } else {
            pack(group, from + first, from + last,
                 block + first * panels.panel_floats);
          }
          while (unit < stop) {
            first = unit % count;
            last = std::min(count, first + stop - unit);
            run_panels(unit / count, group, from + first, from + last,
                       packed + first * panels.panel_floats);
            unit += last - first;
          }
        }
      });
}

Panels ForwardPanels(const ConvSizes& s, bool packed) {
  return Panels(s.groups, s.group_out, s.Taps() * s.group_in, false, packed);
}

// packed_before: w is as ConvPackWeights leaves it.
void Forward(const ConvSizes& s, const float* x, const Prologue& prologue,
             const float* w, bool packed_before, const float* bias, float* y,
             void* scratch, const ParallelRunner& parallel) {
  const Source source =
      ForwardSource(s, s.in_c, kBandPixels, !prologue.IsIdentity());
  const size_t k = s.Taps() * s.group_in;
  const size_t out_w = static_cast<size_t>(s.out_w);
  const size_t out_image = static_cast<size_t>(s.out_h) * out_w * s.out_c;
  const size_t work = source.cut.images * source.cut.band_rows * out_w * k;
  Panels panels = ForwardPanels(s, packed_before);
  panels.at = w;
  ForEachBand(
      source, x, prologue, panels, work * kPanel, scratch, parallel,
      [&](size_t g, size_t begin, size_t end, float* to) {
        const size_t first = begin * kPanel;
        PackB(k, std::min(s.group_out, end * kPanel) - first,
              w + (g * s.group_out + first) * k, 1, k, to, {});
      },
      [&](const Band& band, const Window& window, size_t g, size_t col_begin,
          size_t col_end, const float* packed) {
        Product p;
        p.images = band.images;
        p.rows = band.rows;
        p.cols = out_w;
        p.a = window.at + g * s.group_in;
        p.a_image = window.image_floats;
        p.a_row = static_cast<size_t>(s.stride_h) * window.row_floats;
        p.a_col = static_cast<size_t>(s.stride_w) * s.in_c;
        p.walk =
            TapWalk(s.kernel_h, s.kernel_w, static_cast<size_t>(s.dilation_h),
                    static_cast<size_t>(s.dilation_w), window.row_floats,
                    s.in_c, s.group_in);
        p.b = packed;
        p.b_panel = k * kPanel;
        p.b_step = kPanel;
        if (bias != nullptr) p.bias = bias + g * s.group_out + col_begin;
        p.c = y + band.image * out_image + band.row * out_w * s.out_c +
              g * s.group_out + col_begin;
        p.c_image = out_image;
        p.c_row = out_w * s.out_c;
        p.c_col = s.out_c;
        MergeRows(p);
        RunProduct(p, 0, band.images * band.rows * out_w, 0,
                   col_end - col_begin);
      });
}

size_t ForwardScratch(const ConvShape& shape, uint32_t batch, uint32_t threads,
                      bool prologue, bool packed) {
  if (batch == 0) return 0;
  const ConvSizes s(shape, batch);
  return ScratchBytes(ForwardSource(s, s.in_c, kBandPixels, prologue),
                      ForwardPanels(s, packed), threads);
}

// Terms of a sum: floats of a filter.
size_t FilterFloats(const ConvShape& s) {
  return size_t{s.kernel_h} * s.kernel_w * (s.in_c / s.groups);
}

}  // namespace

size_t direct::ConvForwardScratch(const ConvShape& shape, uint32_t batch,
                                  uint32_t threads, bool prologue) {
  return ForwardScratch(shape, batch, threads, prologue, false);
}

void direct::ConvForward(const ConvShape& shape, uint32_t batch, const float* x,
                         const Prologue& prologue, const float* w,
                         const float* bias, float* y, void* scratch,
                         const ParallelRunner& parallel) {
  if (batch == 0) return;
  Forward(ConvSizes(shape, batch), x, prologue, w, false, bias, y, scratch,
          parallel);
}

// Panels in the place of the rows that they are made of: those of a group may
// not end within one.
size_t ConvPackedBytes(const ConvShape& s) {
  if (WinogradForwardApplies(s)) return 0;
  if (s.groups != 1 && s.out_c / s.groups % kPanel != 0) return 0;
  return PackedBytes(FilterFloats(s), s.out_c);
}

size_t ConvPackScratch(const ConvShape& s) {
  return RoundUp(PackRowsFloats(FilterFloats(s), s.out_c) * sizeof(float), 64);
}

void ConvPackWeights(const ConvShape& s, float* w, void* scratch) {
  PackRows(FilterFloats(s), s.out_c, w, static_cast<float*>(scratch));
}

size_t ConvForwardPackedScratch(const ConvShape& shape, uint32_t batch,
                                uint32_t threads, bool prologue) {
  return ForwardScratch(shape, batch, threads, prologue, true);
}

void ConvForwardPacked(const ConvShape& shape, uint32_t batch, const float* x,
                       const Prologue& prologue, const float* w,
                       const float* bias, float* y, void* scratch,
                       const ParallelRunner& parallel) {
  if (batch == 0) return;
  Forward(ConvSizes(shape, batch), x, prologue, w, true, bias, y, scratch,
          parallel);
}

namespace {

// One axis of one phase: which taps reach it, and from where.
struct Phase {
  size_t taps = 0;
  size_t last_tap = 0;   // the highest tap: the first one when flipped
  size_t tap_step = 0;   // to the next lower one
  ptrdiff_t start = 0;   // source index of last_tap at t = 0
  ptrdiff_t spread = 0;  // source distance of neighbouring taps
  ptrdiff_t count = 0;   // values of t
};

Phase MakePhase(ptrdiff_t phase, ptrdiff_t in, size_t kernel, ptrdiff_t stride,
                ptrdiff_t dilation, ptrdiff_t pad) {
  Phase p;
  p.count = phase < in ? (in - phase + stride - 1) / stride : 0;
  for (size_t k = 0; k < kernel; ++k) {
    const ptrdiff_t shift = phase + pad - static_cast<ptrdiff_t>(k) * dilation;
    if (shift % stride != 0) continue;
    p.tap_step = k - p.last_tap;
    p.last_tap = k;
    p.start = shift / stride;
    ++p.taps;
  }
  if (p.taps < 2) p.tap_step = 1;
  p.spread = static_cast<ptrdiff_t>(p.tap_step) * dilation / stride;
  return p;
}

Phase PhaseH(const ConvSizes& s, size_t phase) {
  return MakePhase(static_cast<ptrdiff_t>(phase), s.in_h, s.kernel_h,
                   s.stride_h, s.dilation_h, s.pad_top);
}
Phase PhaseW(const ConvSizes& s, size_t phase) {
  return MakePhase(static_cast<ptrdiff_t>(phase), s.in_w, s.kernel_w,
                   s.stride_w, s.dilation_w, s.pad_left);
}

// The source indices that all phases of an axis touch: [first, last) for t = 0
// and whether some leave [0, size).
struct Reach {
  ptrdiff_t first = 0, last = 1;
  bool outside = false;
};
template <class GetPhase>
Reach FindReach(size_t stride, ptrdiff_t size, GetPhase&& get) {
  Reach reach;
  bool any = false;
  for (size_t i = 0; i < stride; ++i) {
    const Phase p = get(i);
    if (p.taps == 0 || p.count == 0) continue;
    const ptrdiff_t end =
        p.start + (static_cast<ptrdiff_t>(p.taps) - 1) * p.spread + 1;
    reach.first = any ? std::min(reach.first, p.start) : p.start;
    reach.last = any ? std::max(reach.last, end) : end;
    reach.outside |= p.start < 0 || end + p.count - 1 > size;
    any = true;
  }
  return reach;
}

Source BackwardSource(const ConvSizes& s) {
  const Reach h = FindReach(static_cast<size_t>(s.stride_h), s.out_h,
                            [&](size_t i) { return PhaseH(s, i); });
  const Reach w = FindReach(static_cast<size_t>(s.stride_w), s.out_w,
                            [&](size_t i) { return PhaseW(s, i); });
  const ptrdiff_t rows = (s.in_h + s.stride_h - 1) / s.stride_h;
  const ptrdiff_t cols = (s.in_w + s.stride_w - 1) / s.stride_w;
  Source source;
  source.h = s.out_h;
  source.w = s.out_w;
  source.channels = source.pixel_floats = s.out_c;
  source.first_row = h.first;
  source.first_col = w.first;
  source.row_step = 1;
  source.cols = cols - 1 + w.last - w.first;
  source.staged = h.outside || w.outside;
  source.cut =
      CutBands(s.batch, static_cast<size_t>(rows), static_cast<size_t>(cols), 1,
               static_cast<size_t>(h.last - h.first),
               static_cast<size_t>(source.cols) * s.out_c, kBandPixels);
  return source;
}

// Rows of w are rows of B. With few pixels they are read about once, and best
// where they lie.
Panels BackwardPanels(const ConvSizes& s, const Source& source) {
  constexpr size_t kFewPixels = 32;
  return Panels(s.groups, s.group_in, s.Taps() * s.group_out,
                s.batch * source.cut.rows * source.cut.cols <= kFewPixels);
}

// A tap where it lies in w (from the first one) and in a packed panel.
struct TapMove {
  size_t from, to;
};

// Packs `cols` columns from `from` on. Out channels lie pages apart: a few at a
// time, and of these all taps.
void PackTaps(const ConvSizes& s, const TapMove* taps, size_t count,
              const float* from, size_t cols, float* packed) {
  constexpr size_t kChannels = 32;
  const size_t filter = s.Taps() * s.group_in;
  const size_t panel_floats = s.Taps() * s.group_out * kPanel;
  for (size_t first = 0; first < s.group_out; first += kChannels) {
    const size_t last = std::min(s.group_out, first + kChannels);
    for (const TapMove* tap = taps; tap != taps + count; ++tap) {
      for (size_t co = first; co < last; ++co) {
        const float* x = from + tap->from + co * filter;
        float* to = packed + tap->to + co * kPanel;
        size_t j = 0;
        for (; j + kPanel <= cols; j += kPanel, to += panel_floats) {
          std::memcpy(to, x + j, kPanel * sizeof(float));
        }
        if (j == cols) continue;
        for (size_t i = 0; i < kPanel; ++i) to[i] = j + i < cols ? x[j + i] : 0;
      }
    }
  }
}

// Packs panels [begin, end) of group g: the flipped taps of all phases, [panel]
// [phase_h][phase_w][tap_h][tap_w][out channel][kPanel in channels]. Every tap
// belongs to exactly one phase.
void PackFlipped(const ConvSizes& s, const float* w, size_t g, size_t begin,
                 size_t end, float* packed) {
  constexpr size_t kMost = 64;  // taps at once
  constexpr size_t kMostPanels = 4;
  const size_t panel_floats = s.Taps() * s.group_out * kPanel;
  TapMove taps[kMost];
  size_t count = 0, done = 0;
  const auto flush = [&] {
    for (size_t panel = begin; panel < end; panel += kMostPanels) {
      const size_t col = panel * kPanel;
      const size_t last = std::min(s.group_in, end * kPanel);
      PackTaps(s, taps, count,
               w + g * s.group_out * s.Taps() * s.group_in + col,
               std::min(last - col, kMostPanels * kPanel),
               packed + (panel - begin) * panel_floats);
    }
    count = 0;
  };
  for (size_t ph = 0; ph < static_cast<size_t>(s.stride_h); ++ph) {
    const Phase h = PhaseH(s, ph);
    for (size_t pw = 0; pw < static_cast<size_t>(s.stride_w); ++pw) {
      const Phase v = PhaseW(s, pw);
      for (size_t i = 0; i < h.taps * v.taps; ++i, ++done) {
        const size_t kh = h.last_tap - i / v.taps * h.tap_step;
        const size_t kw = v.last_tap - i % v.taps * v.tap_step;
        taps[count++] = {(kh * s.kernel_w + kw) * s.group_in,
                         done * s.group_out * kPanel};
        if (count == kMost) flush();
      }
    }
  }
  flush();
}

}  // namespace

size_t direct::ConvBackwardDataScratch(const ConvShape& shape, uint32_t batch,
                                       uint32_t threads) {
  if (batch == 0) return 0;
  const ConvSizes s(shape, batch);
  return ScratchBytes(BackwardSource(s), BackwardPanels(s, BackwardSource(s)),
                      threads);
}

void direct::ConvBackwardData(const ConvShape& shape, uint32_t batch,
                              const float* dy, const float* w, bool accumulate,
                              float* dx, void* scratch,
                              const ParallelRunner& parallel) {
  const ConvSizes s(shape, batch);
  if (s.batch == 0) return;
  const Source source = BackwardSource(s);
  const Panels panels = BackwardPanels(s, source);
  const size_t stride_h = static_cast<size_t>(s.stride_h);
  const size_t stride_w = static_cast<size_t>(s.stride_w);
  const size_t in_w = static_cast<size_t>(s.in_w);
  const size_t in_image = static_cast<size_t>(s.in_h) * in_w * s.in_c;
  const size_t work = source.cut.images * source.cut.band_rows *
                      DivUp(in_w, stride_w) * s.Taps() * s.group_out;
  ForEachBand(
      source, dy, Prologue{}, panels, work * kPanel, scratch, parallel,
      [&](size_t g, size_t begin, size_t end, float* to) {
        PackFlipped(s, w, g, begin, end, to);
      },
      [&](const Band& band, const Window& window, size_t g, size_t col_begin,
          size_t col_end, const float* packed) {
        const float* b = packed;
        for (size_t i = 0; i < stride_h * stride_w; ++i) {
          const size_t ph = i / stride_w, pw = i % stride_w;
          const Phase h = PhaseH(s, ph), v = PhaseW(s, pw);
          const size_t taps = h.taps * v.taps;
          const float* const phase = b;
          b += taps * s.group_out * kPanel;
          // The last band may hold one row less of this phase.
          const size_t rows = std::min(
              band.rows, static_cast<size_t>(h.count) -
                             std::min(static_cast<size_t>(h.count), band.row));
          if (rows == 0 || v.count == 0) continue;
          if (taps == 0 && accumulate) continue;
          Product p;
          p.images = band.images;
          p.rows = rows;
          p.cols = static_cast<size_t>(v.count);
          p.a = window.at + g * s.group_out;
          if (taps != 0) {
            p.a += static_cast<size_t>(h.start - source.first_row) *
                       window.row_floats +
                   static_cast<size_t>(v.start - source.first_col) * s.out_c;
          }
          p.a_image = window.image_floats;
          p.a_row = window.row_floats;
          p.a_col = s.out_c;
          if (taps != 0) {
            p.walk = TapWalk(h.taps, v.taps, static_cast<size_t>(h.spread),
                             static_cast<size_t>(v.spread), window.row_floats,
                             s.out_c, s.group_out);
          }
          p.b = phase;
          p.b_panel = s.Taps() * s.group_out * kPanel;
          p.b_step = kPanel;
          p.accumulate = accumulate;
          p.c = dx + band.image * in_image +
                ((band.row * stride_h + ph) * in_w + pw) * s.in_c +
                g * s.group_in + col_begin;
          p.c_image = in_image;
          p.c_row = stride_h * in_w * s.in_c;
          p.c_col = stride_w * s.in_c;
          MergeRows(p);
          const size_t pixels =
              band.images * rows * static_cast<size_t>(v.count);
          if (!panels.unpacked || taps == 0) {
            RunProduct(p, 0, pixels, 0, col_end - col_begin);
            continue;
          }
          // Tap by tap: the chains go on in dx.
          const size_t filter = s.Taps() * s.group_in;
          p.b_panel = kPanel;
          p.b_step = filter;
          p.walk = Walk{s.group_out, s.group_out};
          const float* const a = p.a;
          for (size_t t = 0; t < taps; ++t) {
            const size_t y = t / v.taps, x = t % v.taps;
            p.a = a + y * static_cast<size_t>(h.spread) * window.row_floats +
                  x * static_cast<size_t>(v.spread) * s.out_c;
            p.b = w + g * s.group_out * filter +
                  ((h.last_tap - y * h.tap_step) * s.kernel_w + v.last_tap -
                   x * v.tap_step) *
                      s.group_in +
                  col_begin;
            RunProduct(p, 0, pixels, 0, col_end - col_begin);
            p.accumulate = true;
          }
        }
      });
}

}  // namespace temper::simd
