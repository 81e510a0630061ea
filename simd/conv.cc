// Convolution forward and gradient of the input. Contract: conv.h.
//
// Both are the same machine: a grid of output pixels cut into bands, each band
// a Product of staged source pixels with weights packed once per call. The
// input gradient runs it once per phase (ih % stride_h, iw % stride_w): the
// pixels of one phase see the same taps, so there it is a stride-1 convolution
// of dy. With t = ih / stride_h:
//
//   tap kh reaches ih from oh = t + (phase + pad_top - kh * dilation_h) /
//   stride_h
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

// Calls run(band, window, group, col_begin, col_end) for all units: a unit is
// one panel of one group of one band; neighbours run together.
template <class Run>
void ForEachBand(const Source& source, const float* x, const Prologue& prologue,
                 size_t groups, size_t columns, size_t unit_work, float* stages,
                 const ParallelRunner& parallel, Run&& run) {
  const size_t panels = DivUp(columns, kPanel);
  const size_t units = groups * panels;
  const size_t stage_floats = PartBytes(source.StagedFloats()) / sizeof(float);
  ParallelFor(parallel, source.cut.Count() * units,
              DivUp(kMultiplyGrain, unit_work + 1),
              [&](size_t begin, size_t end, size_t slot) {
                float* const stage = stages + slot * stage_floats;
                while (begin < end) {
                  const Band band = BandAt(source.cut, begin / units);
                  const Window window = source.Open(x, prologue, band, stage);
                  const size_t stop = std::min(end, RoundUp(begin + 1, units));
                  while (begin < stop) {
                    const size_t unit = begin % units;
                    const size_t first = unit % panels;
                    const size_t last = std::min(panels, first + stop - begin);
                    run(band, window, unit / panels, first * kPanel,
                        std::min(columns, last * kPanel));
                    begin += last - first;
                  }
                }
              });
}

size_t ScratchBytes(const Source& source, size_t packed, size_t units,
                    uint32_t threads) {
  return packed + SlotCount(source.cut.Count() * units, threads) *
                      PartBytes(source.StagedFloats());
}

}  // namespace

size_t direct::ConvForwardScratch(const ConvShape& shape, uint32_t batch,
                                  uint32_t threads, bool prologue) {
  if (batch == 0) return 0;
  const ConvSizes s(shape, batch);
  return ScratchBytes(
      ForwardSource(s, s.in_c, kBandPixels, prologue),
      s.groups * PackedBytes(s.Taps() * s.group_in, s.group_out),
      s.groups * DivUp(s.group_out, kPanel), threads);
}

void direct::ConvForward(const ConvShape& shape, uint32_t batch, const float* x,
                         const Prologue& prologue, const float* w,
                         const float* bias, float* y, void* scratch,
                         const ParallelRunner& parallel) {
  const ConvSizes s(shape, batch);
  if (s.batch == 0) return;
  const Source source =
      ForwardSource(s, s.in_c, kBandPixels, !prologue.IsIdentity());
  const size_t k = s.Taps() * s.group_in;
  const size_t group_floats = PackedBytes(k, s.group_out) / sizeof(float);
  float* const packed = static_cast<float*>(scratch);
  for (size_t g = 0; g < s.groups; ++g) {
    PackB(k, s.group_out, w + g * s.group_out * k, 1, k,
          packed + g * group_floats, parallel);
  }
  const size_t out_w = static_cast<size_t>(s.out_w);
  const size_t out_image = static_cast<size_t>(s.out_h) * out_w * s.out_c;
  const size_t work = source.cut.images * source.cut.band_rows * out_w * k;
  ForEachBand(
      source, x, prologue, s.groups, s.group_out, work * kPanel,
      packed + s.groups * group_floats, parallel,
      [&](const Band& band, const Window& window, size_t g, size_t col_begin,
          size_t col_end) {
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
        p.b = packed + g * group_floats;
        p.b_panel = k * kPanel;
        p.b_step = kPanel;
        p.bias = bias == nullptr ? nullptr : bias + g * s.group_out;
        p.c = y + band.image * out_image + band.row * out_w * s.out_c +
              g * s.group_out;
        p.c_image = out_image;
        p.c_row = out_w * s.out_c;
        p.c_col = s.out_c;
        MergeRows(p);
        RunProduct(p, 0, band.images * band.rows * out_w, col_begin, col_end);
      });
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

// Packs the flipped taps of all phases: [phase_h][phase_w][group][panel]
// [tap_h][tap_w][out channel][kPanel in channels]. Every tap belongs to exactly
// one phase, so that the whole has one tap's size times the number of taps.
struct FlippedTaps {
  const ConvSizes& s;
  size_t panels = DivUp(s.group_in, kPanel);
  size_t tap_floats = s.group_out * kPanel;  // of one panel

  size_t Floats() const { return s.groups * s.Taps() * panels * tap_floats; }
  // The part of phase (h, w), whose taps follow `before` taps of others.
  size_t PhaseAt(size_t before) const {
    return before * s.groups * panels * tap_floats;
  }
  // Packs kernel row kh of group g.
  void PackRow(const float* w, size_t g, size_t kh, float* packed) const {
    const size_t stride_h = static_cast<size_t>(s.stride_h);
    const size_t stride_w = static_cast<size_t>(s.stride_w);
    size_t before = 0;
    for (size_t ph = 0; ph < stride_h; ++ph) {
      const Phase h = PhaseH(s, ph);
      const size_t below = h.last_tap - kh;  // wraps if kh is above
      const bool mine = h.taps != 0 && kh <= h.last_tap &&
                        below % h.tap_step == 0 && below / h.tap_step < h.taps;
      if (!mine) {
        before += h.taps * s.kernel_w;
        continue;
      }
      for (size_t pw = 0; pw < stride_w; ++pw) {
        const Phase v = PhaseW(s, pw);
        float* const phase = packed + PhaseAt(before);
        before += h.taps * v.taps;
        for (size_t panel = 0; panel < panels; ++panel) {
          for (size_t i = 0; i < v.taps; ++i) {
            const size_t kw = v.last_tap - i * v.tap_step;
            const size_t at = below / h.tap_step * v.taps + i;
            float* const to =
                phase +
                ((g * panels + panel) * h.taps * v.taps + at) * tap_floats;
            PackTap(w, g, kh, kw, panel * kPanel, to);
          }
        }
      }
      return;
    }
  }
  void PackTap(const float* w, size_t g, size_t kh, size_t kw, size_t ci,
               float* to) const {
    const size_t count = std::min(kPanel, s.group_in - ci);
    const size_t filter = s.Taps() * s.group_in;
    const float* from =
        w + g * s.group_out * filter + (kh * s.kernel_w + kw) * s.group_in + ci;
    for (size_t co = 0; co < s.group_out; ++co) {
      if (count == kPanel) {
        std::memcpy(to, from, kPanel * sizeof(float));
      } else {
        for (size_t j = 0; j < count; ++j) to[j] = from[j];
        for (size_t j = count; j < kPanel; ++j) to[j] = 0.0f;
      }
      to += kPanel;
      from += filter;
    }
  }
};

}  // namespace

size_t direct::ConvBackwardDataScratch(const ConvShape& shape, uint32_t batch,
                                       uint32_t threads) {
  if (batch == 0) return 0;
  const ConvSizes s(shape, batch);
  return ScratchBytes(BackwardSource(s),
                      FlippedTaps{s}.Floats() * sizeof(float),
                      s.groups * DivUp(s.group_in, kPanel), threads);
}

void direct::ConvBackwardData(const ConvShape& shape, uint32_t batch,
                              const float* dy, const float* w, bool accumulate,
                              float* dx, void* scratch,
                              const ParallelRunner& parallel) {
  const ConvSizes s(shape, batch);
  if (s.batch == 0) return;
  const Source source = BackwardSource(s);
  const FlippedTaps flipped{s};
  float* const packed = static_cast<float*>(scratch);
  ParallelFor(parallel, s.groups * s.kernel_h,
              DivUp(kElementGrain, s.kernel_w * s.group_in * s.group_out),
              [&](size_t begin, size_t end, size_t) {
                for (size_t i = begin; i < end; ++i) {
                  flipped.PackRow(w, i / s.kernel_h, i % s.kernel_h, packed);
                }
              });
  const size_t stride_h = static_cast<size_t>(s.stride_h);
  const size_t stride_w = static_cast<size_t>(s.stride_w);
  const size_t in_w = static_cast<size_t>(s.in_w);
  const size_t in_image = static_cast<size_t>(s.in_h) * in_w * s.in_c;
  const size_t work = source.cut.images * source.cut.band_rows *
                      DivUp(in_w, stride_w) * s.Taps() * s.group_out;
  ForEachBand(
      source, dy, Prologue{}, s.groups, s.group_in, work * kPanel,
      packed + flipped.Floats(), parallel,
      [&](const Band& band, const Window& window, size_t g, size_t col_begin,
          size_t col_end) {
        size_t before = 0;
        for (size_t i = 0; i < stride_h * stride_w; ++i) {
          const size_t ph = i / stride_w, pw = i % stride_w;
          const Phase h = PhaseH(s, ph), v = PhaseW(s, pw);
          const size_t taps = h.taps * v.taps;
          const float* const b = packed + flipped.PhaseAt(before) +
                                 g * flipped.panels * taps * flipped.tap_floats;
          before += taps;
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
          p.b = b;
          p.b_panel = taps * flipped.tap_floats;
          p.b_step = kPanel;
          p.accumulate = accumulate;
          p.c = dx + band.image * in_image +
                ((band.row * stride_h + ph) * in_w + pw) * s.in_c +
                g * s.group_in;
          p.c_image = in_image;
          p.c_row = stride_h * in_w * s.in_c;
          p.c_col = stride_w * s.in_c;
          MergeRows(p);
          RunProduct(p, 0, band.images * rows * static_cast<size_t>(v.count),
                     col_begin, col_end);
        }
      });
}

}  // namespace temper::simd
