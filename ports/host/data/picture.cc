// See picture.h.
#include "ports/host/data/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ports/host/base/failure.h"
#include "ports/host/data/colour.h"
#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/resize.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {
namespace {

Image Decode(std::span<const uint8_t> file, const std::string& name,
             const ImageLimits& limits) {
  const FileFormat format =
      RecognizeFormat(file.first(std::min(file.size(), kFormatBytes)));
  const ImageDecoder* const decoder = FindDecoder(format.kind);
  if (decoder == nullptr) {
    RefuseFormat(*OpenMemory(file, name),
                 fmt::format("a picture ({})", DecoderNames()));
  }
  return decoder->decode(file, name, limits);
}

// The alpha channel, the last of 2 or 4, disappears.
void LayOnBackground(Image& image, const PictureFit& fit) {
  const uint32_t c = image.c, colours = c - 1;
  const uint8_t* const b = fit.background;
  const uint8_t gray[] = {Luma(b[0], b[1], b[2])};
  const uint8_t* const background = colours == 1 ? gray : b;
  const size_t count = image.pixels.size() / c;
  const uint8_t* from = image.pixels.data();
  uint8_t* to = image.pixels.data();
  for (size_t i = 0; i < count; ++i, from += c, to += colours) {
    const uint32_t alpha = from[colours];
    for (uint32_t k = 0; k < colours; ++k) {
      to[k] = static_cast<uint8_t>(
          (from[k] * alpha + background[k] * (255 - alpha) + 127) / 255);
    }
  }
  image.c = colours;
  image.pixels.resize(count * colours);
}

void SetChannels(Image& image, uint32_t channels) {
  if (image.c == channels) return;
  const size_t count = image.pixels.size() / image.c;
  if (channels == 1) {
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* const p = &image.pixels[3 * i];
      image.pixels[i] = Luma(p[0], p[1], p[2]);
    }
    image.pixels.resize(count);
  } else {
    image.pixels.resize(3 * count);
    for (size_t i = count; i-- > 0;) {
      std::fill_n(&image.pixels[3 * i], 3, uint8_t{image.pixels[i]});
    }
  }
  image.c = channels;
}

// Orientations in EXIF: 2 mirrored, 3 turned by 180 degrees, 4 upside down,
// 5 to 8 those with rows and columns swapped.
void Turn(Image& image) {
  const uint32_t o = image.orientation;
  image.orientation = 1;
  if (o == 1) return;
  const bool swap = o >= 5;
  // Of the stored picture, read as rows of the turned one.
  const bool flip_x = o == 2 || o == 3 || o == 7 || o == 8;
  const bool flip_y = o == 3 || o == 4 || o == 6 || o == 7;
  Image turned;
  turned.h = swap ? image.w : image.h;
  turned.w = swap ? image.h : image.w;
  turned.c = image.c;
  turned.pixels.resize(image.pixels.size());
  uint8_t* to = turned.pixels.data();
  for (uint32_t y = 0; y < turned.h; ++y) {
    for (uint32_t x = 0; x < turned.w; ++x) {
      uint32_t sy = swap ? x : y, sx = swap ? y : x;
      if (flip_x) sx = image.w - 1 - sx;
      if (flip_y) sy = image.h - 1 - sy;
      const uint8_t* const from =
          &image.pixels[(size_t{sy} * image.w + sx) * image.c];
      to = std::copy_n(from, image.c, to);
    }
  }
  image = std::move(turned);
}

}  // namespace

Image DecodePicture(std::span<const uint8_t> file, const std::string& name,
                    const PictureFit& fit, const ImageLimits& limits) {
  Image image = Decode(file, name, limits);
  if (image.c == 2 || image.c == 4) LayOnBackground(image, fit);
  Turn(image);
  return image;
}

Image DecodePicture(std::span<const uint8_t> file, const std::string& name,
                    uint32_t channels, const PictureFit& fit,
                    const ImageLimits& limits) {
  Image image = Decode(file, name, limits);
  if (image.c == 2 || image.c == 4) LayOnBackground(image, fit);
  // A colour to gray first: then there is less to turn and to resize.
  SetChannels(image, channels);
  Turn(image);
  return image;
}

void ReadPicture(std::span<const uint8_t> file, const std::string& name,
                 const Shape& shape, const PictureFit& fit, uint8_t* to,
                 const ImageLimits& limits) {
  if (std::max(shape.h, shape.w) > kMaxSampleSide) {
    UnsupportedImage(name,
                     fmt::format("samples of {}x{} are no pictures: a side is "
                                 "longer than {}",
                                 shape.h, shape.w, kMaxSampleSide),
                     "Use another model, or data of its own kind.");
  }
  const Image image = DecodePicture(file, name, shape.c, fit, limits);
  FitPicture(ViewOf(image), fit, shape.h, shape.w, to);
}

std::vector<uint8_t> ReadPictureFile(const std::string& path) {
  return ReadPictureFile(*OpenFile(path));
}

std::vector<uint8_t> ReadPictureFile(ByteSource& source) {
  const auto check = [&](uint64_t size) {
    if (size <= kMaxPictureBytes) return;
    Fail(ErrorKind::kUnsupported, "cannot read the image", source.name(),
         fmt::format("it has more than {} bytes", kMaxPictureBytes),
         "Save it again, smaller.");
  };
  std::vector<uint8_t> bytes;
  if (source.ExactSize()) {
    check(source.MaxBytes());
    bytes.resize(static_cast<size_t>(source.MaxBytes()));
    if (!bytes.empty()) {
      source.ReadExact(bytes.data(), bytes.size(), "the picture");
    }
    return bytes;
  }
  constexpr size_t kBlock = 64 * 1024;
  for (size_t n = kBlock; n > 0;) {
    const size_t have = bytes.size();
    bytes.resize(have + kBlock);
    n = source.Read(bytes.data() + have, kBlock);
    bytes.resize(have + n);
    check(bytes.size());
  }
  return bytes;
}

}  // namespace temper::host
