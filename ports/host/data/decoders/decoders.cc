// The one list of decoders, and what they share. See decoder.h.
#include <fmt/format.h>

#include <algorithm>

#include "ports/host/base/failure.h"
#include "ports/host/data/decoders/decoder.h"

namespace temper::host {

#define TEMPER_IMAGE_DECODERS(DECODER) \
  DECODER(kJpegDecoder)                \
  DECODER(kPngDecoder)                 \
  DECODER(kWebpDecoder)                \
  DECODER(kPnmDecoder)

#define TEMPER_DECODER_DECLARE(record) extern const ImageDecoder record;
TEMPER_IMAGE_DECODERS(TEMPER_DECODER_DECLARE)
#undef TEMPER_DECODER_DECLARE

std::span<const ImageDecoder* const> ImageDecoders() {
#define TEMPER_DECODER_ADDRESS(record) &record,
  static constexpr const ImageDecoder* kDecoders[] = {
      TEMPER_IMAGE_DECODERS(TEMPER_DECODER_ADDRESS)};
#undef TEMPER_DECODER_ADDRESS
  return kDecoders;
}

const ImageDecoder* FindDecoder(FormatKind format) {
  for (const ImageDecoder* const decoder : ImageDecoders()) {
    if (decoder->format == format) return decoder;
  }
  return nullptr;
}

std::string DecoderNames() {
  std::string names;
  for (const ImageDecoder* const decoder : ImageDecoders()) {
    if (!names.empty()) names += ", ";
    names += decoder->name;
  }
  return names;
}

void DamagedImage(std::string_view name, std::string_view why) {
  Fail(ErrorKind::kBadData, "cannot read the image", name, why,
       "Replace the file, or remove it.");
}

void UnsupportedImage(std::string_view name, std::string_view why,
                      std::string_view remedy) {
  Fail(ErrorKind::kUnsupported, "cannot read the image", name, why, remedy);
}

void CheckImageSize(std::string_view name, uint64_t h, uint64_t w,
                    uint64_t file_bytes, const ImageLimits& limits) {
  if (h == 0 || w == 0) DamagedImage(name, "it has no pixels");
  if (std::max(h, w) > kMaxPictureSide) {
    UnsupportedImage(name,
                     fmt::format("{} x {} pixels: a side is longer than {}", w,
                                 h, kMaxPictureSide),
                     "Make it smaller.");
  }
  const uint64_t by_size =
      std::max(limits.any_pixels, file_bytes * limits.pixels_per_byte);
  const uint64_t pixels = h * w;
  if (pixels <= std::min(by_size, limits.most_pixels)) return;
  UnsupportedImage(
      name,
      pixels > limits.most_pixels
          ? fmt::format("{} x {} pixels are more than {}", w, h,
                        limits.most_pixels)
          : fmt::format("{} x {} pixels in {} bytes: no photo is so small", w,
                        h, file_bytes),
      "Make it smaller, or save it again.");
}

}  // namespace temper::host
