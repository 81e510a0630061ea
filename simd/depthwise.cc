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
#include "simd/depthwise-inl.h"
#include "simd/depthwise_weights-inl.h"

#if HWY_ONCE
namespace temper::simd {
HWY_EXPORT(RunSweep);
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

}  // namespace

void DepthwiseForward(const ConvShape& s, uint32_t batch, const float* x,
                      const float* w, const float* bias, float* y,
                      const ParallelRunner& parallel) {
  const size_t channels = s.in_c;
  Sweep row;
  row.x_row = Signed(size_t{s.dilation_h} * s.in_w * channels);
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
  ParallelFor(
      parallel, size_t{batch} * s.out_h, RowGrain(s, s.out_w),
      [&](size_t begin, size_t end, size_t) {
        Sweep sweep = row;
        for (size_t i = begin; i < end; ++i) {
          const size_t n = i / s.out_h, oh = i % s.out_h;
          const ptrdiff_t top = Signed(oh * s.stride_h) - Signed(s.pad_top);
          size_t kh = 0, kh_end = s.kernel_h;
          while (kh < kh_end && top + Signed(kh * s.dilation_h) < 0) ++kh;
          while (kh < kh_end &&
                 top + Signed((kh_end - 1) * s.dilation_h) >= Signed(s.in_h)) {
            --kh_end;
          }
          sweep.rows = kh_end - kh;
          const size_t ih =
              sweep.rows == 0
                  ? 0
                  : static_cast<size_t>(top + Signed(kh * s.dilation_h));
          sweep.x = x + (n * s.in_h + ih) * s.in_w * channels;
          sweep.w = w + kh * s.kernel_w * channels;
          sweep.y = y + i * s.out_w * channels;
          HWY_DYNAMIC_DISPATCH(RunSweep)(sweep, channels);
        }
      });
}

void DepthwiseBackwardData(const ConvShape& s, uint32_t batch, const float* dy,
                           const float* w, bool accumulate, float* dx,
                           const ParallelRunner& parallel) {
  const size_t channels = s.in_c;
  const size_t out_row = s.out_w * channels;
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
        for (size_t i = begin; i < end; ++i) {
          const size_t n = i / s.in_h, ih = i % s.in_h;
          TapChain rows = TapsReaching(ih + s.pad_top, s.kernel_h, s.stride_h,
                                       s.dilation_h);
          // Later taps come from earlier output rows; cut both ends.
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

size_t DepthwiseBackwardWeightsScratch(const ConvShape& s, uint32_t batch,
                                       uint32_t /*threads*/) {
  return MostChunks(size_t{batch} * s.out_h * s.out_w) * s.kernel_h *
         s.kernel_w * RoundUp(s.in_c, 16) * sizeof(float);
}

void DepthwiseBackwardWeights(const ConvShape& s, uint32_t batch,
                              const float* x, const float* dy, float* dw,
                              void* scratch, const ParallelRunner& parallel) {
  const size_t rows = size_t{batch} * s.out_h * s.out_w;
  const size_t chunks = ChunkCount(rows), step = ChunkRows(rows);
  const size_t stride = RoundUp(s.in_c, 16);
  const size_t taps = size_t{s.kernel_h} * s.kernel_w;
  float* const partial = static_cast<float*>(scratch);
  std::memset(partial, 0, chunks * taps * stride * sizeof(float));
  // Tasks: chunks x blocks of channels, each with its own part of scratch.
  const size_t blocks = DivideUp(s.in_c, kChannelBlock);
  const size_t task = (rows < step ? rows : step) * taps *
                      (s.in_c < kChannelBlock ? s.in_c : kChannelBlock);
  ParallelFor(parallel, chunks * blocks, DivideUp(kMultiplyGrain, task),
              [&](size_t begin, size_t end, size_t) {
                for (size_t i = begin; i < end; ++i) {
                  const size_t chunk = i / blocks,
                               c = i % blocks * kChannelBlock;
                  const size_t row = chunk * step;
                  HWY_DYNAMIC_DISPATCH(WeightChunk)
                  (s, row, rows - row < step ? rows : row + step, c,
                   s.in_c - c < kChannelBlock ? s.in_c : c + kChannelBlock, x,
                   dy, partial + chunk * taps * stride, stride);
                }
              });
  CombineTree(chunks, [&](size_t i, size_t j) {
    HWY_DYNAMIC_DISPATCH(AddFloats)
    (taps * stride, partial + i * taps * stride, partial + j * taps * stride);
  });
  for (size_t t = 0; t < taps; ++t) {
    HWY_DYNAMIC_DISPATCH(AddFloats)
    (s.in_c, dw + t * s.in_c, partial + t * stride);
  }
}

}  // namespace temper::simd
#endif  // HWY_ONCE
