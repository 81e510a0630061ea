// WebP by libwebp, lossy and lossless, with alpha. Animations are refused.
#include <webp/decode.h>

#include <cstring>

#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/decoders/exif.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {
namespace {

uint32_t LittleEndian(const uint8_t* p) {
  return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 |
         uint32_t{p[3]} << 24;
}

// The file is RIFF: "RIFF", a size, "WEBP", then chunks of a name, a size and
// that many bytes, filled up to an even number.
uint32_t Orientation(std::span<const uint8_t> file) {
  size_t at = 12;
  while (at + 8 <= file.size()) {
    const size_t size = LittleEndian(&file[at + 4]);
    const size_t rest = file.size() - at - 8;
    if (std::memcmp(&file[at], "EXIF", 4) == 0) {
      return ExifOrientation(file.subspan(at + 8, size < rest ? size : rest));
    }
    if (size >= rest) break;
    at += 8 + size + (size & 1);
  }
  return 1;
}

Image DecodeWebp(std::span<const uint8_t> file, const std::string& name,
                 const ImageLimits& limits) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data(), file.size(), &features) != VP8_STATUS_OK) {
    DamagedImage(name, "the WebP is cut or damaged");
  }
  if (features.has_animation != 0) {
    UnsupportedImage(name, "an animated WebP is no picture",
                     "Save the frame that matters as WebP, PNG or JPEG.");
  }
  Image image;
  image.h = static_cast<uint32_t>(features.height);
  image.w = static_cast<uint32_t>(features.width);
  CheckImageSize(name, image.h, image.w, file.size(), limits);
  image.c = features.has_alpha != 0 ? 4 : 3;
  const size_t row = size_t{image.w} * image.c;
  image.pixels.resize(CheckedSize(uint64_t{image.h} * row, name));
  const auto decode =
      features.has_alpha != 0 ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(file.data(), file.size(), image.pixels.data(), image.pixels.size(),
             static_cast<int>(row)) == nullptr) {
    DamagedImage(name, "the WebP is cut or damaged");
  }
  image.orientation = Orientation(file);
  return image;
}

}  // namespace

extern const ImageDecoder kWebpDecoder;
const ImageDecoder kWebpDecoder = {
    .name = "WebP",
    .format = FormatKind::kWebp,
    .decode = DecodeWebp,
};

}  // namespace temper::host
