// See exif.h. The block is a TIFF file: byte order, the place of the first
// directory, and there entries of 12 bytes (tag, type, count, value).
#include "ports/host/data/decoders/exif.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace temper::host {
namespace {

constexpr uint32_t kOrientationTag = 0x112;
constexpr uint32_t kShort = 3, kLong = 4;

// Numbers of a block; 0 beyond its end.
struct Block {
  std::span<const uint8_t> bytes;
  bool big_endian;

  uint32_t Number(size_t at, size_t size) const {
    if (at > bytes.size() || bytes.size() - at < size) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      const size_t digit = big_endian ? i : size - 1 - i;
      value = value << 8 | bytes[at + digit];
    }
    return value;
  }
};

}  // namespace

uint32_t ExifOrientation(std::span<const uint8_t> block) {
  constexpr uint8_t kPrefix[] = {'E', 'x', 'i', 'f', 0, 0};
  if (block.size() >= std::size(kPrefix) &&
      std::equal(std::begin(kPrefix), std::end(kPrefix), block.begin())) {
    block = block.subspan(std::size(kPrefix));
  }
  if (block.size() < 8 || block[0] != block[1] ||
      (block[0] != 'I' && block[0] != 'M')) {
    return 1;
  }
  const Block tiff = {block, block[0] == 'M'};
  if (tiff.Number(2, 2) != 42) return 1;
  const size_t directory = tiff.Number(4, 4);
  const uint32_t entries = tiff.Number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (entry + 12 > block.size()) break;
    if (tiff.Number(entry, 2) != kOrientationTag) continue;
    const uint32_t type = tiff.Number(entry + 2, 2);
    const uint32_t value = type == kShort  ? tiff.Number(entry + 8, 2)
                           : type == kLong ? tiff.Number(entry + 8, 4)
                                           : 0;
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

}  // namespace temper::host
