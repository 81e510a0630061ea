// See resize.h.
#include "ports/host/data/resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/data/colour.h"
#include "ports/host/data/data_option.h"

namespace temper::host {
namespace {

uint64_t HalfToEven(uint64_t difference) {
  const uint64_t half = difference / 2;
  return difference % 2 == 0 ? half : half + half % 2;
}

// The whole number nearest to a * b / c, of two the even one; at least 1.
uint32_t Proportion(uint64_t a, uint64_t b, uint64_t c) {
  const uint64_t whole = a * b / c, rest = a * b % c;
  const bool up = 2 * rest > c || (2 * rest == c && whole % 2 == 1);
  return static_cast<uint32_t>(std::max<uint64_t>(whole + up, 1));
}

}  // namespace

PictureSize ReadPictureSize(std::string_view name, std::string_view text) {
  const size_t x = text.find('x');
  const auto side = [&](std::string_view part) {
    return ParseCount(part, kMaxSampleSide).value_or(0);
  };
  const uint64_t h = side(text.substr(0, x));
  const uint64_t w = x == std::string_view::npos ? h : side(text.substr(x + 1));
  if (h == 0 || w == 0) {
    BadOption(name, fmt::format("'{}' is no size", Printable(text)),
              fmt::format("Write {}=HxW, sides from 1 to {}, such as 96x128.",
                          name, kMaxSampleSide));
  }
  return {static_cast<uint32_t>(h), static_cast<uint32_t>(w)};
}

void CheckProportions(std::string_view option, const Shape& stored,
                      const Shape& input) {
  if (uint64_t{stored.h} * input.w == uint64_t{stored.w} * input.h) return;
  BadOption(option,
            fmt::format("pictures of {}x{} would be squeezed into samples of "
                        "{}x{}",
                        stored.h, stored.w, input.h, input.w),
            "Both need the same proportions, such as 48x48 and 32x32.");
}

void Resize(const ImageView& image, uint32_t h, uint32_t w,
            const Window& window, uint8_t* to, size_t row_bytes) {
  const Resampling r = {.in_h = image.h,
                        .in_w = image.w,
                        .c = image.c,
                        .out_h = h,
                        .out_w = w,
                        .window = window,
                        .from = image.pixels,
                        .from_row_bytes = image.row_bytes,
                        .to = to,
                        .to_row_bytes = row_bytes};
  std::vector<int32_t> scratch((ResampleScratchBytes(r) + 3) / 4);
  Resample(r, scratch.data());
}

void FitPicture(const ImageView& image, const PictureFit& fit, uint32_t h,
                uint32_t w, uint8_t* to) {
  const size_t row = size_t{w} * image.c;
  const bool wider = uint64_t{image.w} * h >= uint64_t{w} * image.h;
  switch (fit.mode) {
    case PictureFit::Mode::kStretch:
      Resize(image, h, w, {0, 0, h, w}, to, row);
      return;
    case PictureFit::Mode::kCrop: {
      const uint32_t rh =
          wider ? h : static_cast<uint32_t>(uint64_t{image.h} * w / image.w);
      const uint32_t rw =
          wider ? static_cast<uint32_t>(uint64_t{image.w} * h / image.h) : w;
      Resize(image, rh, rw,
             {static_cast<uint32_t>(HalfToEven(rh - h)),
              static_cast<uint32_t>(HalfToEven(rw - w)), h, w},
             to, row);
      return;
    }
    case PictureFit::Mode::kPad: {
      const uint32_t rh = wider ? Proportion(image.h, w, image.w) : h;
      const uint32_t rw = wider ? w : Proportion(image.w, h, image.h);
      const uint8_t* const colour = fit.background;
      const uint8_t gray = Luma(colour[0], colour[1], colour[2]);
      for (size_t i = 0; i < size_t{h} * row; ++i) {
        to[i] = image.c == 1 ? gray : colour[i % 3];
      }
      const size_t top = static_cast<size_t>(HalfToEven(h - rh));
      const size_t left = static_cast<size_t>(HalfToEven(w - rw));
      Resize(image, rh, rw, {0, 0, rh, rw}, to + top * row + left * image.c,
             row);
      return;
    }
  }
}

}  // namespace temper::host
