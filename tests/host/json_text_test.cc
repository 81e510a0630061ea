// JSON from files: trees of a bounded size, members without a tree.
#include "ports/host/base/json_text.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/host/host_test.h"

namespace temper::host {
namespace {

std::string Repeat(size_t n, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < n; ++i) all += text;
  return all;
}

std::string ErrorOf(const std::string& text, uint64_t most) {
  try {
    ParseJson(text, most);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(JsonText, ATreeHasABoundedSizeAndDepth) {
  EXPECT_EQ(ParseJson(R"({"a": [1, "x"], "b": null})", 9).dump(),
            R"({"a":[1,"x"],"b":null})");
  EXPECT_NE(ErrorOf(R"({"a": [1, "x"], "b": null})", 8), "");
  EXPECT_EQ(ErrorOf("[" + Repeat(997, "1,") + "1]", 1000), "");
  EXPECT_NE(ErrorOf("[" + Repeat(998, "1,") + "1]", 1000), "");
  EXPECT_EQ(ErrorOf(Repeat(32, "[") + Repeat(32, "]"), 1000), "");
  for (const std::string& deep :
       {Repeat(33, "[") + Repeat(33, "]"), Repeat(1 << 20, "["),
        Repeat(1 << 20, "{\"a\":")}) {
    EXPECT_NE(ErrorOf(deep, uint64_t{1} << 40), "") << deep.substr(0, 40);
  }
  EXPECT_NE(ErrorOf("", 10), "");
  EXPECT_NE(ErrorOf("{\"a\":}", 10), "");
}

TEST(JsonText, MembersAreFoundWithoutATree) {
  EXPECT_EQ(JsonMember(R"({"a": {"n": 1}, "n": 7, "b": [2]})", "n"), 7u);
  EXPECT_EQ(JsonMember(R"({"\u006e": 7})", "n"), 7u);
  EXPECT_EQ(JsonMember(R"({"n": 7, "n": 8})", "n"), 8u);
  for (const char* none :
       {"", "7", "[7]", "{}", "{\"m\": 7}", "{\"a\": {\"n\": 7}}",
        "{\"n\": -7}", "{\"n\": 7.5}", "{\"n\": \"7\"}", "{\"n\": [7]}",
        "{\"n\": 7", "{\"n\": 7}}", "{\"n\": 7, \"n\": null}",
        "{\"n\": 18446744073709551616}"}) {
    EXPECT_EQ(JsonMember(none, "n"), std::nullopt) << none;
  }
  EXPECT_EQ(JsonMember(Repeat(1 << 20, "["), "n"), std::nullopt);
  EXPECT_EQ(JsonMember("{\"n\":" + Repeat(1 << 20, "["), "n"), std::nullopt);
}

TEST(Value, KeepsOrderAndKinds) {
  Value v = {{"b", 1u}, {"a", -2}, {"t", true}, {"n", nullptr}};
  v["list"] = std::vector<float>{0.5f, 2.0f};
  v["none"] = std::optional<double>();
  v.At("deep.er.key") = "x";
  v["b"] = 0.5;  // in its old place
  EXPECT_EQ(JsonText(v),
            "{\n \"b\": 0.5,\n \"a\": -2,\n \"t\": true,\n \"n\": null,\n"
            " \"list\": [\n  0.5,\n  2.0\n ],\n \"none\": null,\n"
            " \"deep\": {\n  \"er\": {\n   \"key\": \"x\"\n  }\n }\n}");
  EXPECT_EQ(JsonText(ParseValue(JsonText(v), 100)), JsonText(v));
  EXPECT_EQ(JsonText(Value::array()), "[]");
  EXPECT_EQ(JsonText(Value::object()), "{}");
  EXPECT_THROW(v.push_back(1), std::logic_error);
  EXPECT_THROW(v["a"].AsText(), std::logic_error);
  EXPECT_EQ(v.at("a").get<int64_t>(), -2);
}

TEST(Value, WhatJsonCannotHold) {
  const Value v = {{"nan", std::nan("")}, {"text", "a\xff\x1b\xc3\xa9"}};
  EXPECT_EQ(JsonText(v),
            "{\n \"nan\": null,\n \"text\": "
            "\"a\\ufffd\\u001b\\u00e9\"\n}");
  EXPECT_EQ(JsonText(uint64_t{18446744073709551615u}), "18446744073709551615");
  EXPECT_THROW(ParseValue("[[1,2],3]", 3), std::runtime_error);
}

}  // namespace
}  // namespace temper::host
