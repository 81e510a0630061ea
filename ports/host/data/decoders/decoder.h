// ImageDecoder: one format of pictures, and the one list of them. A format is a
// file in this folder that ends in its record, and a line in decoders.cc.
//
// A decoder gets a whole file in memory. It checks the size in the header
// (CheckImageSize) before it takes memory, refuses files that are cut or
// damaged, and delivers the pixels as they are stored: turning them by the
// orientation, transparency and size are the same for all formats (picture.h).
// Errors of C libraries, which leave by longjmp, stay inside functions without
// C++ objects.
// Next: jpeg.cc (an example), exif.h.
#ifndef TEMPER_PORTS_HOST_DATA_DECODERS_DECODER_H_
#define TEMPER_PORTS_HOST_DATA_DECODERS_DECODER_H_

#include <span>
#include <string>
#include <string_view>

#include "ports/host/data/decoders/image.h"
#include "ports/host/data/file_format.h"

namespace temper::host {

struct ImageDecoder {
  std::string_view name;  // "JPEG"
  FormatKind format;      // what it reads, by content
  // kBadData (cut, damaged), kUnsupported (valid, but a variant that is
  // not read, or too large).
  Image (*decode)(std::span<const uint8_t> file, const std::string& name,
                  const ImageLimits& limits);
};

std::span<const ImageDecoder* const> ImageDecoders();
// Null if there is none for the format.
const ImageDecoder* FindDecoder(FormatKind format);
// "JPEG, PNG, WebP, PGM, PPM".
std::string DecoderNames();

// For decoders: throws with the exit code of a file that is damaged, or of one
// that is valid but not read.
[[noreturn]] void DamagedImage(std::string_view name, std::string_view why);
[[noreturn]] void UnsupportedImage(std::string_view name, std::string_view why,
                                   std::string_view remedy);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DECODERS_DECODER_H_
