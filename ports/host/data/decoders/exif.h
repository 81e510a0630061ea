// EXIF: how a camera was held. Of all it may say, only the orientation is read.
#ifndef TEMPER_PORTS_HOST_DATA_DECODERS_EXIF_H_
#define TEMPER_PORTS_HOST_DATA_DECODERS_EXIF_H_

#include <cstdint>
#include <span>

namespace temper::host {

// Of an EXIF block, which begins with a TIFF header or "Exif\0\0" before it: 1
// to 8; 1 (as it is) if the block does not say or is damaged.
uint32_t ExifOrientation(std::span<const uint8_t> block);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DECODERS_EXIF_H_
