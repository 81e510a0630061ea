// The PGM and PPM reader.
#include "ports/host/data/decoders/pnm.h"

#include <fmt/format.h>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;

Image Read(std::string_view text) {
  return ReadPnm(*OpenMemory(
      {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, "image"));
}

void ExpectRefused(std::string_view text, std::string word,
                   ErrorKind kind = ErrorKind::kBadData) {
  SCOPED_TRACE(Printable(text));
  ExpectFailure(kind, {word, "image"}, [&] { (void)Read(text); });
}

TEST(Pnm, ReadsTheFourFormats) {
  const struct {
    std::string_view text;
    uint32_t c;
  } cases[] = {
      {"P2\n3 2\n255\n1 2 3\n4 5 6\n", 1},
      {"P5\n3 2\n255\n\1\2\3\4\5\6", 1},
      {"P3 1 2 255 1 2 3 4 5 6", 3},
      {"P6 1 2 255 \1\2\3\4\5\6", 3},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.text);
    const Image image = Read(c.text);
    EXPECT_EQ(image.c, c.c);
    EXPECT_EQ(image.h, 2u);
    EXPECT_EQ(image.w, c.c == 1 ? 3u : 1u);
    EXPECT_EQ(image.pixels, (Bytes{1, 2, 3, 4, 5, 6}));
  }
}

TEST(Pnm, TakesComments) {
  const Image image = Read(
      "P2# made by hand\n#\n 3 # width\r2#height\n# maxval comes\n255#\n1 2 # "
      "more\n3 4 5 6");
  EXPECT_EQ(image.pixels, (Bytes{1, 2, 3, 4, 5, 6}));
  const Image raw = Read("P5 #c\n1#c\n1\n#c 9 9\n255\n#");
  EXPECT_EQ(raw.pixels, (Bytes{'#'}));
}

TEST(Pnm, ScalesOtherMaxvals) {
  EXPECT_EQ(Read("P2 4 1 3 0 1 2 3").pixels, (Bytes{0, 85, 170, 255}));
  EXPECT_EQ(Read("P2 3 1 2 0 1 2").pixels, (Bytes{0, 128, 255}));
  EXPECT_EQ(Read(std::string_view("P5 3 1 15\n\0\7\17", 13)).pixels,
            (Bytes{0, 119, 255}));
}

// Longer than every buffer on the way.
TEST(Pnm, ReadsLargeImages) {
  std::string raw = "P6 301 97 255\n", plain = "P3 301 97 255\n";
  Bytes expected;
  for (size_t i = 0; i < 301 * 97 * 3; ++i) {
    expected.push_back(static_cast<uint8_t>(i * 31 + i / 999));
    raw += static_cast<char>(expected.back());
    plain += fmt::format("{} ", expected.back());
  }
  EXPECT_EQ(Read(raw).pixels, expected);
  EXPECT_EQ(Read(plain).pixels, expected);
  const temper::testing::TempFolder folder;
  folder.Write("a.ppm", raw);
  EXPECT_EQ(ReadPnm(*OpenFile(folder.File("a.ppm"))).pixels, expected);
}

TEST(Pnm, RefusesOtherFiles) {
  ExpectRefused("", "not a PGM or PPM");
  ExpectRefused("P", "not a PGM or PPM");
  ExpectRefused("\x89PNG", "not a PGM or PPM");
  ExpectRefused("P8 1 1 255 1", "not a PGM or PPM");
  ExpectRefused("P1 1 1 1", "format P1", ErrorKind::kUnsupported);
  ExpectRefused("P4 1 1 1", "format P4", ErrorKind::kUnsupported);
  ExpectRefused("P7\nWIDTH 1", "format P7", ErrorKind::kUnsupported);
  ExpectRefused("P5 1 1 65535 ab", "16-bit", ErrorKind::kUnsupported);
  ExpectFailure(ErrorKind::kNotFound, {"/no/such.pgm"},
                [] { (void)ReadPnm(*OpenFile("/no/such.pgm")); });
}

TEST(Pnm, RefusesBadHeaders) {
  ExpectRefused("P25 1 255 1", "white space must follow the format");
  ExpectRefused("P5", "white space must follow the format");
  ExpectRefused("P5 ", "ends before the width");
  ExpectRefused("P5 #", "ends before the width");
  ExpectRefused("P5 -1 1 255 a", "the width is not a number");
  ExpectRefused("P5 1x 1 255 a", "the width is not a number");
  ExpectRefused("P5 0 1 255 a", "the width is 0");
  ExpectRefused("P5 1 0 255 a", "the height is 0");
  ExpectRefused("P5 1 1 0 a", "the maxval is 0");
  ExpectRefused("P5 16385 1 255 a", "the width is above 16384");
  ExpectRefused("P5 1 16385 255 a", "the height is above 16384");
  ExpectRefused("P5 4294967297 1 255 a", "the width is above 16384");
  ExpectRefused("P5 99999999999999999999999 1 255 a", "above 16384");
  ExpectRefused("P5 1 1 65536 a", "the maxval is above 65535");
  ExpectRefused("P5 1 1 255", "one white space byte");
  ExpectRefused("P5 1 1 255#\na", "one white space byte");
}

TEST(Pnm, RefusesBadSizes) {
  ExpectRefused("P6 16384 16384 255 abc", "samples are announced");
  ExpectRefused("P3 16384 16384 255 1 2 3", "samples are announced");
  ExpectRefused("P5 2 2 255 abc", "ends inside the pixels");
  ExpectRefused("P5 2 2 255 abcde", "bytes follow the pixels");
  ExpectRefused("P5 2 2 255 abcd\n", "bytes follow the pixels");
  ExpectRefused("P2 2 2 255 1 2 3", "ends before a sample");
  ExpectRefused("P2 2 2 255 1 2 3 4 5", "something follows the last sample");
  ExpectRefused("P2 2 1 255 1 256", "a sample is above 255");
  ExpectRefused("P2 2 1 7 1 8", "a sample is above 7");
  ExpectRefused("P2 2 1 255 1 x", "a sample is not a number");
  ExpectRefused("P2 2 1 255 1 2.5", "a sample is not a number");
  ExpectRefused("P5 2 1 7\n\1\10", "sample 1 is 8, above the maxval 7");
  // More than the reader's buffer after the pixels.
  ExpectRefused("P5 2 1 255 ab" + std::string(10000, 'x'),
                "bytes follow the pixels");
}

TEST(Pnm, RefusesEveryTruncation) {
  for (const std::string_view whole :
       {"P6\n2 2\n255\nabcdefghijkl", "P5 3 2 9\n\1\2\3\4\5\6"}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      SCOPED_TRACE(size);
      EXPECT_THROW((void)Read(whole.substr(0, size)), Failure);
    }
    EXPECT_NO_THROW((void)Read(whole));
  }
}

}  // namespace
}  // namespace temper::host
