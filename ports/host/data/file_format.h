// File formats by their first bytes: the one table of magic numbers. No file is
// believed because of its name, and whoever gives a photo or a saved web page
// is told what it is and what to do.
// Next: byte_source.h; kinds/ and decoders/, which ask here.
#ifndef TEMPER_PORTS_HOST_DATA_FILE_FORMAT_H_
#define TEMPER_PORTS_HOST_DATA_FILE_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ports/host/os/byte_source.h"

namespace temper::host {

enum class FormatKind : uint8_t {
  kUnknown,
  kIdx,
  kPnm,
  kGzip,
  kJpeg,
  kPng,
  kWebp,
  kPicture,  // of a format that has no decoder here
  kArchive,
  kPage,  // what a server sends instead of a file
  kNpy,
  kTensors,  // of another program, or a model
  kText,
  kOther,
};

struct FileFormat {
  std::string_view name;  // "a PNG picture"; "" if unknown
  FormatKind kind = FormatKind::kUnknown;
};

// So many of a file's first bytes decide.
inline constexpr size_t kFormatBytes = 512;
FileFormat RecognizeFormat(std::span<const uint8_t> start);

// Looks at the next bytes of `source`, which stay in it, and fails with their
// format and a remedy unless they are of the kind that is wanted. `wanted`:
// "an IDX file".
void ExpectFormat(ByteSource& source, FormatKind kind, std::string_view wanted);
// Fails so in any case.
[[noreturn]] void RefuseFormat(ByteSource& source, std::string_view wanted);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_FILE_FORMAT_H_
