// Shape arithmetic shared by layers that slide a window: convolution, pooling.
#ifndef TEMPER_RUNTIME_LAYERS_WINDOW_H_
#define TEMPER_RUNTIME_LAYERS_WINDOW_H_

#include "runtime/layer.h"
#include "simd/conv.h"

namespace temper {

// Positions of a window of `kernel` taps `dilation` apart along a padded side:
// floor((size + pads - (kernel - 1) * dilation - 1) / stride) + 1, or 0 if the
// window does not fit.
constexpr uint32_t WindowCount(uint32_t size, uint32_t kernel, uint32_t stride,
                               uint32_t pad_before, uint32_t pad_after,
                               uint32_t dilation) {
  const uint64_t padded = uint64_t{size} + pad_before + pad_after;
  const uint64_t extent = uint64_t{kernel - 1} * dilation + 1;
  if (padded < extent) return 0;
  return static_cast<uint32_t>((padded - extent) / stride + 1);
}

// The kernels' view of a window layer. Params need kernel, stride and pads;
// dilation and groups are passed because pools have none.
template <class Params>
simd::ConvShape WindowShape(const Params& p, const Shape& in, const Shape& out,
                            uint32_t dilation_h, uint32_t dilation_w,
                            uint32_t groups) {
  return {in.h,      in.w,       in.c,       out.h,      out.w,
          out.c,     p.kernel_h, p.kernel_w, p.stride_h, p.stride_w,
          p.pad_top, p.pad_left, dilation_h, dilation_w, groups};
}

// A side's padding must be smaller than the window, else a window could lie in
// the padding alone.
template <class Params>
Status CheckWindow(const Params& p, uint32_t dilation_h, uint32_t dilation_w) {
  const uint64_t extent_h = uint64_t{p.kernel_h - 1} * dilation_h + 1;
  const uint64_t extent_w = uint64_t{p.kernel_w - 1} * dilation_w + 1;
  if (p.pad_top >= extent_h || p.pad_bottom >= extent_h ||
      p.pad_left >= extent_w || p.pad_right >= extent_w) {
    return Error(StatusCode::kInvalidArgument,
                 "padding must be smaller than the (dilated) kernel");
  }
  return Ok();
}

// The fields that all window layers share, for their field lists.
// clang-format off
#define TEMPER_WINDOW_FIELDS(Params) \
  TEMPER_FIELD_U32(Params, kernel_h, 1, 1024, "height of the window", "rows"), \
  TEMPER_FIELD_U32(Params, kernel_w, 1, 1024, "width of the window", \
                   "columns"), \
  TEMPER_FIELD_U32(Params, stride_h, 1, 1024, \
                   "step from window to window, down", "rows"), \
  TEMPER_FIELD_U32(Params, stride_w, 1, 1024, \
                   "step from window to window, across", "columns"), \
  TEMPER_FIELD_U32(Params, pad_top, 0, 1024, "padding above", "rows"), \
  TEMPER_FIELD_U32(Params, pad_bottom, 0, 1024, "padding below", "rows"), \
  TEMPER_FIELD_U32(Params, pad_left, 0, 1024, "padding on the left", \
                   "columns"), \
  TEMPER_FIELD_U32(Params, pad_right, 0, 1024, "padding on the right", \
                   "columns")
#define TEMPER_DILATION_FIELDS(Params) \
  TEMPER_FIELD_U32(Params, dilation_h, 1, 1024, "distance of taps, down", \
                   "rows"), \
  TEMPER_FIELD_U32(Params, dilation_w, 1, 1024, "distance of taps, across", \
                   "columns")
// h' and w' are WindowCount's.
#define TEMPER_WINDOW_SHAPES(channels) "(h, w, c) -> (h', w', " channels ")"
// clang-format on

}  // namespace temper

#endif  // TEMPER_RUNTIME_LAYERS_WINDOW_H_
