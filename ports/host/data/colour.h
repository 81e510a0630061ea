// Colours of pictures: gray from red, green and blue (ITU-R 601, with Pillow's
// whole numbers).
#ifndef TEMPER_PORTS_HOST_DATA_COLOUR_H_
#define TEMPER_PORTS_HOST_DATA_COLOUR_H_

#include <cstdint>

namespace temper::host {

constexpr uint8_t Luma(uint32_t r, uint32_t g, uint32_t b) {
  return static_cast<uint8_t>((19595 * r + 38470 * g + 7471 * b + 0x8000) >>
                              16);
}

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_COLOUR_H_
