// Pictures become samples of a size: resized, and cropped or filled up.
// Next: runtime/resample.h (the arithmetic).
#ifndef TEMPER_PORTS_HOST_DATA_RESIZE_H_
#define TEMPER_PORTS_HOST_DATA_RESIZE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/files/preprocessing.h"
#include "ports/host/data/decoders/image.h"
#include "runtime/resample.h"
#include "temper/graph.h"

namespace temper::host {

// Pixels that somebody else owns: rows of w * c bytes, row_bytes apart, so that
// a part of a picture is one, too.
struct ImageView {
  const uint8_t* pixels = nullptr;
  uint32_t h = 0, w = 0, c = 0;  // c: 1 or 3
  size_t row_bytes = 0;
};
inline ImageView ViewOf(const Image& image) {
  return {image.pixels.data(), image.h, image.w, image.c,
          size_t{image.w} * image.c};
}

inline constexpr uint32_t kMaxSampleSide = 16384;

struct PictureSize {
  uint32_t h = 0, w = 0;
};
// HxW, or one number for both; the option `name` of a spec. kUsage.
PictureSize ReadPictureSize(std::string_view name, std::string_view text);
// kUsage unless pictures that are kept at the size `stored` become samples of the
// size `input` without another shape: the same proportions.
void CheckProportions(std::string_view option, const Shape& stored,
                      const Shape& input);

// A part of a resized picture.
using Window = Resampling::Window;

// The window of `image` resized to h x w, up to 2^31 each; writes its rows from
// `to` on, row_bytes apart. Sides of `image`: up to kMaxPictureSide.
void Resize(const ImageView& image, uint32_t h, uint32_t w,
            const Window& window, uint8_t* to, size_t row_bytes);

// `image` as h x w pixels, row after row. Crop and pad keep its proportions.
// Sizes are those of torchvision's Resize and CenterCrop, and of Pillow's
// ImageOps.pad; h and w up to kMaxSampleSide. Of an odd rest the even half goes to the top and the left.
void FitPicture(const ImageView& image, const PictureFit& fit, uint32_t h,
                uint32_t w, uint8_t* to);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_RESIZE_H_
