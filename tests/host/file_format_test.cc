// Formats by content: each is named, wherever another one is wanted.
#include "ports/host/data/file_format.h"

#include "ports/host/data/decoders/pnm.h"
#include "ports/host/data/kinds/idx.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::Bytes;
using ::temper::testing::ExpectFailure;
using ::temper::testing::Gzip;
using ::temper::testing::Idx;

using namespace std::string_literals;

Bytes ToBytes(const std::string& text) { return {text.begin(), text.end()}; }

struct Foreign {
  std::string start, word;
};
const Foreign kForeign[] = {
    {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"s, "PNG"},
    {"\xff\xd8\xff\xe0\0\x10JFIF"s, "JPEG"},
    {"GIF89a", "GIF"},
    {"BM\x36\x10\x0e\0"s, "BMP"},
    {"RIFF\x10\0\0\0WEBPVP8 "s, "WebP"},
    {"\0\0\0\x18"
     "ftypheic\0\0"s,
     "HEIC"},
    {"\0\0\0\x1c"
     "ftypmif1\0\0"s,
     "HEIC"},
    {"\0\0\0\x1c"
     "ftypavif\0\0"s,
     "AVIF"},
    {"II*\0\x08\0\0\0"s, "TIFF"},
    {"MM\0*\0\0\0\x08"s, "TIFF"},
    {"%PDF-1.7", "PDF"},
    {"PK\x03\x04\x14\0"s, "ZIP"},
    {"<!DOCTYPE html><html>", "HTML"},
    {"\xef\xbb\xbf \r\n<HTML>", "HTML"},
    {"<?xml version=\"1.0\"?>", "XML"},
    {"\x40\0\0\0\0\0\0\0{\"__metadata__\""s, "safetensors"},
    {"\x93NUMPY\x01\0"s, "NumPy"},
    {"BZh91AY", "bzip2"},
    {"label,pixel1,pixel2\n", "a text"},
};

TEST(FileFormat, IsNamedWhereverAnotherIsRead) {
  for (const Foreign& f : kForeign) {
    const Bytes bytes = ToBytes(f.start);
    ExpectFailure(ErrorKind::kBadData, {f.word, "not an IDX file"},
                  [&] { ReadIdxHeader(*OpenMemory(bytes, "x")); });
    ExpectFailure(ErrorKind::kBadData, {f.word, "not a PGM or PPM picture"},
                  [&] { ReadPnm(*OpenMemory(bytes, "x")); });
    ExpectFailure(ErrorKind::kBadData, {f.word, "not gzip data"},
                  [&] { ReadIdxHeader(*OpenGzip(OpenMemory(bytes, "x.gz"))); });
    const Bytes packed = Gzip(bytes);
    ExpectFailure(ErrorKind::kBadData, {f.word, "not an IDX file"}, [&] {
      ReadIdxHeader(*OpenGzip(OpenMemory(packed, "x.gz")));
    });
  }
}

TEST(FileFormat, OurOwnInTheWrongPlace) {
  const Bytes idx = Idx({1}, {0}), twice = Gzip(Gzip(idx)), once = Gzip(idx);
  ExpectFailure(ErrorKind::kBadData, {"compressed twice", "gzip -d"},
                [&] { ReadIdxHeader(*OpenGzip(OpenMemory(twice, "x.gz"))); });
  ExpectFailure(ErrorKind::kBadData, {"without the ending .gz"},
                [&] { ReadIdxHeader(*OpenMemory(once, "x")); });
  ExpectFailure(ErrorKind::kBadData, {"an IDX file, not gzip data"},
                [&] { ReadIdxHeader(*OpenGzip(OpenMemory(idx, "x.gz"))); });
  ExpectFailure(ErrorKind::kBadData, {"an IDX file, not a PGM"},
                [&] { ReadPnm(*OpenMemory(idx, "x")); });
  const Bytes pgm = ToBytes("P5 1 1 255\na");
  ExpectFailure(ErrorKind::kBadData, {"a PGM or PPM picture, not an IDX file"},
                [&] { ReadIdxHeader(*OpenMemory(pgm, "x")); });
}

TEST(ByteSource, PeekedBytesStay) {
  Bytes bytes(2000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  const auto source = OpenMemory(bytes, "x");
  EXPECT_EQ(source->Peek(4).size(), 4u);
  EXPECT_EQ(source->Peek(512).size(), 512u);
  Bytes read(2000);
  source->ReadExact(read.data(), 3, "it");
  EXPECT_EQ(source->offset(), 3u);
  EXPECT_EQ(source->Peek(2)[0], 3);
  EXPECT_EQ(source->Peek(512).size(), 512u);
  source->ReadExact(read.data() + 3, 1997, "it");
  EXPECT_EQ(read, bytes);
  EXPECT_TRUE(source->Peek(1).empty());
  source->ExpectEnd();
}

}  // namespace
}  // namespace temper::host
