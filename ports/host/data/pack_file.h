// Packs: a data set as one file, decoded and of one size, that is mapped and not
// read: training from it decodes nothing, starts at once, and may be larger than
// the memory. `temper data pack` makes it; pack:FILE is the kind of data.
//
//   0      PackHeader, 128 bytes; zeros up to 4096
//   4096   samples x sample bytes, NHWC, no gaps
//   then   labels (int32 each), or targets (floats of each sample), at the next
//          multiple of 64
//   then   description: JSON, at the next multiple of 64
//   end    nothing else
//
// All numbers are little endian. The checksum is XXH3-64 of the bytes from 4096
// to the end, the header's that of the header with its own field 0.
// Next: kinds/pack.cc (the reader), pack_writer.h.
#ifndef TEMPER_PORTS_HOST_DATA_PACK_FILE_H_
#define TEMPER_PORTS_HOST_DATA_PACK_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/columns.h"
#include "models/files/preprocessing.h"
#include "temper/graph.h"
#include "temper/targets.h"

namespace temper::host {

inline constexpr uint64_t kPackData = 4096;  // where samples begin

struct PackHeader {
  char magic[8];     // "TEMPERPK"
  uint32_t version;  // 1
  uint32_t type;     // ElementType
  uint32_t h, w, c;
  uint32_t targets;  // TargetKind
  uint32_t width;    // Targets::width
  uint32_t zero;
  uint64_t samples;
  uint64_t labels_offset;  // of labels or targets; 0: there are none
  uint64_t text_offset, text_bytes;
  uint64_t file_bytes;
  uint64_t checksum, header_checksum;
  uint8_t zeros[32];
};
static_assert(sizeof(PackHeader) == 128);

// The description.
struct PackText {
  std::vector<std::string> classes;  // empty: classes have numbers only
  std::optional<PictureFit> pictures;
  std::vector<TableColumn> columns;
};

// What a pack holds, checked: every offset lies in the file, sizes agree, labels
// are classes.
struct PackView {
  Shape shape;
  Targets targets;
  uint64_t samples = 0;
  const uint8_t* data = nullptr;    // of sample 0
  const int32_t* labels = nullptr;  // of kClasses
  const float* values = nullptr;    // of the other kinds
  PackText text;
};

// Where the parts of a pack lie: the header's fields from labels_offset to
// file_bytes, of shape, targets, samples and text_bytes. False if it would be
// larger than 2^63 bytes.
bool LayOutPack(PackHeader* header);

// True for the first bytes of a pack.
inline constexpr size_t kPackMagicBytes = 8;
bool IsPack(std::span<const uint8_t> start);

// Throws kBadData, kUnsupported (another version). `verify`: compares the
// checksum of all bytes, else that of the header alone. `path`: for messages.
PackView OpenPack(std::span<const uint8_t> file, const std::string& path,
                  bool verify);

// Fills in both checksums; the other fields and the file's bytes are there.
void SealPack(std::span<uint8_t> file);

std::string WritePackText(const PackText& text);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_PACK_FILE_H_
