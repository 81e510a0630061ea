// A picture as a PNG file in memory. Next: evaluation.h.
#ifndef TEMPER_PORTS_HOST_REPORT_PNG_WRITER_H_
#define TEMPER_PORTS_HOST_REPORT_PNG_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace temper::host {

// `pixels`: h x w x channels bytes, channels 1 (gray) or 3 (RGB). kBug on
// anything else.
std::string PngFile(const uint8_t* pixels, uint32_t h, uint32_t w,
                    uint32_t channels);
// As a page may hold it: "data:image/png;base64,...".
std::string PngUri(std::string_view png);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_REPORT_PNG_WRITER_H_
