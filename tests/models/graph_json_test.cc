// Graphs as text: round trips of every layer, and everything a reader must
// refuse, with the node named in the message.
#include "models/files/graph_json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "models/files/json.h"
#include "tests/testing/model_files.h"

namespace temper {
namespace {

std::string Json(const Graph& graph) {
  std::string json;
  const FileError error = WriteGraphJson(graph, &json);
  EXPECT_TRUE(error.ok()) << error.message;
  return json;
}

void ExpectSameGraph(const Graph& a, const Graph& b) {
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    const Node &x = a.nodes[i], &y = b.nodes[i];
    SCOPED_TRACE(x.name);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_STREQ(x.name, y.name);
    ASSERT_EQ(x.input_count, y.input_count);
    for (uint32_t k = 0; k < x.input_count; ++k) {
      EXPECT_EQ(x.inputs[k], y.inputs[k]);
    }
    EXPECT_EQ(std::memcmp(x.params, y.params, sizeof(x.params)), 0);
  }
}

TEST(GraphJson, RoundTrip) {
  const Graph graph = testing::SmallModel().graph;
  const std::string json = Json(graph);
  Graph read;
  const FileError error = ReadGraphJson(json, &read);
  ASSERT_TRUE(error.ok()) << error.message;
  ExpectSameGraph(graph, read);
  EXPECT_EQ(Json(read), json);
}

// Every field of every layer, at both ends of its range and in between; the
// graph around it is not valid for all of them, so only the text of one node is
// compared, by way of a refusal or a success that must not depend on the text.
TEST(GraphJson, EveryFieldOfEveryLayerKeepsItsBits) {
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    const FieldList list = LayerFields(kind);
    for (uint32_t f = 0; f < list.count; ++f) {
      const Field& field = list.fields[f];
      SCOPED_TRACE(std::string(LayerName(kind)) + "." + field.name);
      EXPECT_LE(field.offset + 4, sizeof(Node::params));
      EXPECT_LE(field.min, field.max);
      if (field.type == Field::Type::kU32) continue;
      for (const double share : {0.0, 1.0 / 3, 1.0}) {
        const float value =
            static_cast<float>(field.min + (field.max - field.min) * share);
        std::string text;
        AppendJsonFloat(&text, value);
        float read;
        ASSERT_TRUE(JsonFloat(text, &read));
        EXPECT_EQ(std::bit_cast<uint32_t>(value),
                  std::bit_cast<uint32_t>(read));
      }
    }
  }
}

TEST(GraphJson, FloatsRoundTripExactly) {
  for (uint32_t i = 0; i < 2000; ++i) {
    Graph graph = testing::SmallModel().graph;
    const float eps = std::ldexp(1.0f + static_cast<float>(i) * 0x1p-11f,
                                 -3 - static_cast<int>(i % 30));
    std::memcpy(graph.nodes[3].params, &eps, sizeof(eps));
    Graph read;
    ASSERT_TRUE(ReadGraphJson(Json(graph), &read).ok());
    ASSERT_EQ(read.nodes[3].As<BatchNormParams>().eps, eps);
  }
}

TEST(GraphJson, ReadsWhatPeopleWrite) {
  Graph graph;
  const FileError error = ReadGraphJson(R"({
    "nodes": [
      {"h": 8, "layer": "input", "w": 6, "name": "input"},
      {"name": "n", "layer": "normalize", "inputs": ["input"], "scale": 1},
      {"inputs": ["n"], "layer": "dense", "name": "f\u0063", "out_features": 2},
      {"name": "loss", "layer": "mean_squared_error", "inputs": ["fc"]}
    ],
    "version": 1
  })",
                                        &graph);
  ASSERT_TRUE(error.ok()) << error.message;
  EXPECT_EQ(graph.nodes[0].As<InputParams>().h, 8u);
  EXPECT_EQ(graph.nodes[0].As<InputParams>().c, InputParams{}.c);
  EXPECT_EQ(graph.nodes[1].As<NormalizeParams>().scale, 1.0f);
  EXPECT_STREQ(graph.nodes[2].name, "fc");
  EXPECT_EQ(graph.nodes[2].As<DenseParams>().bias, DenseParams{}.bias);
}

// Version 1 had numbers where version 2 has names, true and false.
TEST(GraphJson, NamesAndNumbersAreTheSame) {
  const std::string numbers = R"({"version":1,"nodes":[
{"name":"input","layer":"input","inputs":[],"h":8,"w":8,"c":3,"element_type":1},
{"name":"norm","layer":"normalize","inputs":["input"],"scale":1,"per_pixel":0},
{"name":"fc","layer":"dense","inputs":["norm"],"out_features":4,"bias":1},
{"name":"loss","layer":"softmax_cross_entropy","inputs":["fc"],"label_smoothing":0}]})";
  std::string names = numbers;
  for (const auto& [from, to] :
       {std::pair<std::string_view, std::string_view>{"\"version\":1",
                                                      "\"version\":2"},
        {"\"element_type\":1", "\"element_type\":\"u8\""},
        {"\"per_pixel\":0", "\"per_pixel\":false"},
        {"\"bias\":1", "\"bias\":true"},
        {"\n", ""},
        {"\n", ""},
        {"\n", ""},
        {"\n", ""}}) {
    names.replace(names.find(from), from.size(), to);
  }
  Graph old_graph, graph;
  ASSERT_TRUE(ReadGraphJson(numbers, &old_graph).ok());
  ASSERT_TRUE(ReadGraphJson(names, &graph).ok());
  ExpectSameGraph(old_graph, graph);
  EXPECT_EQ(Json(old_graph), names);
}

std::string Replace(std::string text, std::string_view from,
                    std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

// A graph in which one piece of text can be exchanged.
constexpr std::string_view kGood = R"({"version":1,"nodes":[
{"name":"input","layer":"input","inputs":[],"h":8,"w":8,"c":3,"element_type":0},
{"name":"norm","layer":"normalize","inputs":["input"],"scale":1.0,"per_pixel":0},
{"name":"conv","layer":"conv2d","inputs":["norm"],"out_channels":3,"kernel_h":3,"kernel_w":3,"pad_top":1,"pad_bottom":1,"pad_left":1,"pad_right":1},
{"name":"bn","layer":"batch_norm","inputs":["conv"],"eps":1e-5},
{"name":"add","layer":"add","inputs":["bn","norm"]},
{"name":"drop","layer":"dropout","inputs":["add"],"rate":0.5},
{"name":"fc","layer":"dense","inputs":["drop"],"out_features":4},
{"name":"loss","layer":"softmax_cross_entropy","inputs":["fc"]}]})";

void ExpectRefused(std::string_view from, std::string_view to,
                   std::string_view part) {
  Graph graph;
  graph.Add("untouched", InputParams{});
  const FileError error =
      ReadGraphJson(Replace(std::string(kGood), from, to), &graph);
  EXPECT_FALSE(error.ok()) << from << " -> " << to;
  EXPECT_NE(error.message.find(part), std::string::npos)
      << "'" << part << "' is not in: " << error.message;
  EXPECT_EQ(graph.nodes.size(), 1u);
}

TEST(GraphJson, GoodGraphIsGood) {
  Graph graph;
  const FileError error = ReadGraphJson(kGood, &graph);
  EXPECT_TRUE(error.ok()) << error.message;
}

TEST(GraphJson, O1_UnknownNamesGetASuggestion) {
  ExpectRefused("\"layer\":\"conv2d\"", "\"layer\":\"conv_2d\"",
                "unknown layer \"conv_2d\"; did you mean \"conv2d\"?");
  ExpectRefused("\"layer\":\"conv2d\"", "\"layer\":\"conv\"",
                "unknown layer \"conv\"; did you mean \"conv2d\"?; there are: "
                "input, normalize, dense, conv2d, ");
  ExpectRefused("\"layer\":\"conv2d\"", "\"layer\":\"transformer\"",
                "unknown layer \"transformer\"; there are: input, ");
  ExpectRefused(
      "\"kernel_h\":3", "\"kernel_hh\":3",
      "node \"conv\": layer conv2d has no field \"kernel_hh\"; did you "
      "mean \"kernel_h\"?; there are: name, layer, inputs, out_channels, ");
  ExpectRefused("\"element_type\":0", "\"element_type\":\"f3\"",
                "element_type = \"f3\" is no value of it; did you mean "
                "\"f32\"?; there are: f32, u8");
  ExpectRefused("\"element_type\":0", "\"element_type\":2", "element_type = ");
  ExpectRefused("\"element_type\":0", "\"element_type\":true",
                "expected a name as element_type");
  ExpectRefused("\"per_pixel\":0", "\"per_pixel\":2", "per_pixel = ");
  ExpectRefused("\"per_pixel\":0", "\"per_pixel\":\"yes\"",
                "expected true or false as per_pixel");
  ExpectRefused("\"version\"", "\"versoin\"", "did you mean \"version\"?");
  ExpectRefused("\"version\":1", "\"version\":0", "version 0");
  ExpectRefused("\"version\":1", "\"version\":3",
                "version 3, this build reads 1 to 2");
  ExpectRefused("\"version\":1,", "", "no \"version\"");
  ExpectRefused("\"version\":1", "\"version\":1,\"version\":1", "two keys");
}

TEST(GraphJson, O2_WrongNumberOfInputs) {
  ExpectRefused("\"inputs\":[\"bn\",\"norm\"]", "\"inputs\":[\"bn\"]",
                "node \"add\" (add): wrong number of inputs");
  ExpectRefused(
      "[\"fc\"]",
      "[\"fc\",\"drop\",\"add\",\"bn\",\"fc\",\"fc\",\"fc\",\"fc\",\"fc\"]",
      "node \"loss\": more than 8 inputs");
}

TEST(GraphJson, O3_O4_ReferencesAndCycles) {
  ExpectRefused("\"inputs\":[\"conv\"]", "\"inputs\":[\"bn\"]",
                "node \"bn\": reads itself");
  ExpectRefused("\"inputs\":[\"conv\"]", "\"inputs\":[\"fc\"]",
                "node \"bn\": input \"fc\" comes later");
  ExpectRefused(
      "\"inputs\":[\"conv\"]", "\"inputs\":[\"convv\"]",
      "node \"bn\": input \"convv\" is not a node; did you mean \"conv\"?");
  ExpectRefused("\"inputs\":[\"conv\"]", "\"inputs\":[\"\"]", "node \"bn\"");
  ExpectRefused("\"inputs\":[\"conv\"]",
                "\"inputs\":[\"" + std::string(100, 'c') + "\"]",
                "node \"bn\"");
  ExpectRefused("\"inputs\":[\"conv\"]", "\"inputs\":[\"conv\\u0000\"]",
                "node \"bn\"");
}

TEST(GraphJson, O5_O6_O7_Structure) {
  ExpectRefused("\"name\":\"bn\"", "\"name\":\"conv\"",
                "two nodes are named \"conv\"");
  ExpectRefused("\"inputs\":[\"bn\",\"norm\"]",
                "\"inputs\":[\"norm\",\"norm\"]",
                "node \"bn\" (batch_norm): nothing reads this node");
  ExpectRefused("\"layer\":\"input\",\"inputs\":[]",
                "\"layer\":\"flatten\",\"inputs\":[]", "node \"input\"");
  ExpectRefused("\"layer\":\"softmax_cross_entropy\"", "\"layer\":\"relu\"",
                "node \"loss\" (relu)");
  Graph graph;
  EXPECT_FALSE(ReadGraphJson("{\"version\":1,\"nodes\":[]}", &graph).ok());
  EXPECT_FALSE(ReadGraphJson("{\"version\":1}", &graph).ok());
  EXPECT_FALSE(ReadGraphJson("", &graph).ok());
}

TEST(GraphJson, O8_O10_O15_Parameters) {
  ExpectRefused("\"out_channels\":3", "\"out_channels\":4",
                "node \"add\" (add)");
  for (const char* bad : {"0", "-1", "2147483648", "4294967296", "1.0", "1e1",
                          "99999999999999999999999"}) {
    ExpectRefused("\"kernel_h\":3", "\"kernel_h\":" + std::string(bad),
                  "node \"conv\": kernel_h = ");
  }
  for (const char* bad : {"\"3\"", "true", "null", "[]", "{}"}) {
    ExpectRefused("\"kernel_h\":3", "\"kernel_h\":" + std::string(bad),
                  "node \"conv\": expected a number as kernel_h");
  }
  for (const char* bad : {"0", "-1e-5", "1e39", "1e-60"}) {
    ExpectRefused("\"eps\":1e-5", "\"eps\":" + std::string(bad),
                  "node \"bn\": eps = ");
  }
  ExpectRefused("\"eps\":1e-5", "\"eps\":NaN", "expected a JSON value");
  for (const char* bad : {"1", "1.0", "-0.1", "2"}) {
    ExpectRefused("\"rate\":0.5", "\"rate\":" + std::string(bad),
                  "node \"drop\"");
  }
  ExpectRefused("\"kernel_h\":3", "\"kernel_h\":3,\"groups\":2",
                "node \"conv\" (conv2d)");
  ExpectRefused("\"kernel_h\":3,\"kernel_w\":3",
                "\"kernel_h\":30,\"kernel_w\":30", "node \"conv\" (conv2d)");
}

TEST(GraphJson, DuplicateKeysOnEveryLevel) {
  ExpectRefused("\"kernel_h\":3", "\"kernel_h\":3,\"kernel_h\":3",
                "node \"conv\": two keys \"kernel_h\"");
  ExpectRefused("\"kernel_h\":3", "\"kernel_h\":3,\"kernel_\\u0068\":3",
                "two keys");
  ExpectRefused("\"layer\":\"conv2d\"",
                "\"layer\":\"conv2d\",\"layer\":\"conv2d\"",
                "two keys \"layer\"");
  ExpectRefused("\"name\":\"conv\"",
                "\"name\":\"conv\",\"nam\\u0065\":\"conv\"",
                "two keys \"name\"");
  ExpectRefused("\"inputs\":[\"conv\"]",
                "\"inputs\":[\"conv\"],\"inputs\":[\"conv\"]",
                "node \"bn\": two keys \"inputs\"");
  ExpectRefused("\"nodes\":[", "\"nodes\":[],\"nodes\":[",
                "two keys \"nodes\"");
}

TEST(GraphJson, WrongTypesAndMissingParts) {
  ExpectRefused("\"name\":\"conv\"", "\"name\":7",
                "a string as a node's \"name\"");
  ExpectRefused("\"name\":\"conv\",", "", "a node without \"name\"");
  ExpectRefused("\"layer\":\"conv2d\",", "", "a node without \"layer\"");
  ExpectRefused("\"layer\":\"conv2d\"", "\"layer\":1",
                "a string as a node's \"layer\"");
  ExpectRefused("\"inputs\":[\"conv\"]", "\"inputs\":\"conv\"",
                "an array as \"inputs\"");
  ExpectRefused("\"inputs\":[\"conv\"]", "\"inputs\":[0]",
                "node names in \"inputs\"");
  ExpectRefused("\"version\":1", "\"version\":\"1\"", "\"version\"");
  ExpectRefused("\"version\":1", "\"version\":1,\"nodes\":{}",
                "an array as \"nodes\"");
  ExpectRefused("]}]}", "]}]} ,", "past the end");
  ExpectRefused("\"name\":\"conv\"", "\"name\":\"co\\u0000nv\"",
                "control characters");
  ExpectRefused("\"name\":\"conv\"", "\"name\":\"co\\u001b[31mnv\"", "\\u001b");
  ExpectRefused("\"name\":\"conv\"", "\"name\":\"\"", "1 to 63 bytes");
  ExpectRefused("\"name\":\"conv\"",
                "\"name\":\"" + std::string(64, 'n') + "\"", "1 to 63 bytes");
}

TEST(GraphJson, EveryTruncationIsRefused) {
  Graph graph;
  for (size_t n = 0; n < kGood.size(); ++n) {
    EXPECT_FALSE(ReadGraphJson(kGood.substr(0, n), &graph).ok()) << n;
  }
}

std::string Chain(uint32_t relus) {
  std::string json = R"({"version":1,"nodes":[{"name":"i","layer":"input"},)"
                     R"({"name":"0","layer":"normalize","inputs":["i"]})";
  for (uint32_t i = 1; i <= relus; ++i) {
    json += ",{\"name\":\"" + std::to_string(i) +
            "\",\"layer\":\"relu\",\"inputs\":[\"" + std::to_string(i - 1) +
            "\"]}";
  }
  return json + R"(,{"name":"l","layer":"mean_squared_error","inputs":[")" +
         std::to_string(relus) + "\"]}]}";
}

TEST(GraphJson, O16_LongChains) {
  Graph graph;
  const FileError error = ReadGraphJson(Chain(kMaxNodes - 3), &graph);
  EXPECT_TRUE(error.ok()) << error.message;
  EXPECT_EQ(graph.nodes.size(), kMaxNodes);
  EXPECT_NE(ReadGraphJson(Chain(kMaxNodes - 2), &graph).message.find("4096"),
            std::string::npos);
  EXPECT_FALSE(ReadGraphJson(Chain(200000), &graph).ok());
  EXPECT_FALSE(ReadGraphJson(Chain(100), &graph, 1000).ok());
}

TEST(GraphJson, WriterRefusesWhatReaderWould) {
  std::string json = "untouched";
  Graph empty;
  EXPECT_FALSE(WriteGraphJson(empty, &json).ok());
  Graph graph = testing::SmallModel().graph;
  graph.nodes[2].name[0] = '\x1b';
  EXPECT_FALSE(WriteGraphJson(graph, &json).ok());
  graph = testing::SmallModel().graph;
  const float nan = std::nanf("");
  std::memcpy(graph.nodes[3].params, &nan, sizeof(nan));
  const FileError error = WriteGraphJson(graph, &json);
  EXPECT_NE(error.message.find("block.0.bn"), std::string::npos)
      << error.message;
  EXPECT_EQ(json, "untouched");
}

}  // namespace
}  // namespace temper
