// Fuzz target: pictures of all formats. Input: one byte of choices (channels,
// fit), then the file. Whatever the bytes, it is refused or becomes a sample.
#include <webp/encode.h>

#include <algorithm>
#include <string>

#include "ports/host/base/failure.h"
#include "ports/host/data/picture.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/host/picture_files.h"

namespace {

using temper::PictureFit;
using temper::fuzz::Bytes;

void Require(bool condition) { temper::fuzz::Require(condition, "picture"); }

// As large as a mutation makes them, pictures take little time.
constexpr temper::host::ImageLimits kLimits = {1 << 14, 1 << 16, 64};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const uint8_t choice = bytes[0];
  const uint32_t channels = (choice & 1) != 0 ? 3 : 1;
  PictureFit fit = {static_cast<PictureFit::Mode>((choice >> 1) % 3),
                    {choice, 0, 255}};
  const std::span<const uint8_t> file(bytes + 1, size - 1);
  try {
    const temper::host::Image image =
        temper::host::DecodePicture(file, "fuzz", fit, kLimits);
    const uint64_t pixels = uint64_t{image.h} * image.w;
    Require(pixels > 0 && pixels <= kLimits.most_pixels);
    Require(image.c == 1 || image.c == 3);
    Require(image.orientation == 1);
    Require(image.pixels.size() == pixels * image.c);
    Bytes sample(size_t{5} * 7 * channels);
    temper::host::ReadPicture(file, "fuzz",
                              {5, 7, channels, temper::ElementType::kU8}, fit,
                              sample.data(), kLimits);
    if (image.c == 1 && channels == 3 && fit.mode != PictureFit::Mode::kPad) {
      for (size_t i = 0; i < sample.size(); i += 3) {
        Require(sample[i] == sample[i + 1] && sample[i] == sample[i + 2]);
      }
    }
  } catch (const temper::host::Failure& failure) {
    Require(failure.kind == temper::host::ErrorKind::kBadData ||
            failure.kind == temper::host::ErrorKind::kUnsupported);
    Require(!failure.message.empty() && failure.message.size() < 4096);
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  using namespace temper::testing;
  Bytes ramp(size_t{24} * 24 * 4);
  for (size_t i = 0; i < ramp.size(); ++i) {
    ramp[i] = static_cast<uint8_t>(i * i / 5);
  }
  const auto part = [&](size_t n) {
    return Bytes(ramp.begin(), ramp.begin() + static_cast<std::ptrdiff_t>(n));
  };
  Bytes exif = {'E', 'x', 'i', 'f', 0, 0};
  const Bytes block = ExifBlock(6, true);
  exif.insert(exif.end(), block.begin(), block.end());
  std::vector<Bytes> files = {
      WritePng({.w = 24, .h = 24, .rows = part(576)}),
      WritePng({.w = 12, .h = 8, .depth = 16, .colour = 6, .rows = part(768)}),
      WritePng({.w = 9, .h = 3, .depth = 1, .rows = part(6)}),
      WritePng({.w = 8,
                .h = 4,
                .depth = 4,
                .colour = 3,
                .rows = part(16),
                .palette = part(48),
                .transparent = part(16),
                .exif = ExifBlock(5, false)}),
      WritePng({.w = 5, .h = 5, .colour = 2, .rows = part(75)}),
      WriteJpeg({.w = 24, .h = 17, .samples = part(1224), .exif = exif}),
      WriteJpeg({.w = 24,
                 .h = 24,
                 .pixels = JCS_GRAYSCALE,
                 .stored = JCS_GRAYSCALE,
                 .samples = part(576)}),
      WriteJpeg({.w = 20, .h = 20, .samples = part(1200), .progressive = true}),
      WriteJpeg({.w = 16,
                 .h = 16,
                 .pixels = JCS_CMYK,
                 .stored = JCS_YCCK,
                 .samples = part(1024)}),
      {'P', '5', ' ', '2', ' ', '2', ' ', '2', '5', '5', '\n', 1, 2, 3, 4}};
  for (const bool lossy : {false, true}) {
    uint8_t* webp = nullptr;
    const size_t n =
        lossy ? WebPEncodeRGBA(ramp.data(), 24, 24, 96, 60, &webp)
              : WebPEncodeLosslessRGBA(ramp.data(), 24, 24, 96, &webp);
    files.emplace_back(webp, webp + n);
    WebPFree(webp);
  }
  uint8_t choice = 0;
  for (Bytes& file : files) file.insert(file.begin(), choice++);
  return files;
}

std::vector<std::string> Words() {
  using namespace std::string_literals;
  return {"IHDR",     "PLTE",     "tRNS",      "IDAT",
          "IEND",     "eXIf",     "\xff\xd8",  "\xff\xda",
          "\xff\xc4", "\xff\xdb", "\xff\xc0",  "\xff\xc2",
          "\xff\xee", "Adobe",    "Exif\0\0"s, "MM\0*"s,
          "II*\0"s,   "RIFF",     "VP8X",      "VP8L",
          "ALPH",     "EXIF",     "ANIM",      "\xff\xff\xff\xff"s,
          "\0\0\0\0"s};
}

// The checksums of a PNG's chunks: a change is seen by what lies after them.
void Repair(Bytes* input, int64_t) {
  Bytes& in = *input;
  size_t at = 9;
  while (at + 12 <= in.size()) {
    const size_t size = size_t{in[at]} << 24 | size_t{in[at + 1]} << 16 |
                        size_t{in[at + 2]} << 8 | in[at + 3];
    if (size > in.size() - at - 12) return;
    const auto sum = static_cast<uint32_t>(
        crc32(0, &in[at + 4], static_cast<uInt>(size + 4)));
    for (size_t i = 0; i < 4; ++i) {
      in[at + 8 + size + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    }
    at += 12 + size;
  }
}

}  // namespace temper::fuzz
