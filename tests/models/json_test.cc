// The JSON reader against another JSON reader, and on what only it refuses.
#include "models/files/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "models/files/text.h"

namespace temper {
namespace {

using Token = JsonReader::Token;

// Builds the other reader's tree from our tokens; discarded on error.
nlohmann::json ReadOne(JsonReader* reader) {
  switch (reader->token()) {
    case Token::kBeginObject: {
      nlohmann::json object = nlohmann::json::object();
      while (reader->Next() == Token::kKey) {
        const std::string key = JsonDecode(reader->text());
        reader->Next();
        object[key] = ReadOne(reader);
      }
      return object;
    }
    case Token::kBeginArray: {
      nlohmann::json array = nlohmann::json::array();
      while (reader->Next() != Token::kEndArray &&
             reader->token() != Token::kError) {
        array.push_back(ReadOne(reader));
      }
      return array;
    }
    case Token::kString:
      return JsonDecode(reader->text());
    case Token::kNumber:
      return nlohmann::json::parse(reader->text(), nullptr, false);
    case Token::kTrue:
      return true;
    case Token::kFalse:
      return false;
    default:
      return nullptr;
  }
}

nlohmann::json Read(std::string_view text, bool* good) {
  JsonReader reader(text);
  reader.Next();
  nlohmann::json tree = ReadOne(&reader);
  *good = reader.token() != Token::kError && reader.Next() == Token::kEnd;
  return tree;
}

void ExpectSame(const std::string& text) {
  bool good;
  const nlohmann::json ours = Read(text, &good);
  const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
  ASSERT_EQ(good, !theirs.is_discarded()) << text;
  if (good) {
    ASSERT_EQ(ours, theirs) << text;
  }
}

TEST(JsonReader, AgreesWithAnotherReaderOnMutations) {
  const std::vector<std::string> seeds = {
      R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})",
      R"( [ 1 , -2.5e+3 , 0.125, "x\u00e4\ud83d\ude00\n\/" , true,false,null ] )",
      R"({"k\u0065y":"\"\\","e":{},"a":[],"n":[[[[]]]],"u":"\303\244\303\266\342\202\254\360\237\230\200"})",
      R"("only a string")",
      R"(-0)",
      R"([01])",
      R"(["\ud800"])"};
  const std::string alphabet =
      "{}[]\",:\\u0123456789abcdeEf+-. \n\t\x7f\x80\xc3\xe2tn";
  std::mt19937 random(1);
  for (const std::string& seed : seeds) {
    ExpectSame(seed);
    for (size_t cut = 0; cut < seed.size(); ++cut)
      ExpectSame(seed.substr(0, cut));
    for (int i = 0; i < 20000; ++i) {
      std::string text = seed;
      for (uint32_t edits = 1 + random() % 3; edits > 0; --edits) {
        const size_t at = random() % text.size();
        const char c = alphabet[random() % alphabet.size()];
        switch (random() % 3) {
          case 0:
            text[at] = c;
            break;
          case 1:
            text.insert(at, 1, c);
            break;
          default:
            if (text.size() > 1) text.erase(at, 1);
        }
      }
      // Doubles beyond range are an error over there, tokens here.
      if (text.find_first_of("eE") != std::string::npos) {
        bool good;
        Read(text, &good);
        continue;
      }
      ExpectSame(text);
    }
  }
}

std::string ErrorOf(std::string_view text) {
  JsonReader reader(text);
  while (reader.Next() != Token::kEnd) {
    if (reader.token() == Token::kError) return reader.error();
  }
  return "";
}

TEST(JsonReader, DepthIsLimitedWithoutRecursion) {
  EXPECT_EQ(ErrorOf(std::string(32, '[') + std::string(32, ']')), "");
  EXPECT_NE(ErrorOf(std::string(33, '[') + std::string(33, ']')), "");
  EXPECT_NE(ErrorOf(std::string(1000000, '[')), "");
  std::string objects;
  for (int i = 0; i < 33; ++i) objects += "{\"a\":";
  EXPECT_NE(ErrorOf(objects), "");
}

TEST(JsonReader, RefusesByteOrderMarkAndBadUtf8) {
  EXPECT_NE(ErrorOf("\xef\xbb\xbf{}"), "");
  for (const char* bad :
       {"\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "\"\xff\"", "\"\xc3\""}) {
    EXPECT_NE(ErrorOf(bad), "") << bad;
    EXPECT_FALSE(IsUtf8(std::string(bad).substr(1))) << bad;
  }
}

TEST(JsonReader, OffsetsPointAtTheToken) {
  JsonReader reader("{ \"a\" : [ 12 ] }");
  const size_t expected[] = {0, 2, 8, 10, 13, 15};
  for (const size_t offset : expected) {
    reader.Next();
    EXPECT_EQ(reader.offset(), offset);
  }
  EXPECT_EQ(reader.Next(), Token::kEnd);
}

TEST(JsonReader, SkipsValues) {
  JsonReader reader(R"([{"a":[1,{"b":2}]},[],3])");
  reader.Next();
  for (int i = 0; i < 3; ++i) {
    reader.Next();
    EXPECT_TRUE(reader.SkipValue());
  }
  EXPECT_EQ(reader.Next(), Token::kEndArray);
}

TEST(JsonText, EqualsDecodes) {
  EXPECT_TRUE(JsonEquals("\\u0077eight", "weight"));
  EXPECT_FALSE(JsonEquals("weigh", "weight"));
  EXPECT_FALSE(JsonEquals("weights", "weight"));
  EXPECT_FALSE(JsonEquals("a\\u0000", "a"));
}

TEST(JsonText, StringsRoundTrip) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "\xc3\xa4\xf0\x9f\x98\x80";
  std::string text;
  AppendJsonString(&text, all);
  JsonReader reader(text);
  ASSERT_EQ(reader.Next(), Token::kString);
  EXPECT_EQ(JsonDecode(reader.text()), all);
}

TEST(JsonText, FloatsRoundTripBitForBit) {
  std::mt19937 random(2);
  for (int i = 0; i < 1000000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    std::string text;
    AppendJsonFloat(&text, value);
    float read;
    ASSERT_TRUE(JsonFloat(text, &read)) << text;
    ASSERT_EQ(std::bit_cast<uint32_t>(read), std::bit_cast<uint32_t>(value));
    ASSERT_EQ(ErrorOf(text), "") << text;
  }
  for (const float value :
       {0.0f, -0.0f, std::numeric_limits<float>::denorm_min(),
        std::numeric_limits<float>::min(), std::numeric_limits<float>::max()}) {
    std::string text;
    AppendJsonFloat(&text, value);
    float read;
    ASSERT_TRUE(JsonFloat(text, &read)) << text;
    ASSERT_EQ(std::bit_cast<uint32_t>(read), std::bit_cast<uint32_t>(value));
  }
  float read;
  EXPECT_FALSE(JsonFloat("1e39", &read));
  EXPECT_FALSE(JsonFloat("1e-60", &read));
}

TEST(JsonText, UnsignedNumbersAreDigitsOnly) {
  uint64_t value;
  EXPECT_TRUE(JsonUint("18446744073709551615", &value));
  EXPECT_EQ(value, UINT64_MAX);
  for (const char* bad : {"18446744073709551616", "-1", "-0", "1.0", "1e3"}) {
    EXPECT_FALSE(JsonUint(bad, &value)) << bad;
  }
}

}  // namespace
}  // namespace temper
