// Text files as editors of several systems write them.
#include "ports/host/data/text_file.h"

#include "ports/host/data/dataset.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::ExpectFailure;
using ::temper::testing::Idx;
using ::temper::testing::Ramp;
using ::temper::testing::TempFolder;

using namespace std::string_literals;

std::string Utf16(const std::u16string& text, bool big_endian) {
  std::string out = big_endian ? "\xfe\xff" : "\xff\xfe";
  for (const char16_t unit : text) {
    const char high = static_cast<char>(unit >> 8);
    const char low = static_cast<char>(unit & 0xff);
    out += big_endian ? high : low;
    out += big_endian ? low : high;
  }
  return out;
}

TEST(DecodeText, SkipsTheMarkAndConvertsUtf16) {
  EXPECT_EQ(DecodeText("\xef\xbb\xbfshirt\n", "f"), "shirt\n");
  EXPECT_EQ(DecodeText("shirt", "f"), "shirt");
  EXPECT_EQ(DecodeText("", "f"), "");
  const std::u16string text = u"\u00e9toile\r\n\u7fd8\U0001f389";
  const std::string utf8 = "\xc3\xa9toile\r\n\xe7\xbf\x98\xf0\x9f\x8e\x89";
  EXPECT_EQ(DecodeText(Utf16(text, false), "f"), utf8);
  EXPECT_EQ(DecodeText(Utf16(text, true), "f"), utf8);
}

TEST(DecodeText, RefusesWithLineAndByte) {
  ExpectFailure(ErrorKind::kBadData, {"f, line 2, byte 4", "0xf6", "Latin-1"},
                [] { DecodeText("a\nSt\xf6vel\n", "f"); });
  ExpectFailure(ErrorKind::kBadData, {"line 1, byte 1", "UTF-16"},
                [] { DecodeText("s\0h\0"s, "f"); });
  ExpectFailure(ErrorKind::kBadData, {"byte 30", "not a text"},
                [] { DecodeText(std::string(30, 'a') + "\0b"s, "f"); });
  ExpectFailure(ErrorKind::kBadData, {"UTF-32"},
                [] { DecodeText("\xff\xfe\0\0a\0\0\0"s, "f"); });
  ExpectFailure(ErrorKind::kBadData,
                {"line 2, byte 6", "half a surrogate pair"},
                [] { DecodeText(Utf16(u"a\n", false) + "\x00\xd8"s, "f"); });
  ExpectFailure(ErrorKind::kBadData, {"UTF-16", "half a unit"}, [] {
    DecodeText(
        "\xff\xfe"
        "a\0b"s,
        "f");
  });
}

TEST(Lines, WhateverEndsThem) {
  const std::vector<std::string> expected = {"shirt", "coat", "", "bag"};
  EXPECT_EQ(Lines("shirt\ncoat\n\nbag"), expected);
  EXPECT_EQ(Lines("shirt\r\ncoat\r\n\r\nbag\r\n"), expected);
  EXPECT_EQ(Lines("shirt\rcoat\r\rbag\r"), expected);
  EXPECT_EQ(Lines(" shirt\ncoat \t\n\t\nbag\n\n \n\r\n"), expected);
  EXPECT_TRUE(Lines("\n\n").empty());
}

struct Folder : TempFolder {
  Folder() {
    Write("train-images-idx3-ubyte", Idx({4, 2, 3}, Ramp(24)));
    Write("train-labels-idx1-ubyte", Idx({4}, {0, 1, 0, 1}));
  }
  std::vector<std::string> Names(const std::string& content) const {
    Write("names.txt", content);
    return LoadDataset("idx:" + path() + "?names=" + File("names.txt"))
        .class_names;
  }
};

TEST(NamesFile, MeansTheSameHoweverItWasSaved) {
  const Folder folder;
  const std::vector<std::string> expected = {"shirt", "\xc3\xa9toile"};
  for (const std::string& content :
       {"shirt\n\xc3\xa9toile\n"s, "\xef\xbb\xbfshirt\r\n\xc3\xa9toile\r\n"s,
        "shirt \n \xc3\xa9toile\n\n\n"s,
        Utf16(u"shirt\r\n\u00e9toile\r\n", false),
        Utf16(u"shirt\n\u00e9toile", true)}) {
    EXPECT_EQ(folder.Names(content), expected);
  }
  ExpectFailure(ErrorKind::kBadData, {"names.txt, line 2, byte 6", "Latin-1"},
                [&] { folder.Names("shirt\n\xe9toile\n"); });
  ExpectFailure(ErrorKind::kBadData, {"name 1", "control character"},
                [&] { folder.Names("shirt\n\xc2\x9b\n"); });
  ExpectFailure(ErrorKind::kBadData, {"name 1", "control character"}, [&] {
    folder.Names(
        "shirt\n\xef\xbb\xbf"
        "coat\n");
  });
}

}  // namespace
}  // namespace temper::host
