// Resizing: Pillow's pixels, and the sizes of torchvision's and Pillow's fits.
// Checksums were made with Pillow 11.3.0 (Image.resize with BILINEAR,
// ImageOps.pad) on Pattern() below.
#include "ports/host/data/resize.h"

#include <zlib.h>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;

Image Pattern(uint32_t h, uint32_t w, uint32_t c) {
  Image image;
  image.h = h, image.w = w, image.c = c;
  for (uint64_t i = 0; i < uint64_t{h} * w * c; ++i) {
    image.pixels.push_back(
        static_cast<uint8_t>((i * i * 7 + i * 13 + (i >> 3)) % 251));
  }
  return image;
}

uint32_t Checksum(const Bytes& bytes) {
  return static_cast<uint32_t>(
      crc32(0, bytes.data(), static_cast<uInt>(bytes.size())));
}

Bytes Resized(const Image& image, uint32_t h, uint32_t w) {
  Bytes out(size_t{h} * w * image.c);
  Resize(ViewOf(image), h, w, {0, 0, h, w}, out.data(), size_t{w} * image.c);
  return out;
}

TEST(Resize, PillowsPixels) {
  EXPECT_EQ(Resized(Pattern(4, 5, 1), 2, 3),
            (Bytes{98, 104, 123, 136, 192, 97}));
  const struct {
    uint32_t h, w, c, to_h, to_w, checksum;
  } cases[] = {
      {13, 9, 3, 5, 4, 0x241bcf68},        {13, 9, 3, 20, 17, 0xeb607b0f},
      {97, 61, 3, 32, 32, 0xa74f63d3},     {61, 97, 1, 32, 32, 0x65ef6961},
      {200, 333, 3, 224, 224, 0x2c74c4ca}, {7, 7, 1, 7, 7, 0x74311ee8},
      {1, 5, 1, 3, 3, 0x43f8babd},         {640, 480, 3, 96, 96, 0x1d4b3a0f},
      {33, 1, 3, 8, 8, 0xff9f1efc},        {1000, 3, 1, 10, 300, 0x726a0e01},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::Message()
                 << c.h << "x" << c.w << " to " << c.to_h << "x" << c.to_w);
    EXPECT_EQ(Checksum(Resized(Pattern(c.h, c.w, c.c), c.to_h, c.to_w)),
              c.checksum);
  }
}

TEST(Resize, SameSizeIsTheSame) {
  const Image image = Pattern(11, 17, 3);
  EXPECT_EQ(Resized(image, 11, 17), image.pixels);
}

TEST(Resize, AWindowIsAPartOfTheWhole) {
  const Image image = Pattern(50, 40, 3);
  const Bytes whole = Resized(image, 30, 20);
  const Window window = {3, 5, 10, 7};
  Bytes part(size_t{window.h} * window.w * 3);
  Resize(ViewOf(image), 30, 20, window, part.data(), size_t{window.w} * 3);
  for (uint32_t y = 0; y < window.h; ++y) {
    for (uint32_t x = 0; x < window.w * 3; ++x) {
      ASSERT_EQ(part[size_t{y} * window.w * 3 + x],
                whole[(size_t{y} + window.y) * 60 + window.x * 3 + x]);
    }
  }
}

TEST(Fit, CropAndPad) {
  const struct {
    uint32_t h, w, c, to_h, to_w, crop, pad;
  } cases[] = {
      {97, 61, 3, 32, 32, 0x5bf7cc5d, 0xcbe2f701},
      {61, 97, 1, 32, 32, 0x52b905ca, 0xa5d88513},
      {200, 333, 3, 224, 100, 0x7edf3a58, 0xe4e0efb7},
      {40, 31, 3, 20, 64, 0x87ab0be7, 0xa07727e3},
      {50, 20, 1, 33, 13, 0x9877c047, 0x662d0453},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::Message()
                 << c.h << "x" << c.w << " to " << c.to_h << "x" << c.to_w);
    const Image image = Pattern(c.h, c.w, c.c);
    Bytes out(size_t{c.to_h} * c.to_w * c.c);
    PictureFit fit = {.background = {10, 20, 30}};
    FitPicture(ViewOf(image), fit, c.to_h, c.to_w, out.data());
    EXPECT_EQ(Checksum(out), c.crop);
    fit.mode = PictureFit::Mode::kPad;
    FitPicture(ViewOf(image), fit, c.to_h, c.to_w, out.data());
    EXPECT_EQ(Checksum(out), c.pad);
    fit.mode = PictureFit::Mode::kStretch;
    FitPicture(ViewOf(image), fit, c.to_h, c.to_w, out.data());
    EXPECT_EQ(out, Resized(image, c.to_h, c.to_w));
  }
}

// Lines of one pixel: proportions that are no pixel wide, and the widest picture
// that a file may hold.
TEST(Fit, ExtremeShapes) {
  for (const auto mode : {PictureFit::Mode::kCrop, PictureFit::Mode::kStretch,
                          PictureFit::Mode::kPad}) {
    for (const auto& [h, w] :
         {std::pair{1u, 65535u}, std::pair{65535u, 1u}, std::pair{1u, 1u}}) {
      Image image;
      image.h = h, image.w = w, image.c = 1;
      image.pixels.assign(size_t{h} * w, 200);
      Bytes out(224 * 224, 1);
      FitPicture(ViewOf(image), {mode, {200, 200, 200}}, 224, 224, out.data());
      EXPECT_EQ(out, Bytes(224 * 224, 200));
    }
  }
}

}  // namespace
}  // namespace temper::host
