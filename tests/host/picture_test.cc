// Pictures: formats, colours, transparency, orientation, and what is refused.
#include "ports/host/data/picture.h"

#include <webp/encode.h>

#include <algorithm>
#include <cstdlib>

#include "ports/host/data/decoders/decoder.h"
#include "ports/host/data/decoders/exif.h"
#include "tests/host/host_test.h"
#include "tests/host/picture_files.h"
#include "tests/testing/allocations.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExifBlock;
using ::temper::testing::ExpectFailure;
using ::temper::testing::Gzip;
using ::temper::testing::Jpeg;
using ::temper::testing::Png;
using ::temper::testing::Ramp;
using ::temper::testing::WriteJpeg;
using ::temper::testing::WritePng;

Image Read(const Bytes& file, const PictureFit& fit = {}) {
  return DecodePicture(file, "photo", fit);
}

void ExpectPixels(const Png& png, uint32_t c, const Bytes& pixels,
                  const PictureFit& fit = {}) {
  const Image image = Read(WritePng(png), fit);
  EXPECT_EQ(image.w, png.w);
  EXPECT_EQ(image.h, png.h);
  EXPECT_EQ(image.c, c);
  EXPECT_EQ(image.pixels, pixels);
}

TEST(Png, GrayOfEveryDepth) {
  ExpectPixels({.w = 5, .depth = 1, .rows = {0xb0}}, 1, {255, 0, 255, 255, 0});
  ExpectPixels({.w = 4, .depth = 2, .rows = {0x1b}}, 1, {0, 85, 170, 255});
  ExpectPixels({.w = 3, .depth = 4, .rows = {0x0f, 0x10}}, 1, {0, 255, 17});
  ExpectPixels({.w = 2, .h = 2, .rows = {1, 2, 3, 4}}, 1, {1, 2, 3, 4});
  // Rounded, and neither the low byte nor all white.
  ExpectPixels({.w = 6,
                .depth = 16,
                .rows = {0, 0, 1, 0, 0x7f, 0xff, 0x80, 0, 0xff, 0, 0xff, 0xff}},
               1, {0, 1, 127, 128, 254, 255});
}

TEST(Png, Colours) {
  ExpectPixels({.w = 2, .colour = 2, .rows = {1, 2, 3, 4, 5, 6}}, 3,
               {1, 2, 3, 4, 5, 6});
  ExpectPixels({.w = 1, .depth = 16, .colour = 2, .rows = {1, 0, 2, 0, 3, 0}},
               3, {1, 2, 3});
  // Indices are no gray values; of 2 bits, four in a byte.
  const Bytes palette = {255, 0, 0, 0, 255, 0, 0, 0, 255};
  ExpectPixels(
      {.w = 3, .depth = 2, .colour = 3, .rows = {0x18}, .palette = palette}, 3,
      {255, 0, 0, 0, 255, 0, 0, 0, 255});
}

// A block that announces more than the file has: no memory is taken for it.
TEST(Png, BlocksAreAsLongAsTheySay) {
  const Png whole = {.rows = {9}, .exif = {'I', 'I', 42, 0, 8, 0, 0, 0, 0, 0}};
  Bytes png = WritePng(whole);
  ExpectPixels(whole, 1, {9});
  const char kName[] = "eXIf";
  const auto at = std::search(png.begin(), png.end(), kName, kName + 4);
  ASSERT_NE(at, png.end());
  *(at - 4) = 0x60;
  const int64_t before = testing::allocated_bytes;
  testing::allocated_peak = before;
  ExpectFailure(ErrorKind::kBadData, {"ends too early"},
                [&] { (void)DecodePicture(png, "x.png", {}); });
  EXPECT_LT(testing::allocated_peak - before, 1 << 20);
}

TEST(Png, TransparentPixelsShowTheBackground) {
  const PictureFit red = {.background = {255, 0, 0}};
  // A quarter, a half and all of black on white and on red.
  const Png rgba = {
      .w = 3, .colour = 6, .rows = {0, 0, 0, 64, 0, 0, 0, 128, 0, 0, 0, 255}};
  ExpectPixels(rgba, 3, {191, 191, 191, 127, 127, 127, 0, 0, 0});
  ExpectPixels(rgba, 3, {191, 0, 0, 127, 0, 0, 0, 0, 0}, red);
  ExpectPixels({.w = 2, .colour = 4, .rows = {10, 0, 10, 255}}, 1, {255, 10});
  ExpectPixels({.w = 1, .depth = 16, .colour = 4, .rows = {9, 0, 255, 255}}, 1,
               {9});
  const Png palette = {.w = 3,
                       .colour = 3,
                       .rows = {0, 1, 2},
                       .palette = {255, 0, 0, 0, 255, 0, 0, 0, 255},
                       .transparent = {255, 255, 0}};
  ExpectPixels(palette, 3, {255, 0, 0, 0, 255, 0, 255, 255, 255});
  ExpectPixels(palette, 3, {255, 0, 0, 0, 255, 0, 255, 0, 0}, red);
  // One colour that counts as transparent.
  ExpectPixels({.w = 2, .rows = {7, 8}, .transparent = {0, 7}}, 1, {255, 8});
}

TEST(Png, CutAndDamaged) {
  const Bytes good = WritePng({.w = 16, .h = 16, .rows = Ramp(256)});
  for (const size_t size :
       {good.size() - 4, good.size() - 20, size_t{40}, size_t{20}, size_t{9}}) {
    ExpectFailure(ErrorKind::kBadData, {"photo", "PNG"}, [&] {
      Read(Bytes(good.begin(), good.begin() + ptrdiff_t(size)));
    });
  }
  Bytes flipped = good;
  flipped[60] ^= 1;
  ExpectFailure(ErrorKind::kBadData, {"photo", "PNG is damaged"},
                [&] { Read(flipped); });
}

TEST(ImageLimits, AHeaderCostsNoMemory) {
  ExpectFailure(ErrorKind::kUnsupported, {"65535 x 65535 pixels are more than"},
                [] { Read(WritePng({.w = 65535, .h = 65535, .rows = {}})); });
  ExpectFailure(ErrorKind::kUnsupported,
                {"10000 x 10000 pixels in", "no photo"},
                [] { Read(WritePng({.w = 10000, .h = 10000, .rows = {}})); });
  ExpectFailure(ErrorKind::kUnsupported, {"a side is longer than 65535"}, [] {
    Read(WritePng({.w = 65536, .h = 1, .rows = Bytes(65536)}));
  });
  ExpectFailure(ErrorKind::kBadData, {"PNG"},
                [] { Read(WritePng({.w = 0, .h = 10, .rows = {}})); });
  // A picture that its limits allow is read, one pixel more is not.
  const Bytes png = WritePng({.w = 4, .h = 4, .rows = Bytes(16)});
  const ImageLimits fits = {16, 16, 0}, one_less = {15, 16, 0},
                    by_bytes = {0, 16, 1};
  EXPECT_EQ(DecodePicture(png, "x", {}, fits).pixels.size(), 16u);
  EXPECT_EQ(DecodePicture(png, "x", {}, by_bytes).pixels.size(), 16u);
  ExpectFailure(ErrorKind::kUnsupported, {"4 x 4"},
                [&] { DecodePicture(png, "x", {}, one_less); });
  // The same for JPEG: height and width of the frame are made large.
  Bytes jpeg = WriteJpeg({.samples = Bytes(192)});
  for (size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] != 0xff || jpeg[i + 1] != 0xc0) continue;
    std::fill_n(jpeg.begin() + ptrdiff_t(i) + 5, 4, uint8_t{0xff});
    break;
  }
  ExpectFailure(ErrorKind::kUnsupported, {"pixels"}, [&] { Read(jpeg); });
}

// A picture of four flat quarters, which no JPEG blurs in their middles.
Bytes Quarters(uint32_t side, const Bytes& colours) {
  const size_t c = colours.size() / 4;
  Bytes out;
  for (uint32_t y = 0; y < side; ++y) {
    for (uint32_t x = 0; x < side; ++x) {
      const size_t q = (y >= side / 2 ? 2u : 0u) + (x >= side / 2 ? 1u : 0u);
      for (size_t k = 0; k < c; ++k) out.push_back(colours[q * c + k]);
    }
  }
  return out;
}

void ExpectNear(const Image& image, uint32_t y, uint32_t x, const Bytes& colour,
                int most = 6) {
  ASSERT_EQ(image.c, colour.size());
  const uint8_t* const p = &image.pixels[(size_t{y} * image.w + x) * image.c];
  for (size_t k = 0; k < colour.size(); ++k) {
    EXPECT_LE(std::abs(int{p[k]} - int{colour[k]}), most)
        << "channel " << k << " at " << y << ", " << x;
  }
}

constexpr uint8_t kRed[] = {255, 0, 0};

TEST(Jpeg, GrayAndColour) {
  const Bytes gray = {10, 90, 170, 250};
  const Image g = Read(WriteJpeg({.w = 32,
                                  .h = 32,
                                  .pixels = JCS_GRAYSCALE,
                                  .stored = JCS_GRAYSCALE,
                                  .samples = Quarters(32, gray)}));
  for (uint32_t q = 0; q < 4; ++q) {
    ExpectNear(g, q < 2 ? 8 : 24, q % 2 == 0 ? 8 : 24, {gray[q]}, 2);
  }
  const Bytes rgb = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 0};
  for (const bool progressive : {false, true}) {
    for (const J_COLOR_SPACE stored : {JCS_YCbCr, JCS_RGB}) {
      const Image i = Read(WriteJpeg({.w = 32,
                                      .h = 32,
                                      .stored = stored,
                                      .samples = Quarters(32, rgb),
                                      .progressive = progressive}));
      for (uint32_t q = 0; q < 4; ++q) {
        ExpectNear(i, q < 2 ? 8 : 24, q % 2 == 0 ? 8 : 24,
                   {rgb[3 * q], rgb[3 * q + 1], rgb[3 * q + 2]});
      }
    }
  }
}

TEST(Jpeg, CmykWithAndWithoutAdobesMarker) {
  // Red: no cyan, all magenta and yellow. Adobe stores 255 less the ink.
  const Bytes inks = {0, 255, 255, 0}, inverted = {255, 0, 0, 255};
  const auto flat = [](const Bytes& colour) {
    return Quarters(16, {colour[0], colour[1], colour[2], colour[3],  //
                         colour[0], colour[1], colour[2], colour[3],  //
                         colour[0], colour[1], colour[2], colour[3],  //
                         colour[0], colour[1], colour[2], colour[3]});
  };
  const Bytes red(std::begin(kRed), std::end(kRed));
  Jpeg jpeg = {.w = 16, .h = 16, .pixels = JCS_CMYK, .stored = JCS_CMYK};
  jpeg.samples = flat(inverted);
  ExpectNear(Read(WriteJpeg(jpeg)), 8, 8, red);
  jpeg.stored = JCS_YCCK;
  ExpectNear(Read(WriteJpeg(jpeg)), 8, 8, red);
  jpeg.stored = JCS_CMYK;
  jpeg.adobe = false;
  jpeg.samples = flat(inks);
  ExpectNear(Read(WriteJpeg(jpeg)), 8, 8, red);
  // Black ink.
  jpeg.samples = flat({0, 0, 0, 255});
  ExpectNear(Read(WriteJpeg(jpeg)), 8, 8, {0, 0, 0});
}

// What EXIF's orientations mean, by the definition of its standard: which of the
// picture's corners the first stored pixel is, and whether rows are its rows.
TEST(Exif, EveryOrientation) {
  // Stored quarters 0 1 / 2 3; seen, row by row.
  const uint32_t seen[8][4] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {3, 2, 1, 0},
                               {2, 3, 0, 1}, {0, 2, 1, 3}, {2, 0, 3, 1},
                               {3, 1, 2, 0}, {1, 3, 0, 2}};
  const Bytes gray = {10, 90, 170, 250};
  for (uint8_t o = 1; o <= 8; ++o) {
    SCOPED_TRACE(int{o});
    for (const bool big_endian : {false, true}) {
      Bytes exif = {'E', 'x', 'i', 'f', 0, 0};
      const Bytes block = ExifBlock(o, big_endian);
      exif.insert(exif.end(), block.begin(), block.end());
      const Image image = Read(WriteJpeg({.w = 32,
                                          .h = 32,
                                          .pixels = JCS_GRAYSCALE,
                                          .stored = JCS_GRAYSCALE,
                                          .samples = Quarters(32, gray),
                                          .exif = exif}));
      for (uint32_t q = 0; q < 4; ++q) {
        ExpectNear(image, q < 2 ? 8 : 24, q % 2 == 0 ? 8 : 24,
                   {gray[seen[o - 1][q]]}, 2);
      }
    }
    // Height and width change places, and every pixel has its own: 1 2 3 / 4 5 6.
    const Image png = Read(WritePng({.w = 3,
                                     .h = 2,
                                     .rows = {1, 2, 3, 4, 5, 6},
                                     .exif = ExifBlock(o, true)}));
    const Bytes expected[8] = {{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4},
                               {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
                               {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3},
                               {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
    EXPECT_EQ(png.w, o >= 5 ? 2u : 3u);
    EXPECT_EQ(png.pixels, expected[o - 1]);
  }
}

TEST(Exif, DamagedBlocksSayNothing) {
  const Bytes good = ExifBlock(6, true);
  EXPECT_EQ(ExifOrientation(good), 6u);
  for (size_t n = 0; n < 22; ++n) {
    EXPECT_EQ(ExifOrientation(std::span(good).first(n)), 1u) << n;
  }
  Bytes bad = good;
  bad[19] = 9;
  EXPECT_EQ(ExifOrientation(bad), 1u);
  bad = good;
  bad[4] = 0xff;  // the directory lies far outside
  EXPECT_EQ(ExifOrientation(bad), 1u);
}

TEST(Jpeg, CutFilesAreNoHalfPictures) {
  const Bytes noise = Ramp(64 * 64);
  for (const bool progressive : {false, true}) {
    const Bytes good = WriteJpeg({.w = 64,
                                  .h = 64,
                                  .pixels = JCS_GRAYSCALE,
                                  .stored = JCS_GRAYSCALE,
                                  .samples = noise,
                                  .progressive = progressive});
    for (const double part : {0.3, 0.6, 0.9}) {
      const auto n = static_cast<ptrdiff_t>(part * double(good.size()));
      ExpectFailure(ErrorKind::kBadData, {"photo", "JPEG", "cut"},
                    [&] { Read(Bytes(good.begin(), good.begin() + n)); });
    }
    // Only the end marker is missing: nothing of a baseline picture is.
    const Bytes unmarked(good.begin(), good.end() - 2);
    if (!progressive) {
      EXPECT_EQ(Read(unmarked).pixels, Read(good).pixels);
    }
  }
}

TEST(Webp, LosslessLossyAndAlpha) {
  const Bytes rgba = {255, 0, 0,   255, 0, 255, 0, 255,
                      0,   0, 255, 255, 0, 0,   0, 0};
  uint8_t* bytes = nullptr;
  size_t n = WebPEncodeLosslessRGBA(rgba.data(), 2, 2, 8, &bytes);
  const Bytes lossless(bytes, bytes + n);
  WebPFree(bytes);
  EXPECT_EQ(Read(lossless).pixels,
            (Bytes{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}));
  const Bytes rgb = Quarters(32, {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9});
  n = WebPEncodeRGB(rgb.data(), 32, 32, 96, 90, &bytes);
  const Bytes lossy(bytes, bytes + n);
  WebPFree(bytes);
  ExpectNear(Read(lossy), 8, 8, {255, 0, 0}, 12);
  ExpectNear(Read(lossy), 24, 24, {9, 9, 9}, 12);
  for (const Bytes& file : {lossless, lossy}) {
    ExpectFailure(ErrorKind::kBadData, {"photo", "WebP is cut"}, [&] {
      Read(Bytes(file.begin(), file.end() - ptrdiff_t(file.size() / 3)));
    });
  }
}

TEST(Pictures, ContentDecides) {
  struct {
    std::string text, word;
  } const others[] = {{"GIF89a", "GIF"},
                      {"BM\x36\x10\x0e", "BMP"},
                      {std::string("II*\0\x08\0", 6), "TIFF"},
                      {std::string("\0\0\0\x18", 4) + "ftypheic", "HEIC"},
                      {std::string("\0\0\0\x1c", 4) + "ftypavif", "AVIF"},
                      {"<!DOCTYPE html><html>", "HTML"},
                      {"hello", "a text"}};
  for (const auto& other : others) {
    ExpectFailure(ErrorKind::kBadData, {"photo", other.word, "JPEG, PNG, WebP"},
                  [&] { Read(Bytes(other.text.begin(), other.text.end())); });
  }
  const Bytes png = WritePng({.w = 1, .rows = {7}});
  ExpectFailure(ErrorKind::kBadData, {"gzip"}, [&] { Read(Gzip(png)); });
  ExpectFailure(ErrorKind::kBadData, {"empty"}, [] { Read({}); });
  EXPECT_EQ(DecodePicture(png, "photo.jpg", {}).pixels, (Bytes{7}));
}

TEST(Pictures, ChannelsOfTheSample) {
  const Bytes colour = WritePng({.w = 1, .colour = 2, .rows = {255, 128, 0}});
  const Bytes gray = WritePng({.w = 1, .rows = {9}});
  uint8_t sample[3] = {};
  ReadPicture(colour, "x", {1, 1, 1, ElementType::kU8}, {}, sample);
  EXPECT_EQ(sample[0], 151);  // 0.299 * 255 + 0.587 * 128
  ReadPicture(gray, "x", {1, 1, 3, ElementType::kU8}, {}, sample);
  EXPECT_EQ(Bytes(sample, sample + 3), (Bytes{9, 9, 9}));
}

TEST(Pictures, EveryDecoderIsNamed) {
  for (const ImageDecoder* const decoder : ImageDecoders()) {
    EXPECT_NE(DecoderNames().find(decoder->name), std::string::npos);
    EXPECT_EQ(FindDecoder(decoder->format), decoder);
  }
  EXPECT_EQ(FindDecoder(FormatKind::kPicture), nullptr);
}

}  // namespace
}  // namespace temper::host
