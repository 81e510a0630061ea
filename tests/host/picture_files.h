// Picture files for tests, made here: PNG of any type by zlib, JPEG by libjpeg.
#ifndef TEMPER_TESTS_HOST_PICTURE_FILES_H_
#define TEMPER_TESTS_HOST_PICTURE_FILES_H_

#include <cstddef>
#include <cstdio>
// jpeglib.h needs the two above.
#include <jpeglib.h>
#include <zlib.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace temper::testing {

// A PNG by its parts: rows as they are stored, without filters.
struct Png {
  uint32_t w = 1, h = 1;
  uint8_t depth = 8;
  uint8_t colour = 0;  // 0 gray, 2 rgb, 3 palette, 4 gray+alpha, 6 rgba
  std::vector<uint8_t> rows = {};         // h rows of the same number of bytes
  std::vector<uint8_t> palette = {};      // PLTE
  std::vector<uint8_t> transparent = {};  // tRNS
  std::vector<uint8_t> exif = {};         // eXIf
};

inline void AppendBigEndian(std::vector<uint8_t>& out, uint32_t value,
                            int bytes = 4) {
  for (int i = bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
}

inline void AppendChunk(std::vector<uint8_t>& out, std::string_view type,
                        const std::vector<uint8_t>& data) {
  AppendBigEndian(out, static_cast<uint32_t>(data.size()));
  const size_t start = out.size();
  out.insert(out.end(), type.begin(), type.end());
  out.insert(out.end(), data.begin(), data.end());
  AppendBigEndian(
      out, static_cast<uint32_t>(crc32(0, out.data() + start,
                                       static_cast<uInt>(out.size() - start))));
}

inline std::vector<uint8_t> WritePng(const Png& png) {
  std::vector<uint8_t> out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  std::vector<uint8_t> header;
  AppendBigEndian(header, png.w);
  AppendBigEndian(header, png.h);
  header.insert(header.end(), {png.depth, png.colour, 0, 0, 0});
  AppendChunk(out, "IHDR", header);
  if (!png.palette.empty()) AppendChunk(out, "PLTE", png.palette);
  if (!png.transparent.empty()) AppendChunk(out, "tRNS", png.transparent);
  if (!png.exif.empty()) AppendChunk(out, "eXIf", png.exif);
  const size_t row = png.h == 0 ? 0 : png.rows.size() / png.h;
  std::vector<uint8_t> filtered;
  for (uint32_t y = 0; y < png.h && row > 0; ++y) {
    filtered.push_back(0);
    filtered.insert(filtered.end(), png.rows.begin() + std::ptrdiff_t(y * row),
                    png.rows.begin() + std::ptrdiff_t((y + 1) * row));
  }
  uLongf size = compressBound(static_cast<uLong>(filtered.size()));
  std::vector<uint8_t> packed(size);
  compress(packed.data(), &size, filtered.data(),
           static_cast<uLong>(filtered.size()));
  packed.resize(size);
  AppendChunk(out, "IDAT", packed);
  AppendChunk(out, "IEND", {});
  return out;
}

// The TIFF block of an EXIF orientation.
inline std::vector<uint8_t> ExifBlock(uint8_t orientation, bool big_endian) {
  if (big_endian) {
    return {'M', 'M', 0, 42, 0, 0, 0,           8, 0, 1, 0x01, 0x12, 0,
            3,   0,   0, 0,  1, 0, orientation, 0, 0, 0, 0,    0,    0};
  }
  return {'I', 'I', 42, 0, 8, 0,           0, 0, 1, 0, 0x12, 0x01, 3,
          0,   1,   0,  0, 0, orientation, 0, 0, 0, 0, 0,    0,    0};
}

struct Jpeg {
  uint32_t w = 8, h = 8;
  J_COLOR_SPACE pixels = JCS_RGB;  // what `samples` are
  J_COLOR_SPACE stored = JCS_YCbCr;
  std::vector<uint8_t> samples = {};
  std::vector<uint8_t> exif = {};  // "Exif\0\0" and a TIFF block, or nothing
  bool progressive = false;
  bool adobe = true;  // the marker, where libjpeg would write it
  int quality = 95;
};

inline std::vector<uint8_t> WriteJpeg(const Jpeg& jpeg) {
  jpeg_compress_struct c;
  jpeg_error_mgr errors;
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&c, &bytes, &size);
  c.image_width = jpeg.w;
  c.image_height = jpeg.h;
  c.in_color_space = jpeg.pixels;
  c.input_components = jpeg.pixels == JCS_GRAYSCALE ? 1
                       : jpeg.pixels == JCS_CMYK    ? 4
                                                    : 3;
  jpeg_set_defaults(&c);
  jpeg_set_colorspace(&c, jpeg.stored);
  jpeg_set_quality(&c, jpeg.quality, TRUE);
  if (!jpeg.adobe) c.write_Adobe_marker = FALSE;
  if (jpeg.progressive) jpeg_simple_progression(&c);
  jpeg_start_compress(&c, TRUE);
  if (!jpeg.exif.empty()) {
    jpeg_write_marker(&c, JPEG_APP0 + 1, jpeg.exif.data(),
                      static_cast<unsigned>(jpeg.exif.size()));
  }
  const size_t row = size_t{jpeg.w} * static_cast<size_t>(c.input_components);
  while (c.next_scanline < c.image_height) {
    JSAMPROW at =
        const_cast<JSAMPROW>(jpeg.samples.data()) + c.next_scanline * row;
    jpeg_write_scanlines(&c, &at, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  std::vector<uint8_t> out(bytes, bytes + size);
  std::free(bytes);
  return out;
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_HOST_PICTURE_FILES_H_
