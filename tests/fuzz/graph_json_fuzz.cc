// Any text as a graph: what is accepted passes Graph::Check and is the same
// graph after being written and read again.
#include <cstring>

#include "models/files/graph_json.h"
#include "models/files/text.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/model_files.h"

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::string json;
  Require(WriteGraphJson(testing::SmallModel().graph, &json).ok(),
          "the graph is good");
  const std::string other = R"({"version":1,"nodes":[
{"name":"i","layer":"input","h":9,"w":7,"c":4},
{"name":"n","layer":"normalize","inputs":["i"],"per_pixel":1},
{"name":"d","layer":"depthwise_conv2d","inputs":["n"],"pad_top":2,"dilation_h":2},
{"name":"r","layer":"relu6","inputs":["d"]},
{"name":"m","layer":"max_pool","inputs":["r"],"stride_h":1},
{"name":"a","layer":"avg_pool","inputs":["m"],"kernel_h":1,"kernel_w":1},
{"name":"g","layer":"global_avg_pool","inputs":["a"]},
{"name":"f","layer":"flatten","inputs":["g"]},
{"name":"p","layer":"dropout","inputs":["f"],"rate":0.25,"classic":1},
{"name":"l","layer":"mean_squared_error","inputs":["p"]}]})";
  const std::string third = R"({"version":2,"nodes":[
{"name":"i","layer":"input","h":1,"w":16,"c":4},
{"name":"n","layer":"normalize","inputs":["i"]},
{"name":"c","layer":"conv2d","inputs":["n"],"out_channels":4,"kernel_w":3,"pad_left":1,"pad_right":1},
{"name":"gn","layer":"group_norm","inputs":["c"],"groups":2},
{"name":"a","layer":"gelu","inputs":["gn"],"approx":"tanh"},
{"name":"g","layer":"global_avg_pool","inputs":["a"]},
{"name":"s","layer":"sigmoid","inputs":["g"]},
{"name":"m","layer":"multiply","inputs":["a","s"]},
{"name":"k","layer":"concat","inputs":["m","n"]},
{"name":"ln","layer":"layer_norm","inputs":["k"],"eps":0.001},
{"name":"p","layer":"prelu","inputs":["ln"],"init":0.1},
{"name":"u","layer":"upsample","inputs":["p"],"factor":3},
{"name":"f","layer":"dense","inputs":["u"],"out_features":3},
{"name":"l","layer":"softmax_cross_entropy","inputs":["f"]}]})";
  return {Bytes(json.begin(), json.end()), Bytes(other.begin(), other.end()),
          Bytes(third.begin(), third.end())};
}

std::vector<std::string> Words() {
  std::vector<std::string> words = {"\"name\":\"x\"",
                                    "\"layer\":\"relu\"",
                                    "\"inputs\":[\"fc\"]",
                                    "version",
                                    "nodes",
                                    "{",
                                    "}",
                                    "[",
                                    "]",
                                    ",",
                                    ":",
                                    "\"",
                                    "\\u0061",
                                    "0",
                                    "1",
                                    "4294967295",
                                    "1e-5",
                                    "-1",
                                    "1e39",
                                    "0.5"};
  for (uint32_t k = 0; k < static_cast<uint32_t>(LayerKind::kCount); ++k) {
    const LayerKind kind = static_cast<LayerKind>(k);
    words.push_back(LayerName(kind));
    const FieldList list = LayerFields(kind);
    for (uint32_t i = 0; i < list.count; ++i) {
      words.push_back(Text("\"", list.fields[i].name, "\":1,"));
    }
  }
  return words;
}

void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace temper;
  using fuzz::Require;
  const std::string text(data, data + size);
  Graph graph;
  const FileError error = ReadGraphJson(text, &graph);
  if (!error.ok()) {
    Require(!error.message.empty() && graph.nodes.empty(),
            "a refusal says why");
    Require(IsShowable(error.message), "messages are printable");
    return 0;
  }
  Require(graph.Check(nullptr).ok(), "what is read is good");
  std::string written, again;
  Require(WriteGraphJson(graph, &written).ok(), "what is read can be written");
  Graph reread;
  Require(ReadGraphJson(written, &reread).ok(), "what is written can be read");
  Require(WriteGraphJson(reread, &again).ok() && again == written,
          "one graph is one text");
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Require(std::memcmp(graph.nodes[i].params, reread.nodes[i].params,
                        sizeof(Node::params)) == 0,
            "parameters keep their bits");
  }
  return 0;
}
