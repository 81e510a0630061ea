// What the safetensors parser accepts, everything it must refuse, and what that
// may cost. The letters are those of the list of malformed input in the design
// of the loaders: M for the container.
#include "models/files/safetensors.h"

#include <gtest/gtest.h>

#include <string>

#include "models/files/model_file.h"
#include "tests/testing/allocations.h"
#include "tests/testing/model_files.h"

namespace temper {
namespace {

using testing::Allocations;
using testing::Bytes;
using testing::Safetensors;
using testing::WithLength;

FileError Parse(const Bytes& file) {
  SafetensorsView view;
  return ParseSafetensors(file, &view);
}

uint64_t Law(const Bytes& file) {
  return limits::kMemoryBase + limits::kMemoryFactor * file.size();
}

std::string Entry(const std::string& name, const std::string& dtype,
                  const std::string& shape, uint64_t begin, uint64_t end) {
  return Text("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":[", shape,
              "],\"data_offsets\":[", begin, ",", end, "]}");
}

std::string Object(std::string_view members) { return Text("{", members, "}"); }

void ExpectRefused(const Bytes& file, std::string_view part) {
  const FileError error = Parse(file);
  EXPECT_EQ(error.code, StatusCode::kBadFile) << part;
  EXPECT_NE(error.message.find(part), std::string::npos)
      << "'" << part << "' is not in: " << error.message;
}

void ExpectHeaderRefused(const std::string& header, size_t data,
                         std::string_view part) {
  SCOPED_TRACE(header.substr(0, 200));
  ExpectRefused(Safetensors(header, data), part);
}

TEST(Safetensors, ListsTensorsInFileOrder) {
  const std::string header = "{\"__metadata__\":{\"k\":\"v\\n\"}," +
                             Entry("b", "F32", "2,3", 2, 26) + "," +
                             Entry("\\u0061", "BF16", "", 0, 2) + "," +
                             Entry("e", "I64", "0,5", 2, 2) + "}  \n";
  SafetensorsView view;
  const FileError error = ParseSafetensors(Safetensors(header, 26), &view);
  ASSERT_TRUE(error.ok()) << error.message;
  ASSERT_EQ(view.tensors.size(), 3u);
  EXPECT_EQ(view.tensors[0].name, "a");
  EXPECT_EQ(view.tensors[0].type, SafetensorsType::kBF16);
  EXPECT_EQ(view.tensors[0].rank, 0);
  EXPECT_EQ(view.tensors[1].name, "e");
  EXPECT_EQ(view.tensors[1].bytes, 0u);
  EXPECT_EQ(view.tensors[2].name, "b");
  EXPECT_EQ(view.tensors[2].shape()[1], 3u);
  EXPECT_EQ(view.data_offset, 8 + header.size());
  EXPECT_EQ(view.tensors[2].offset, view.data_offset + 2);
  ASSERT_NE(view.FindMetadata("k"), nullptr);
  EXPECT_EQ(view.FindMetadata("k")->value, "v\n");
  EXPECT_EQ(header.substr(view.FindMetadata("k")->offset - 8, 3), "v\\n");
  SafetensorsView moved = std::move(view);
  EXPECT_NE(moved.Find("b"), nullptr);
}

TEST(Safetensors, EmptyFileOfNoTensorsIsFine) {
  EXPECT_TRUE(Parse(Safetensors("{}", 0)).ok());
  EXPECT_TRUE(Parse(Safetensors("{\"__metadata__\":{}}", 0)).ok());
}

TEST(Safetensors, G_EmptyShortAndForeignFiles) {
  for (size_t n = 0; n < 8; ++n) ExpectRefused(Bytes(n), "bytes");
  ExpectRefused(Bytes(4096, 0x00), "'{'");
  ExpectRefused(Bytes(4096, 0xff), "header length");
  Bytes zip(4096, 0);
  zip[0] = 'P', zip[1] = 'K', zip[2] = 3, zip[3] = 4;
  ExpectRefused(zip, "header length");
}

TEST(Safetensors, M1_HeaderLengths) {
  const std::string header = Object(Entry("a", "F32", "1", 0, 4));
  const size_t size = header.size() + 4;
  ExpectRefused(WithLength(0, header, 4), "'{'");
  ExpectRefused(WithLength(1, header, 4), "too early");
  ExpectRefused(WithLength(7, header, 4), "closing quote");
  ExpectRefused(WithLength(size + 1, header, 4), "bytes follow");
  for (const uint64_t length :
       {(uint64_t{1} << 20) + 1, uint64_t{1} << 32, uint64_t{1} << 63,
        UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX}) {
    ExpectRefused(WithLength(length, header, 4), "the limit is");
  }
  // The limit itself is fine.
  std::string padded = header;
  padded.resize(limits::kHeaderBytes, ' ');
  EXPECT_TRUE(Parse(Safetensors(padded, 4)).ok());
}

TEST(Safetensors, M2_NotJson) {
  ExpectHeaderRefused("[]", 0, "'{'");
  ExpectHeaderRefused(" {}", 0, "'{'");
  ExpectHeaderRefused("\xef\xbb\xbf{}", 0, "'{'");
  ExpectHeaderRefused("{} x", 0, "past the end");
  ExpectHeaderRefused("{}{}", 0, "past the end");
  ExpectHeaderRefused(std::string("{}\0", 3), 0, "past the end");
  ExpectHeaderRefused("{\"a\xff\":1}", 0, "UTF-8");
  ExpectHeaderRefused("{\"a\":1}", 0, "an object");
  ExpectHeaderRefused("{\"a\":null}", 0, "an object");
}

TEST(Safetensors, M3_Depth) {
  std::string deep = "{\"a\":";
  deep.append(1000000, '[');
  ExpectHeaderRefused(deep, 0, "an object");
  std::string shape = "{\"a\":{\"shape\":";
  shape.append(500000, '[');
  ExpectHeaderRefused(shape, 0, "");
  std::string metadata = "{\"__metadata__\":{\"a\":";
  metadata.append(500000, '{');
  ExpectHeaderRefused(metadata, 0, "a string");
}

TEST(Safetensors, M4_DuplicateKeysOnEveryLevel) {
  const std::string w = Entry("w", "F32", "1", 0, 4);
  ExpectHeaderRefused(Object(Text(w, ",", Entry("w", "F32", "1", 4, 8))), 8,
                      "two tensors are named \"w\"");
  ExpectHeaderRefused(Object(Text(w, ",", Entry("\\u0077", "F32", "1", 4, 8))),
                      8, "two tensors are named \"w\"");
  ExpectHeaderRefused("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
                      "two keys \"__metadata__\"");
  ExpectHeaderRefused("{\"__metadata__\":{},\"__metadat\\u0061__\":{}}", 0,
                      "two keys \"__metadata__\"");
  ExpectHeaderRefused("{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"1\"}}", 0,
                      "two metadata keys");
  for (const char* twice :
       {"\"dtype\":\"F32\"", "\"shape\":[1]", "\"data_offsets\":[0,4]",
        "\"dtyp\\u0065\":\"F32\""}) {
    ExpectHeaderRefused(
        Object(Text(w.substr(0, w.size() - 1), ",", twice, "}")), 4,
        "two keys");
  }
}

TEST(Safetensors, M5_NumberForms) {
  for (const char* number :
       {"-1", "-0", "1.0", "1e0", "18446744073709551616", "\"1\"", "true",
        "null", "[1]", "NaN", "Infinity", "01", "+1", "0x1", "1."}) {
    ExpectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"shape\":[" +
                            std::string(number) + "],\"data_offsets\":[0,4]}}",
                        4, "tensor \"a\"");
    ExpectHeaderRefused(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0," +
            std::string(number) + "]}}",
        4, "tensor \"a\"");
  }
  ExpectHeaderRefused(Object(Entry("a", "U8", "9007199254740993", 0, 4)), 4,
                      "needs 9007199254740993 bytes");
}

TEST(Safetensors, M6_Types) {
  for (size_t i = 0; i < static_cast<size_t>(SafetensorsType::kCount); ++i) {
    const auto type = static_cast<SafetensorsType>(i);
    const uint64_t bytes = SafetensorsTypeBits(type);  // of 8 elements
    EXPECT_TRUE(Parse(Safetensors(Object(Entry("a", SafetensorsTypeName(type),
                                               "8", 0, bytes)),
                                  bytes))
                    .ok());
  }
  ExpectHeaderRefused(Object(Entry("a", "f32", "1", 0, 4)), 4,
                      "unknown dtype \"f32\"");
  ExpectHeaderRefused(Object(Entry("a", "", "1", 0, 4)), 4, "unknown dtype");
  ExpectHeaderRefused(
      "{\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
      "a string as");
  // M17: three elements of four bits.
  ExpectHeaderRefused(Object(Entry("a", "F4", "3", 0, 1)), 1, "whole number");
}

TEST(Safetensors, M7_Rank) {
  EXPECT_TRUE(
      Parse(Safetensors(Object(Entry("a", "F32", "1,1,1,1,1,1", 0, 4)), 4))
          .ok());
  ExpectHeaderRefused(Object(Entry("a", "F32", "1,1,1,1,1,1,1", 0, 4)), 4,
                      "dimensions");
  std::string many = "1";
  for (int i = 0; i < 400000; ++i) many += ",1";
  ExpectHeaderRefused(Object(Entry("a", "F32", many, 0, 4)), 4, "dimensions");
}

TEST(Safetensors, M8_ProductsThatOverflow) {
  for (const char* shape :
       {"4294967296,4294967296", "18446744073709551615,2",
        "9223372036854775808,2", "2305843009213693952,8",
        "65536,65536,65536,65536,1,1", "18446744073709551615",
        "4611686018427387904", "0,9223372036854775808,2",
        "9223372036854775808,2,0"}) {
    ExpectHeaderRefused(Object(Entry("a", "F32", shape, 0, 4)), 4, "overflows");
  }
}

TEST(Safetensors, M9_Offsets) {
  const auto two = [](uint64_t b0, uint64_t e0, uint64_t b1, uint64_t e1) {
    const auto shape = [](uint64_t b, uint64_t e) {
      return std::to_string(e >= b ? (e - b) / 4 : 1);
    };
    return Object(Text(Entry("a", "F32", shape(b0, e0), b0, e0), ",",
                       Entry("b", "F32", shape(b1, e1), b1, e1)));
  };
  EXPECT_TRUE(Parse(Safetensors(two(0, 8, 8, 16), 16)).ok());
  EXPECT_TRUE(Parse(Safetensors(two(8, 16, 0, 8), 16)).ok());
  ExpectHeaderRefused(two(8, 4, 8, 16), 16, "do not lie within");
  ExpectHeaderRefused(two(0, 4, 8, 16), 16, "hole");
  ExpectHeaderRefused(two(0, 12, 8, 16), 16, "overlaps");
  ExpectHeaderRefused(two(0, 8, 0, 8), 8, "overlaps");
  ExpectHeaderRefused(two(4, 8, 8, 16), 16, "hole");
  ExpectHeaderRefused(two(0, 8, 8, 20), 16, "do not lie within");
  ExpectHeaderRefused(two(0, 8, 8, 16), 17, "1 bytes that belong to no tensor");
  ExpectHeaderRefused("{}", 1, "belong to no tensor");
  ExpectHeaderRefused(
      Object(Entry("a", "F32", "1", UINT64_MAX - 3, UINT64_MAX)), 4,
      "do not lie within");
  ExpectHeaderRefused(Object(Entry("a", "F32", "2", 0, 4)), 4, "needs 8 bytes");
  // An empty tensor may stand at a border, not inside another one.
  ExpectHeaderRefused(Object(Text(Entry("a", "F32", "2", 0, 8), ",",
                                  Entry("e", "F32", "0", 4, 4))),
                      8, "overlaps");
  for (const char* bad : {"[]", "[0]", "[0,4,4]", "{}", "4"}) {
    ExpectHeaderRefused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":" +
            std::string(bad) + "}}",
        4, "tensor \"a\"");
  }
}

TEST(Safetensors, M11_NamesAndKeys) {
  const auto named = [](const std::string& name) {
    return Safetensors(Object(Entry(name, "F32", "1", 0, 4)), 4);
  };
  EXPECT_TRUE(Parse(named(std::string(255, 'n'))).ok());
  ExpectRefused(named(std::string(256, 'n')), "255 bytes");
  ExpectRefused(named(""), "255 bytes");
  ExpectRefused(named(std::string(1000000, 'n')), "255 bytes");
  ExpectHeaderRefused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0,
                      "no \"data_offsets\"");
  ExpectHeaderRefused("{\"a\":{}}", 0, "no \"dtype\"");
  ExpectHeaderRefused("{\"a\":{\"extra\":1}}", 0, "unknown key \"extra\"");
}

TEST(Safetensors, M12_TensorCount) {
  // With names of one to four bytes 1 MiB of header holds about 18,000 tensors,
  // so the limit on the header is reached first.
  std::string header = "{";
  size_t n = 0;
  while (header.size() < limits::kHeaderBytes - 100) {
    header +=
        Text(n == 0 ? "" : ",", Entry(std::to_string(n), "U8", "", n, n + 1));
    ++n;
  }
  header += "}";
  const Bytes file = Safetensors(header, n);
  Allocations allocations;
  EXPECT_TRUE(Parse(file).ok());
  EXPECT_LE(allocations.peak(), Law(file));
}

TEST(Safetensors, M16_Metadata) {
  ExpectHeaderRefused("{\"__metadata__\":[]}", 0, "an object");
  ExpectHeaderRefused("{\"__metadata__\":{\"a\":1}}", 0, "a string");
  ExpectHeaderRefused("{\"__metadata__\":{\"a\":{}}}", 0, "a string");
  ExpectHeaderRefused("{\"__metadata__\":{\"\":\"\"}}", 0, "255 bytes");
  std::string many = "{\"__metadata__\":{";
  for (int i = 0; i < 257; ++i) {
    many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
  }
  ExpectHeaderRefused(many + "}}", 0, "more than 256 entries");
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string header = "{\"__metadata__\":{\"a\":\"b\"}," +
                             Entry("a", "F32", "2,2", 0, 16) + "," +
                             Entry("b", "U8", "3", 16, 19) + "}";
  const Bytes file = Safetensors(header, 19);
  ASSERT_TRUE(Parse(file).ok());
  for (size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(Parse(Bytes(file.begin(), file.begin() + n)).ok()) << n;
  }
}

// Hostile headers must not cost more than they are worth.
TEST(Safetensors, MemoryLaw) {
  std::vector<Bytes> files;
  const size_t most = limits::kHeaderBytes - 100;
  files.push_back(Safetensors(
      "{\"__metadata__\":{\"g\":\"" + std::string(most, 'x') + "\"}}", 0));
  std::string escapes = "{\"__metadata__\":{\"g\":\"";
  while (escapes.size() < most) escapes += "\\n";
  files.push_back(Safetensors(escapes + "\"}}", 0));
  files.push_back(Safetensors(
      Object(Entry("a", "F32", "4294967295,1073741824", 0, UINT64_MAX)), 4));
  files.push_back(Safetensors("{\"" + std::string(most, 'n') + "\":1}", 4));
  std::string metadata = "{\"__metadata__\":{";
  for (int i = 0; i < 256; ++i) {
    metadata += (i == 0 ? "\"" : ",\"") + std::string(250, 'k') +
                std::to_string(i) + "\":\"" + std::string(3000, 'v') + "\"";
  }
  files.push_back(Safetensors(metadata + "}}", 0));
  files.push_back(Safetensors("{\"a\":" + std::string(most, '['), 0));
  for (const Bytes& file : files) {
    Allocations allocations;
    const bool ok = Parse(file).ok();
    EXPECT_LE(allocations.peak(), Law(file)) << file.size() << " " << ok;
  }
}

TEST(Safetensors, MessagesEscapeAndCutWhatTheFileSays) {
  const FileError error = Parse(Safetensors(
      "{\"\\u001b[31m" + std::string(200, 'x') + "\xc3\xa4\":5}", 0));
  EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
  EXPECT_LT(error.message.size(), 300u);
  for (const char c : error.message) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
}

TEST(Safetensors, HeaderAloneIsEnoughToList) {
  const std::string header =
      Object(Entry("a", "F32", "1024,1024,1024", 0, uint64_t{4} << 30));
  SafetensorsView view;
  EXPECT_TRUE(ParseSafetensorsHeader(
                  header, 8 + header.size() + (uint64_t{4} << 30), &view)
                  .ok());
  EXPECT_FALSE(ParseSafetensorsHeader(header, 100, &view).ok());
  EXPECT_FALSE(ParseSafetensorsHeader(header, 0, &view).ok());
}

TEST(LoadTensors, TakesFloatsAndNamesTheRest) {
  const std::string header = Object(
      Text(Entry("a", "I64", "", 0, 8), ",", Entry("w", "F32", "2", 8, 16)));
  const Bytes file = Safetensors(header, 16);
  std::vector<ModelTensor> tensors;
  std::vector<std::string> skipped;
  const FileError error = LoadTensors(file, &tensors, &skipped);
  ASSERT_TRUE(error.ok()) << error.message;
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "w");
  EXPECT_EQ(tensors[0].dims, std::vector<uint32_t>{2});
  EXPECT_EQ(
      std::memcmp(tensors[0].values.data(), file.data() + file.size() - 8, 8),
      0);
  EXPECT_EQ(skipped, std::vector<std::string>{"a"});
}

TEST(LoadTensors, RefusesNonFiniteValuesAndNoElements) {
  const std::string header = Object(Entry("w", "F32", "4", 0, 16));
  Bytes file = Safetensors(header, 16);
  for (const size_t i : {6u, 14u}) {  // NaN in elements 1 and 3
    file[file.size() - 16 + i] = 0xc0;
    file[file.size() - 16 + i + 1] = 0x7f;
  }
  std::vector<ModelTensor> tensors;
  const FileError error = LoadTensors(file, &tensors, nullptr);
  EXPECT_NE(error.message.find("\"w\": 2 of 4 values"), std::string::npos)
      << error.message;
  EXPECT_NE(error.message.find("index 1"), std::string::npos) << error.message;
  EXPECT_FALSE(LoadTensors(Safetensors(Object(Entry("w", "F32", "0", 0, 0)), 0),
                           &tensors, nullptr)
                   .ok());
}

}  // namespace
}  // namespace temper
