// Depthwise convolution: dispatch, sweeps of output rows, splitting over
// threads and the order of chunks. Loops: depthwise-inl.h,
// depthwise_weights-inl.h.
#include "simd/depthwise.h"

#include <cstring>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/depthwise.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "simd/chunk_tasks.h"
#include "simd/depthwise-inl.h"
#include "simd/depthwise_strided-inl.h"
#include "simd/depthwise_weights-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(RunSweep);
HWY_EXPORT(RunStrided);
HWY_EXPORT(WeightChunk);
HWY_EXPORT(AddFloats);

namespace {

// Channels of one task of the weight gradient; a multiple of all lane counts.
constexpr size_t kChannelBlock = 64;

size_t DivideUp(size_t a, size_t b) { return (a + b - 1) / b; }

ptrdiff_t Signed(size_t value) { return static_cast<ptrdiff_t>(value); }

// Output rows worth one task.
size_t RowGrain(const ConvShape& s, size_t row_pixels) {
  const size_t work = row_pixels * s.in_c * s.kernel_h * s.kernel_w + 1;
  return DivideUp(kMultiplyGrain, work);
}

// Which kernel taps reach input position `at` (image coordinate plus padding)
// under a stride: first + i * step for i < count, tap i coming from output
// position origin - i * back. All are inside [0, out).
struct TapChain {
  size_t first, step, count;
  ptrdiff_t origin, back;
  // The same taps, `distance` output positions further on.
  bool Follows(const TapChain& before, ptrdiff_t distance) const {
    return first == before.first && step == before.step &&
           count == before.count && back == before.back &&
           origin == before.origin + distance;
  }
};

TapChain TapsReaching(size_t at, size_t kernel, size_t stride,
                      size_t dilation) {
  TapChain chain{0, 0, 0, 0, 0};
  const size_t common = std::gcd(stride, dilation);
  chain.step = stride / common;
  chain.back = Signed(dilation / common);
  for (size_t k = 0; k < chain.step && k < kernel; ++k) {
    const ptrdiff_t distance = Signed(at) - Signed(k * dilation);
    if (distance % Signed(stride) != 0) continue;
    chain.first = k;
    chain.count = DivideUp(kernel - k, chain.step);
    chain.origin = distance / Signed(stride);
    break;
  }
  return chain;
}

// Of the rows: those that lie in the output. Later taps come from earlier
// output rows; both ends are cut.
TapChain TapRowsReaching(const ConvShape& s, size_t ih) {
  TapChain rows =
      TapsReaching(ih + s.pad_top, s.kernel_h, s.stride_h, s.dilation_h);
  while (rows.count > 0 && rows.origin >= Signed(s.out_h)) {
    rows.origin -= rows.back;
    rows.first += rows.step;
    --rows.count;
  }
  while (rows.count > 0 &&
         rows.origin - Signed(rows.count - 1) * rows.back < 0) {
    --rows.count;
  }
  if (rows.count == 0) rows.origin = 0, rows.first = 0;
  return rows;
}

// Source rows that the output rows [begin, end) of an image read.
struct RowSpan {
  size_t begin, end;
};
RowSpan SourceRows(const ConvShape& s, size_t begin, size_t end) {
  const ptrdiff_t top = Signed(begin * s.stride_h) - Signed(s.pad_top);
  const ptrdiff_t bottom = Signed((end - 1) * s.stride_h) - Signed(s.pad_top) +
                           Signed((s.kernel_h - 1) * s.dilation_h) + 1;
  const ptrdiff_t height = s.in_h;
  RowSpan span;
  span.begin = static_cast<size_t>(top < 0 ? 0 : top > height ? height : top);
  span.end = static_cast<size_t>(bottom > height ? height : bottom);
  if (bottom < 0 || span.end < span.begin) span.end = span.begin;
  return span;
}

// How a source is formed in parts: bands of output rows of one image, and
// blocks of channels. Shape only.
struct Staging {
  size_t channels;  // of a block
  size_t blocks;
  size_t rows;    // output rows of a band
  size_t bands;   // of one image
  size_t images;  // with one band: whole images side by side
  size_t floats;  // of the largest part
};
Staging CutStaging(const ConvShape& s, size_t batch) {
  constexpr size_t kFloats = 32 * 1024 / sizeof(float);
  const size_t reach = size_t{s.kernel_h - 1} * s.dilation_h + 1;
  Staging cut;
  cut.channels = s.in_c < kChannelBlock ? s.in_c : kChannelBlock;
  cut.blocks = DivideUp(s.in_c, cut.channels);
  const size_t row = s.in_w * cut.channels;
  cut.rows = 1;
  while (cut.rows < s.out_h &&
         (cut.rows * s.stride_h + reach) * row <= kFloats) {
    ++cut.rows;
  }
  cut.bands = DivideUp(s.out_h, cut.rows);
  cut.rows = DivideUp(s.out_h, cut.bands);
  const size_t most = (cut.rows - 1) * s.stride_h + reach;
  cut.floats = (most < s.in_h ? most : s.in_h) * row;
  cut.images = 1;
  if (cut.bands == 1) {
    const size_t image = s.in_h * row;
    if (image < kFloats) cut.images = kFloats / image;
    if (cut.images > batch) cut.images = batch;
    cut.floats = cut.images * image;
  }
  return cut;
}
size_t StageBytes(const Staging& cut) {
  return RoundUp(cut.floats * sizeof(float), 64) + kTailBytes;
}

// The kernel rows that meet the image from output row oh.
struct KernelRows {
  size_t begin, end;
  bool operator==(const KernelRows&) const = default;
};
KernelRows KernelRowsAt(const ConvShape& s, size_t oh) {
  const ptrdiff_t top = Signed(oh * s.stride_h) - Signed(s.pad_top);
  KernelRows k{0, s.kernel_h};
  while (k.begin < k.end && top + Signed(k.begin * s.dilation_h) < 0) ++k.begin;
  while (k.begin < k.end &&
         top + Signed((k.end - 1) * s.dilation_h) >= Signed(s.in_h)) {
    --k.end;
  }
  return k;
}

// The output rows [begin, end) of one image: rows_x points at its row
// first_row, y at output row begin; `row` is the sweep that they share.
void ForwardRows(const ConvShape& s, size_t begin, size_t end,
                 const float* rows_x, size_t first_row, size_t row_floats,
                 const float* w, float* y, size_t y_row, size_t channels,
                 const Sweep& row) {
  Sweep sweep = row;
  sweep.x_line = Signed(s.stride_h * row_floats);
  sweep.y_line = Signed(y_row);
  const size_t most = MostLines(s.stride_h * row_floats);
  for (size_t oh = begin; oh < end; oh += sweep.lines) {
    const KernelRows k = KernelRowsAt(s, oh);
    sweep.lines = 1;
    sweep.rows = k.end - k.begin;
    size_t ih = first_row;
    if (sweep.rows != 0) {
      ih = oh * s.stride_h + k.begin * s.dilation_h - s.pad_top;
      while (sweep.lines < most && oh + sweep.lines < end &&
             KernelRowsAt(s, oh + sweep.lines) == k) {
        ++sweep.lines;
      }
    }
    sweep.x = rows_x + (ih - first_row) * row_floats;
    sweep.w = w + k.begin * s.kernel_w * s.in_c;
    sweep.y = y + (oh - begin) * y_row;
    HWY_DYNAMIC_DISPATCH(RunSweep)(sweep, channels);
  }
}

}  // namespace

size_t DepthwiseForwardScratch(const ConvShape& s, uint32_t batch,
                               uint32_t threads, bool prologue) {
  if (!prologue || batch == 0 || s.out_h == 0 || s.out_w == 0) return 0;
  const Staging cut = CutStaging(s, 1);
  const size_t parts = size_t{batch} * cut.bands * cut.blocks;
  return (parts < threads ? parts : threads) * StageBytes(cut);
}

void DepthwiseForward(const ConvShape& s, uint32_t batch, const float* x,
                      const Prologue& prologue, const float* w,
                      const float* bias, float* y, void* scratch,
                      const ParallelRunner& parallel) {
  if (s.out_h == 0 || s.out_w == 0) return;
  const size_t channels = s.in_c;
  const size_t row_floats = s.in_w * channels;
  Sweep row;
  row.x_row = Signed(s.dilation_h * row_floats);
  row.x_col = Signed(channels);
  row.first = -Signed(s.pad_left);
  row.pixel = s.stride_w;
  row.tap = s.dilation_w;
  row.width = s.in_w;
  row.w_row = Signed(s.kernel_w * channels);
  row.w_tap = Signed(channels);
  row.taps = s.kernel_w;
  row.bias = bias;
  row.y_pixel = Signed(channels);
  row.count = s.out_w;
  row.accumulate = false;
  InnerRange(row.first, row.pixel, Signed(row.taps - 1) * row.tap, row.width,
             row.count, &row.inner_begin, &row.inner_end);
  if (prologue.IsIdentity()) {
    ParallelFor(parallel, size_t{batch} * s.out_h, RowGrain(s, s.out_w),
                [&](size_t begin, size_t end, size_t) {
                  while (begin < end) {
                    const size_t n = begin / s.out_h, oh = begin % s.out_h;
                    const size_t left = s.out_h - oh;
                    const size_t rows = end - begin < left ? end - begin : left;
                    ForwardRows(s, oh, oh + rows, x + n * s.in_h * row_floats,
                                0, row_floats, w,
                                y + begin * s.out_w * channels,
                                s.out_w * channels, channels, row);
                    begin += rows;
                  }
                });
    return;
  }
  const Staging cut = CutStaging(s, 1);
  const size_t stage_floats = StageBytes(cut) / sizeof(float);
  const size_t grain = DivideUp(RowGrain(s, s.out_w) * cut.blocks, cut.rows);
  ParallelFor(
      parallel, size_t{batch} * cut.bands * cut.blocks, grain,
      [&](size_t begin, size_t end, size_t slot) {
        float* const stage = static_cast<float*>(scratch) + slot * stage_floats;
        for (size_t i = begin; i < end; ++i) {
          const size_t c = i % cut.blocks * cut.channels;
          const size_t count =
              channels - c < cut.channels ? channels - c : cut.channels;
          const size_t band = i / cut.blocks % cut.bands;
          const size_t n = i / cut.blocks / cut.bands;
          const size_t oh = band * cut.rows;
          const size_t stop = s.out_h - oh < cut.rows ? s.out_h : oh + cut.rows;
          const RowSpan span = SourceRows(s, oh, stop);
          StagePrologue((span.end - span.begin) * s.in_w, channels, c, count,
                        x + (n * s.in_h + span.begin) * row_floats, prologue,
                        stage);
          Sweep sweep = row;
          sweep.x_row = Signed(size_t{s.dilation_h} * s.in_w * count);
          sweep.x_col = Signed(count);
          if (bias != nullptr) sweep.bias = bias + c;
          ForwardRows(s, oh, stop, stage, span.begin, s.in_w * count, w + c,
                      y + (n * s.out_h + oh) * s.out_w * channels + c,
                      s.out_w * channels, count, sweep);
        }
      });
}

void DepthwiseBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                           const float* w, bool accumulate, float* dx,
                           const ParallelRunner& parallel) {
  const size_t channels = s.in_c;
  const size_t out_row = s.out_w * channels;
  if (s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 2 &&
      s.stride_w == 2 && s.dilation_h == 1 && s.dilation_w == 1) {
    ParallelFor(parallel, size_t{batch} * s.in_h, RowGrain(s, s.in_w),
                [&](size_t begin, size_t end, size_t) {
                  while (begin < end) {
                    const size_t n = begin / s.in_h, ih = begin % s.in_h;
                    const size_t rows =
                        end - begin < s.in_h - ih ? end - begin : s.in_h - ih;
                    HWY_DYNAMIC_DISPATCH(RunStrided)
                    (s, ih, ih + rows, dy + n * s.out_h * out_row, w,
                     accumulate, dx + n * s.in_h * s.in_w * channels);
                    begin += rows;
                  }
                });
    return;
  }
  ParallelFor(
      parallel, size_t{batch} * s.in_h, RowGrain(s, s.in_w),
      [&](size_t begin, size_t end, size_t) {
        Sweep sweep;
        sweep.x_col = -Signed(channels);
        sweep.pixel = 1;
        sweep.width = s.out_w;
        sweep.bias = nullptr;
        sweep.accumulate = accumulate;
        sweep.y_pixel = -Signed(s.stride_w * channels);
        const size_t most = s.stride_h == 1 ? MostLines(out_row) : 1;
        sweep.x_line = Signed(out_row);
        sweep.y_line = Signed(s.in_w * channels);
        for (size_t i = begin; i < end; i += sweep.lines) {
          const size_t n = i / s.in_h, ih = i % s.in_h;
          const TapChain rows = TapRowsReaching(s, ih);
          sweep.lines = 1;
          while (rows.count > 0 && sweep.lines < most &&
                 i + sweep.lines < end && ih + sweep.lines < s.in_h &&
                 TapRowsReaching(s, ih + sweep.lines)
                     .Follows(rows, Signed(sweep.lines))) {
            ++sweep.lines;
          }
          sweep.rows = rows.count;
          sweep.x_row = -rows.back * Signed(out_row);
          sweep.w_row = Signed(rows.step * s.kernel_w * channels);
          // Column 0 of the mirrored row is the last one in memory.
          sweep.x = dy +
                    (n * s.out_h + static_cast<size_t>(rows.origin)) * out_row +
                    (out_row - channels);
          for (size_t phase = 0; phase < s.stride_w && phase < s.in_w;
               ++phase) {
            const TapChain taps = TapsReaching(phase + s.pad_left, s.kernel_w,
                                               s.stride_w, s.dilation_w);
            sweep.count = DivideUp(s.in_w - phase, s.stride_w);
            sweep.taps = taps.count;
            sweep.tap = taps.back;
            sweep.w_tap = Signed(taps.step * channels);
            sweep.w = w + (rows.first * s.kernel_w + taps.first) * channels;
            // Input column phase + (count - 1 - j) * stride_w reads output
            // column origin + (count - 1 - j) - t * back, mirrored.
            sweep.first = Signed(s.out_w) - taps.origin - Signed(sweep.count);
            const ptrdiff_t reach =
                taps.count == 0 ? 0 : Signed(taps.count - 1) * taps.back;
            InnerRange(sweep.first, 1, reach, sweep.width, sweep.count,
                       &sweep.inner_begin, &sweep.inner_end);
            sweep.y =
                dx + (i * s.in_w + phase + (sweep.count - 1) * s.stride_w) *
                         channels;
            HWY_DYNAMIC_DISPATCH(RunSweep)(sweep, channels);
          }
        }
      });
}

namespace {

// Bytes of the partial results of all chunks.
size_t PartialBytes(const ConvShape& s, uint32_t batch) {
  return MostChunks(size_t{batch} * s.out_h * s.out_w) * s.kernel_h *
         s.kernel_w * RoundUp(s.in_c, 16) * sizeof(float);
}

}  // namespace

size_t DepthwiseBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                       uint32_t threads, bool prologue) {
  if (batch == 0 || s.out_h == 0 || s.out_w == 0) return 0;
  const size_t stages =
      prologue ? threads * StageBytes(CutStaging(s, batch)) : 0;
  return RoundUp(PartialBytes(s, batch), 64) + stages;
}

void DepthwiseBackwardWeights(const ConvShape& s, uint32_t batch, RowRange part,
                              const float* x, const Prologue& prologue,
                              const float* dy, float* dw, void* scratch,
                              const ParallelRunner& parallel) {
  if (batch == 0 || s.out_h == 0 || s.out_w == 0) return;
  const size_t rows = size_t{batch} * s.out_h * s.out_w;
  const size_t chunks = ChunkCount(rows), step = ChunkRows(rows);
  const size_t stride = RoundUp(s.in_c, 16);
  const size_t taps = size_t{s.kernel_h} * s.kernel_w;
  float* const partial = static_cast<float*>(scratch);
  float* const stages = partial + RoundUp(chunks * taps * stride, 16);
  const Staging cut = CutStaging(s, batch);
  const size_t stage_floats = StageBytes(cut) / sizeof(float);
  if (part.first == 0) {
    std::memset(partial, 0, chunks * taps * stride * sizeof(float));
  }
  // Tasks: chunks x blocks of channels, each with its own part of scratch.
  const size_t image_pixels = size_t{s.out_h} * s.out_w;
  const size_t part_begin = part.first * image_pixels;
  const size_t part_end = part.End() * image_pixels;
  const size_t first_chunk = part_begin / step;
  const size_t touched = (part_end - 1) / step + 1 - first_chunk;
  // With fewer chunks than threads the channels are split further.
  size_t width = cut.channels;
  if (touched < parallel.threads) {
    const size_t share = RoundUp(s.in_c / parallel.threads + 1, 16);
    if (share < width) width = share;
  }
  const auto run = [&](size_t chunk, size_t begin, size_t end, size_t block,
                       size_t slot) {
    float* const stage = stages + slot * stage_floats;
    const size_t c = block * width;
    const size_t c_end = s.in_c - c < width ? s.in_c : c + width;
    float* const sums = partial + chunk * taps * stride;
    WeightSource source;
    source.x = x;
    source.pixel = s.in_c;
    source.row = size_t{s.in_w} * s.in_c;
    source.image = s.in_h * source.row;
    if (prologue.IsIdentity()) {
      HWY_DYNAMIC_DISPATCH(WeightChunk)
      (s, source, begin, end, c, c_end, dy, sums, stride);
      return;
    }
    // Piece by piece of what the stage holds: rows of one image, or several
    // small images.
    const size_t count = c_end - c;
    const float* const all = x;
    source.channel = c;
    source.x = stage;
    source.pixel = count;
    source.row = s.in_w * count;
    for (size_t at = begin; at < end;) {
      const size_t n = at / image_pixels;
      RowSpan span{0, s.in_h};
      size_t stop = (n + cut.images) * image_pixels;
      if (cut.images == 1) {
        const size_t oh = at / s.out_w % s.out_h;
        const size_t last = s.out_h - oh < cut.rows ? s.out_h : oh + cut.rows;
        span = SourceRows(s, oh, last);
        stop = n * image_pixels + last * s.out_w;
      }
      if (stop > end) stop = end;
      const size_t staged_images = (stop - 1) / image_pixels - n + 1;
      StagePrologue(staged_images * (span.end - span.begin) * s.in_w, s.in_c, c,
                    count, all + (n * s.in_h + span.begin) * s.in_w * s.in_c,
                    prologue, stage);
      source.image = (span.end - span.begin) * source.row;
      source.first_image = n;
      source.first_row = span.begin;
      HWY_DYNAMIC_DISPATCH(WeightChunk)
      (s, source, at, stop, c, c_end, dy, sums, stride);
      at = stop;
    }
  };
  ForEachChunkTask(parallel, rows, part_begin, part_end,
                   DivideUp(s.in_c, width),
                   DivideUp(kMultiplyGrain, taps * width), run);
  if (part.End() != batch) return;
  CombineTree(chunks, [&](size_t i, size_t j) {
    HWY_DYNAMIC_DISPATCH(AddFloats)
    (taps * stride, partial + i * taps * stride, partial + j * taps * stride);
  });
  const size_t lines = stride == s.in_c ? 1 : taps;
  for (size_t t = 0; t < lines; ++t) {
    HWY_DYNAMIC_DISPATCH(AddFloats)
    (taps / lines * s.in_c, dw + t * s.in_c, partial + t * stride);
  }
}

}  // namespace temper::simd
#endif  // HWY_ONCE
