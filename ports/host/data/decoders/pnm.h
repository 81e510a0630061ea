// PGM and PPM images (netpbm's P2, P3, P5, P6): the formats that need no
// decoder library. One image per file, maxval up to 255, at most 16384 x 16384.
// Comments (# to the end of the line) may stand wherever white space may,
// except after the maxval of P5 and P6.
#ifndef TEMPER_PORTS_HOST_DATA_DECODERS_PNM_H_
#define TEMPER_PORTS_HOST_DATA_DECODERS_PNM_H_

#include <cstdint>
#include <functional>
#include <string>

#include "ports/host/data/decoders/image.h"
#include "ports/host/os/byte_source.h"

namespace temper::host {

inline constexpr uint32_t kMaxImageSide = 16384;

// Samples are scaled to 0..255 if the maxval is another (round to nearest).
// kBadData, or kUnsupported for bitmaps (P1, P4), PAM and 16 bits.
// `check` sees height, width and channels before anything is allocated; it may
// throw.
using ImageCheck = std::function<void(uint32_t h, uint32_t w, uint32_t c)>;
Image ReadPnm(ByteSource& source, const ImageCheck& check = {});

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_DECODERS_PNM_H_
