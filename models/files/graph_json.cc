// Reading and writing graphs. See graph_json.h.
#include "models/files/graph_json.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "models/files/json.h"
#include "models/files/text.h"

namespace temper {
namespace {

using Token = JsonReader::Token;

FileError Refuse(std::string_view why) {
  return {StatusCode::kBadFile, Text("graph: ", why)};
}

// What Graph::Check found, with the node's name and layer.
FileError FromStatus(const Graph& graph, const Status& status) {
  if (status.node >= graph.nodes.size()) {
    return {status.code, Text("graph: ", status.message)};
  }
  const Node& node = graph.nodes[status.node];
  return {status.code, Text("graph: node ", Quoted(node.name), " (",
                            LayerName(node.kind), "): ", status.message)};
}

// Names go to terminals, file names and tensor names.
bool GoodName(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameLength || !IsUtf8(name))
    return false;
  for (const char c : name) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return false;
  }
  return true;
}

const Field* FindField(FieldList list, std::string_view escaped) {
  for (uint32_t i = 0; i < list.count; ++i) {
    if (JsonEquals(escaped, list.fields[i].name)) return &list.fields[i];
  }
  return nullptr;
}

std::string RangeText(const Field& field) {
  std::string out = "[";
  const auto append = [&](double value) {
    if (field.type == Field::Type::kU32) {
      AppendText(&out, static_cast<uint64_t>(value));
    } else {
      AppendJsonFloat(&out, static_cast<float>(value));
    }
  };
  append(field.min);
  out += ", ";
  append(field.max);
  return out + "]";
}

// Index of node names by hash; at most half full.
class NameIndex {
 public:
  explicit NameIndex(size_t names)
      : slots_(std::bit_ceil(names * 2 + 2), kEmpty) {}

  // The node with this name, or the free slot's reference, which is kEmpty.
  static constexpr uint16_t kEmpty = 0xffff;
  uint16_t& Slot(const Graph& graph, std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
    for (const char c : name) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    size_t i = static_cast<size_t>(hash ^ hash >> 32);
    for (;; ++i) {
      uint16_t& slot = slots_[i & (slots_.size() - 1)];
      if (slot == kEmpty || name == graph.nodes[slot].name) return slot;
    }
  }

 private:
  std::vector<uint16_t> slots_;
};
static_assert(kMaxNodes < NameIndex::kEmpty);

// The node, its name's slots, and what Graph::Check needs for a moment.
constexpr uint64_t kBytesPerNode =
    sizeof(Node) + 4 * sizeof(uint16_t) + sizeof(Shape) + 1;

class GraphReader {
 public:
  GraphReader(std::string_view json, Graph* graph)
      : reader_(json), graph_(*graph) {}

  FileError Read(uint64_t max_bytes) {
    JsonReader nodes("");
    TEMPER_RETURN_IF_FILE_ERROR(FindNodes(&nodes));
    reader_ = nodes;
    uint32_t count = 0;
    while (reader_.Next() == Token::kBeginObject) {
      if (count++ == kMaxNodes) {
        return Error(Text("more than ", kMaxNodes, " nodes"));
      }
      reader_.SkipValue();
    }
    if (reader_.token() != Token::kEndArray) return Unexpected("an object");
    if (count * kBytesPerNode > max_bytes) {
      return Refuse(
          Text(count, " nodes in a file too small for a model of them"));
    }
    graph_.nodes.reserve(count);
    NameIndex index(count);
    reader_ = nodes;
    while (reader_.Next() == Token::kBeginObject) {
      Node node;
      TEMPER_RETURN_IF_FILE_ERROR(NameAndLayer(&node));
      uint16_t& slot = index.Slot(graph_, node.name);
      if (slot != NameIndex::kEmpty) {
        return Error(Text("two nodes are named ", Quoted(node.name)));
      }
      slot = static_cast<uint16_t>(graph_.nodes.size());
      graph_.nodes.push_back(node);
    }
    reader_ = nodes;
    for (Node& node : graph_.nodes) {
      reader_.Next();
      TEMPER_RETURN_IF_FILE_ERROR(Fields(&node, &index));
    }
    const Status status = graph_.Check(nullptr);
    return status.ok() ? FileError{} : FromStatus(graph_, status);
  }

 private:
  FileError Error(std::string_view why) const {
    const std::string where =
        node_.empty() ? "" : Text("node ", Quoted(node_), ": ");
    return Refuse(Text("byte ", reader_.offset(), ": ", where, why));
  }
  FileError Unexpected(std::string_view wanted) const {
    if (reader_.token() == Token::kError) return Error(reader_.error());
    return Error(Text("expected ", wanted));
  }

  // Reads all of the text once, so that it is known to be JSON, and leaves a
  // bookmark after the '[' of "nodes".
  FileError FindNodes(JsonReader* nodes) {
    if (reader_.Next() != Token::kBeginObject) return Unexpected("an object");
    bool version = false, found = false;
    while (reader_.Next() == Token::kKey) {
      const std::string_view key = reader_.text();
      if (JsonEquals(key, "version")) {
        if (std::exchange(version, true)) return Error("two keys \"version\"");
        uint64_t value = 0;
        if (reader_.Next() != Token::kNumber ||
            !JsonUint(reader_.text(), &value)) {
          return Unexpected("a whole number as \"version\"");
        }
        if (value < 1 || value > kGraphJsonVersion) {
          return {StatusCode::kUnsupported,
                  Text("graph: version ", value, ", this build reads 1 to ",
                       kGraphJsonVersion,
                       "; use the temper release that wrote it")};
        }
      } else if (JsonEquals(key, "nodes")) {
        if (std::exchange(found, true)) return Error("two keys \"nodes\"");
        if (reader_.Next() != Token::kBeginArray) {
          return Unexpected("an array as \"nodes\"");
        }
        *nodes = reader_;
        if (!reader_.SkipValue()) return Unexpected("");
      } else {
        constexpr std::string_view kKnown[] = {"version", "nodes"};
        return Error(
            Text("unknown key ", Quoted(key), Suggestion(key, kKnown)));
      }
    }
    if (reader_.token() != Token::kEndObject) return Unexpected("a key");
    if (reader_.Next() != Token::kEnd) return Unexpected("the end");
    if (!version) return Refuse("no \"version\"");
    if (!found) return Refuse("no \"nodes\"");
    return {};
  }

  // At the node's '{'; reads to its '}' and takes name and layer.
  FileError NameAndLayer(Node* node) {
    const size_t begin = reader_.offset();
    bool name = false, layer = false;
    while (reader_.Next() == Token::kKey) {
      const std::string_view key = reader_.text();
      if (JsonEquals(key, "name")) {
        if (std::exchange(name, true)) return Error("two keys \"name\"");
        if (reader_.Next() != Token::kString) {
          return Unexpected("a string as a node's \"name\"");
        }
        const std::string_view text = reader_.text();
        const size_t size = JsonDecodedSize(text);
        if (size <= kMaxNameLength) JsonDecodeTo(text, node->name);
        if (size > kMaxNameLength || !GoodName({node->name, size})) {
          return Error(Text("the name ", Quoted(text), " must have 1 to ",
                            kMaxNameLength,
                            " bytes and no control characters"));
        }
      } else if (JsonEquals(key, "layer")) {
        if (std::exchange(layer, true)) return Error("two keys \"layer\"");
        if (reader_.Next() != Token::kString) {
          return Unexpected("a string as a node's \"layer\"");
        }
        TEMPER_RETURN_IF_FILE_ERROR(Layer(&node->kind));
      } else {
        reader_.Next();
        if (!reader_.SkipValue()) return Unexpected("");
      }
    }
    const bool complete = name && layer;
    if (!complete) {
      return Refuse(Text("byte ", begin, ": a node without \"",
                         name ? "layer" : "name", "\""));
    }
    return {};
  }

  FileError Layer(LayerKind* kind) const {
    const std::string_view text = reader_.text();
    for (uint32_t i = 0; i < static_cast<uint32_t>(LayerKind::kCount); ++i) {
      *kind = static_cast<LayerKind>(i);
      if (JsonEquals(text, LayerName(*kind))) return {};
    }
    std::string_view known[static_cast<size_t>(LayerKind::kCount)];
    for (uint32_t i = 0; i < static_cast<uint32_t>(LayerKind::kCount); ++i) {
      known[i] = LayerName(static_cast<LayerKind>(i));
    }
    return Error(Text("unknown layer ", Quoted(text), Suggestion(text, known)));
  }

  // At the node's '{'; reads to its '}' and takes inputs and parameters.
  FileError Fields(Node* node, NameIndex* index) {
    node_ = node->name;
    const FieldList list = LayerFields(node->kind);
    DefaultParams(node->kind, node->params);
    bool inputs = false;
    uint64_t seen = 0;
    while (reader_.Next() == Token::kKey) {
      const std::string_view key = reader_.text();
      if (JsonEquals(key, "name") || JsonEquals(key, "layer")) {
        reader_.Next();
        continue;
      }
      if (JsonEquals(key, "inputs")) {
        if (std::exchange(inputs, true)) {
          return Error("two keys \"inputs\"");
        }
        TEMPER_RETURN_IF_FILE_ERROR(Inputs(node, index));
        continue;
      }
      const Field* field = FindField(list, key);
      if (field == nullptr) return UnknownField(*node, key);
      const uint64_t bit = uint64_t{1} << (field - list.fields);
      if ((seen & bit) != 0) {
        return Error(Text("two keys ", Quoted(key)));
      }
      seen |= bit;
      TEMPER_RETURN_IF_FILE_ERROR(Value(*field, node->params));
    }
    graph_.SettleParams(node);
    return {};
  }

  FileError UnknownField(const Node& node, std::string_view key) const {
    std::vector<std::string_view> known = {"name", "layer", "inputs"};
    for (const Field& field : LayerFields(node.kind)) {
      known.push_back(field.name);
    }
    return Error(Text("layer ", LayerName(node.kind), " has no field ",
                      Quoted(key), Suggestion(key, known)));
  }

  FileError Choice(const Field& field, uint8_t* params) const {
    std::vector<std::string_view> names;
    for (uint32_t i = 0; !ChoiceName(field, i).empty(); ++i) {
      names.push_back(ChoiceName(field, i));
      if (!JsonEquals(reader_.text(), names.back())) continue;
      WriteField(field, i, params);
      return {};
    }
    return Error(Text(field.name, " = ", Quoted(reader_.text()),
                      " is no value of it", Suggestion(reader_.text(), names)));
  }

  FileError Value(const Field& field, uint8_t* params) {
    const std::string name = Text(field.name, " = ");
    const Token token = reader_.Next();
    if (field.IsChoice() && token == Token::kString) {
      return Choice(field, params);
    }
    if (field.IsFlag() && (token == Token::kTrue || token == Token::kFalse)) {
      WriteField(field, token == Token::kTrue, params);
      return {};
    }
    if (token != Token::kNumber) {
      return Unexpected(Text(field.IsChoice() ? "a name"
                             : field.IsFlag() ? "true or false"
                                              : "a number",
                             " as ", field.name));
    }
    const std::string_view text = reader_.text();
    if (field.type == Field::Type::kU32) {
      uint64_t value;
      if (!JsonUint(text, &value) || value > UINT32_MAX ||
          !InFieldRange(field, static_cast<double>(value))) {
        return Error(Text(name, Quoted(text), " is not a whole number in ",
                          RangeText(field)));
      }
      const uint32_t stored = static_cast<uint32_t>(value);
      std::memcpy(params + field.offset, &stored, sizeof(stored));
    } else {
      float value;
      if (!JsonFloat(text, &value) || !InFieldRange(field, value)) {
        return Error(
            Text(name, Quoted(text), " is not a number in ", RangeText(field)));
      }
      std::memcpy(params + field.offset, &value, sizeof(value));
    }
    return {};
  }

  FileError Inputs(Node* node, NameIndex* index) {
    if (reader_.Next() != Token::kBeginArray) {
      return Unexpected("an array as \"inputs\"");
    }
    const size_t self = static_cast<size_t>(node - graph_.nodes.data());
    while (reader_.Next() == Token::kString) {
      const std::string_view text = reader_.text();
      if (node->input_count == kMaxInputs) {
        return Error(Text("more than ", kMaxInputs, " inputs"));
      }
      char name[kMaxNameLength];
      const size_t size = JsonDecodedSize(text);
      if (size <= kMaxNameLength) JsonDecodeTo(text, name);
      uint16_t source = NameIndex::kEmpty;
      if (size != 0 && size <= kMaxNameLength) {
        source = index->Slot(graph_, {name, size});
      }
      if (source == NameIndex::kEmpty) {
        Nearest nearest(text);
        for (size_t i = 0; i < self; ++i) nearest.Offer(graph_.nodes[i].name);
        return Error(Text("input ", Quoted(text), " is not a node",
                          DidYouMean(nearest.Best())));
      }
      if (source == self) return Error("reads itself: a cycle");
      if (source > self) {
        return Error(Text("input ", Quoted(text),
                          " comes later: a cycle or a wrong order; list each "
                          "node after the nodes it reads"));
      }
      node->inputs[node->input_count++] = source;
    }
    return reader_.token() == Token::kEndArray
               ? FileError{}
               : Unexpected("node names in \"inputs\"");
  }

  JsonReader reader_;
  std::string_view node_;  // the one whose fields are read, for messages
  Graph& graph_;
};

void AppendKey(std::string* json, std::string_view key) {
  *json += ',';
  AppendJsonString(json, key);
  *json += ':';
}

}  // namespace

FileError WriteGraphJson(const Graph& graph, std::string* json) {
  const Status status = graph.Check(nullptr);
  if (!status.ok()) return FromStatus(graph, status);
  std::string out = Text("{\"version\":", kGraphJsonVersion, ",\"nodes\":[");
  for (const Node& node : graph.nodes) {
    if (!GoodName(node.name)) {
      return {StatusCode::kInvalidArgument,
              Text("graph: the name ", Quoted(node.name),
                   " is not UTF-8 without control characters")};
    }
    if (&node != graph.nodes.data()) out += ',';
    out += "{\"name\":";
    AppendJsonString(&out, node.name);
    AppendKey(&out, "layer");
    AppendJsonString(&out, LayerName(node.kind));
    AppendKey(&out, "inputs");
    out += '[';
    for (uint32_t i = 0; i < node.input_count; ++i) {
      if (i != 0) out += ',';
      AppendJsonString(&out, graph.nodes[node.inputs[i]].name);
    }
    out += ']';
    const FieldList list = LayerFields(node.kind);
    for (uint32_t i = 0; i < list.count; ++i) {
      const Field& field = list.fields[i];
      AppendKey(&out, field.name);
      if (field.IsChoice()) {
        AppendJsonString(&out,
                         ChoiceName(field, static_cast<uint32_t>(
                                               ReadField(field, node.params))));
      } else if (field.IsFlag()) {
        out += ReadField(field, node.params) != 0 ? "true" : "false";
      } else if (field.type == Field::Type::kU32) {
        uint32_t value;
        std::memcpy(&value, node.params + field.offset, sizeof(value));
        AppendText(&out, value);
      } else {
        float value;  // finite: Graph::Check compared it with its range
        std::memcpy(&value, node.params + field.offset, sizeof(value));
        AppendJsonFloat(&out, value);
      }
    }
    out += '}';
  }
  out += "]}";
  *json = std::move(out);
  return {};
}

FileError ReadGraphJson(std::string_view json, Graph* graph,
                        uint64_t max_bytes) {
  Graph read;
  TEMPER_RETURN_IF_FILE_ERROR(GraphReader(json, &read).Read(max_bytes));
  *graph = std::move(read);
  return {};
}

}  // namespace temper
