// Preprocessing as text: every kind and order of channels is read as it was
// written, in the lowest version that can say it; what a version lacks is refused.
#include "models/files/preprocessing.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

Preprocessing Some() {
  return {.h = 4, .w = 5, .c = 3, .element_type = ElementType::kU8};
}

TEST(Preprocessing, IsReadAsItWasWritten) {
  using Kind = Preprocessing::Kind;
  using Channels = Preprocessing::Channels;
  for (uint32_t kind = 0; kind <= static_cast<uint32_t>(Kind::kSigned);
       ++kind) {
    for (const Channels channels :
         {Channels::kAsData, Channels::kRgb, Channels::kBgr}) {
      for (const bool pictures : {false, true}) {
        Preprocessing p = Some();
        p.kind = static_cast<Kind>(kind);
        p.channels = channels;
        if (pictures) p.pictures = PictureFit{};
        const std::string text = WritePreprocessing(p);
        Preprocessing read;
        const FileError error = ReadPreprocessing(text, &read);
        ASSERT_TRUE(error.ok()) << text << ": " << error.message;
        EXPECT_EQ(read, p) << text;
        const bool third = kind > static_cast<uint32_t>(Kind::kMeanImage) ||
                           channels != Channels::kAsData;
        const std::string version = third      ? "{\"version\":3,"
                                    : pictures ? "{\"version\":2,"
                                               : "{\"version\":1,";
        EXPECT_EQ(text.substr(0, version.size()), version);
      }
    }
  }
}

TEST(Preprocessing, WhatAVersionLacksIsRefused) {
  const std::string head =
      "\"h\":4,\"w\":5,\"c\":3,\"element_type\":\"u8\",\"scale\":1,";
  for (const std::string& body :
       {"{\"version\":1," + head + "\"kind\":\"unit\"}",
        "{\"version\":1," + head + "\"kind\":\"none\",\"channels\":\"rgb\"}",
        "{\"version\":2," + head + "\"kind\":\"none\",\"channels\":\"rgb\"}",
        "{\"version\":3," + head + "\"kind\":\"none\",\"channels\":\"gbr\"}",
        "{\"version\":3," + head + "\"kind\":\"none\",\"fit\":\"crop\"}",
        "{\"version\":4," + head + "\"kind\":\"none\"}"}) {
    Preprocessing read;
    EXPECT_FALSE(ReadPreprocessing(body, &read).ok()) << body;
  }
}

TEST(Preprocessing, ChannelsOfGraysAreRefused) {
  Graph g;
  g.Add("input", InputParams{4, 5, 1, 1});
  Preprocessing p = Some();
  p.c = 1;
  EXPECT_TRUE(CheckPreprocessing(p, g).ok());
  p.channels = Preprocessing::Channels::kBgr;
  EXPECT_EQ(CheckPreprocessing(p, g).code, StatusCode::kMismatch);
}

}  // namespace
}  // namespace temper
