// See png_writer.h.
#include "ports/host/report/png_writer.h"

#include <png.h>

#include <cstring>

#include "ports/host/base/failure.h"

namespace temper::host {

std::string PngFile(const uint8_t* pixels, uint32_t h, uint32_t w,
                    uint32_t channels) {
  png_image image;
  std::memset(&image, 0, sizeof(image));
  image.version = PNG_IMAGE_VERSION;
  image.width = w;
  image.height = h;
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string file(bytes, '\0');
  if ((channels != 1 && channels != 3) ||
      png_image_write_to_memory(&image, file.data(), &bytes, 0, pixels, 0,
                                nullptr) == 0) {
    Fail(ErrorKind::kBug, "a picture cannot be written", image.message, "", "");
  }
  file.resize(bytes);
  return file;
}

std::string PngUri(std::string_view png) {
  constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string uri = "data:image/png;base64,";
  for (size_t i = 0; i < png.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) {
      word = word << 8 |
             (i + k < png.size() ? static_cast<uint8_t>(png[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      uri += i + k > png.size() ? '=' : kDigits[word >> (18 - 6 * k) & 63];
    }
  }
  return uri;
}

}  // namespace temper::host
