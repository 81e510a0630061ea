// Reading safetensors: the header of a file, checked in full.
//
//   8 bytes   N, little endian       <= 1 MiB, within the file
//   N bytes   JSON: {"__metadata__": {text: text}, name: {"dtype": "F32",
//             "shape": [d, ...], "data_offsets": [begin, end]}, ...}, then
//             white space at will
//   the rest  tensors, from byte 0 to the last, without holes or overlap
//
// The parser works on memory and copies no tensor. It makes one pass that
// checks everything about each entry on its own, allocates what that pass
// counted, and makes a second pass that fills it and checks entries against
// each other. It is stricter than the reference library: duplicate keys are
// refused on every level, as are leading white space and unknown keys of a
// tensor. Values are not looked at: model_file.h refuses NaN. Cost: time O(n
// log n) in tensors; memory as limits.h says. Next: model_file.h (our own
// files), limits.h.
#ifndef TEMPER_MODELS_FILES_SAFETENSORS_H_
#define TEMPER_MODELS_FILES_SAFETENSORS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/error.h"
#include "models/files/limits.h"

namespace temper {

// temper computes with F32; the others are here to be listed.
enum class SafetensorsType : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kCount
};
const char* SafetensorsTypeName(SafetensorsType type);  // "F32"
uint32_t SafetensorsTypeBits(SafetensorsType type);

struct SafetensorsTensor {
  std::string_view name;  // decoded; owned by the view
  uint64_t offset = 0;    // of its first byte, from the start of the file
  uint64_t bytes = 0;
  SafetensorsType type = SafetensorsType::kF32;
  uint8_t rank = 0;
  uint64_t dims[limits::kRank] = {};

  std::span<const uint64_t> shape() const { return {dims, rank}; }
};

struct SafetensorsMetadata {
  std::string key, value;  // decoded
  // Where the value stands in the file, between its quotes and still escaped.
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct SafetensorsView {
  std::vector<SafetensorsTensor> tensors;  // in file order
  std::vector<SafetensorsMetadata> metadata;
  uint64_t data_offset = 0;  // of the data area, from the start of the file
  std::vector<char> names;   // what SafetensorsTensor::name points into

  SafetensorsView() = default;
  SafetensorsView(SafetensorsView&&) = default;
  SafetensorsView& operator=(SafetensorsView&&) = default;

  const SafetensorsTensor* Find(std::string_view name) const;
  const SafetensorsMetadata* FindMetadata(std::string_view key) const;
};

// `view` is only filled on success.
FileError ParseSafetensors(std::span<const uint8_t> file,
                           SafetensorsView* view);

// The same for a header alone (the N bytes of JSON) of a file of `file_bytes`
// bytes: enough to list a file without reading its tensors.
FileError ParseSafetensorsHeader(std::string_view header, uint64_t file_bytes,
                                 SafetensorsView* view);

// The same for a file that is not in memory: only its header is read. Also
// kIoError.
FileError ReadSafetensors(const ByteReader& file, uint64_t file_bytes,
                          SafetensorsView* view);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_SAFETENSORS_H_
