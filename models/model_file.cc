// Loading and checking model files. See model_file.h.
#include "models/model_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "models/graph_json.h"
#include "models/hash.h"
#include "models/json.h"
#include "models/model_writer.h"
#include "models/tensor_names.h"

namespace temper {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are copied as they stand in the file");

using Token = JsonReader::Token;

// Of ModelDescription::training: two strings, three pointers, a colour.
constexpr uint64_t kMapNodeBytes = 2 * sizeof(std::string) + 64;

FileError Refuse(std::string_view why) {
  return {StatusCode::kBadFile, Text("model file: ", why)};
}

std::string DimsText(std::span<const uint32_t> dims) {
  std::string out = "(";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i != 0) out += ", ";
    AppendText(&out, dims[i]);
  }
  return out + ")";
}

// The memory law of limits.h, applied before each allocation whose size is in
// the file. The sums include what the allocator adds.
class Budget {
 public:
  explicit Budget(uint64_t file_bytes)
      : left_(limits::kMemoryBase + limits::kMemoryFactor * file_bytes) {}

  bool Take(uint64_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  bool Take(const SafetensorsView& view) {
    bool fits = Take(view.names.size() + kBlock +
                     view.tensors.size() * sizeof(SafetensorsTensor));
    for (const SafetensorsMetadata& entry : view.metadata) {
      fits = fits && Take(sizeof(entry) + entry.key.size() +
                          entry.value.size() + 2 * kBlock);
    }
    return fits;
  }
  bool Take(const SafetensorsTensor& tensor) {
    return Take(sizeof(ModelTensor) + tensor.name.size() + tensor.bytes +
                tensor.rank * sizeof(uint32_t) + 3 * kBlock);
  }
  uint64_t left() const { return left_; }

  static constexpr uint64_t kBlock = 24;  // what a heap block may cost on top

 private:
  uint64_t left_;
};

FileError TooSmall() {
  return Refuse(
      "it describes more than its size can hold; it is damaged or hostile");
}

// The version field comes before the checksum: another version may have
// another checksum.
FileError CheckVersion(const SafetensorsView& view) {
  const SafetensorsMetadata* version = view.FindMetadata("format_version");
  if (version == nullptr) {
    return Refuse(
        "there is no \"format_version\" in its metadata, so temper did not "
        "write it; import it to use its weights");
  }
  if (version->value != std::to_string(kModelFormatVersion)) {
    return {StatusCode::kUnsupported,
            Text("model file: format version ", Quoted(version->value),
                 ", this build reads version ", kModelFormatVersion,
                 "; use the temper release that wrote it")};
  }
  return {};
}

FileError CheckChecksum(std::span<const uint8_t> file,
                        const SafetensorsView& view) {
  const SafetensorsMetadata* stored = view.FindMetadata("checksum");
  if (stored == nullptr) return Refuse("no \"checksum\" in its metadata");
  if (stored->bytes != 16) {
    return Refuse(Text("the checksum ", Quoted(stored->value),
                       " does not have 16 digits"));
  }
  const auto digits = HexDigits(FileChecksum(file, stored->offset));
  const std::string_view computed(digits.data(), digits.size());
  if (stored->value != computed) {
    return Refuse(Text("the checksum is ", computed, ", the file says ",
                       Quoted(stored->value),
                       "; it is damaged, restore it from a copy"));
  }
  return {};
}

FileError CheckKeys(const SafetensorsView& view) {
  constexpr std::string_view kKeys[] = {"checksum", "classes", "format_version",
                                        "graph", "preprocessing"};
  for (const SafetensorsMetadata& entry : view.metadata) {
    const bool known = (entry.key.starts_with(kTrainingPrefix) &&
                        entry.key.size() > kTrainingPrefix.size()) ||
                       std::find(std::begin(kKeys), std::end(kKeys),
                                 entry.key) != std::end(kKeys);
    if (!known) return Refuse(Text("unknown metadata ", Quoted(entry.key)));
  }
  for (const std::string_view key : kKeys) {
    if (view.FindMetadata(key) == nullptr) {
      return Refuse(Text("no metadata ", Quoted(key)));
    }
  }
  return {};
}

// The JSON array of names.
FileError ReadClasses(std::string_view json, Budget* budget,
                      std::vector<std::string>* classes) {
  // Once to count, once to copy.
  for (const bool copy : {false, true}) {
    JsonReader reader(json);
    const auto error = [&](std::string_view why) {
      return Refuse(Text("classes: byte ", reader.offset(), ": ",
                         reader.token() == Token::kError
                             ? std::string_view(reader.error())
                             : why));
    };
    if (reader.Next() != Token::kBeginArray) return error("expected an array");
    uint32_t count = 0;
    while (reader.Next() == Token::kString) {
      const size_t size = JsonDecodedSize(reader.text());
      if (count++ == limits::kClasses || size > limits::kNameBytes) {
        return error(Text("more than ", limits::kClasses,
                          " names, or one of more than ", limits::kNameBytes,
                          " bytes"));
      }
      if (copy) {
        classes->push_back(JsonDecode(reader.text()));
      } else if (!budget->Take(sizeof(std::string) + size + Budget::kBlock)) {
        return TooSmall();
      }
    }
    if (reader.token() != Token::kEndArray) return error("expected names");
    if (reader.Next() != Token::kEnd) return error("expected the end");
    if (!copy) classes->reserve(count);
  }
  return {};
}

FileError CopyTensor(std::span<const uint8_t> file,
                     const SafetensorsTensor& source, ValueRule rule,
                     ModelTensor* tensor) {
  for (const uint64_t d : source.shape()) {
    if (d == 0 || d > UINT32_MAX) {
      return Refuse(Text("tensor ", Quoted(source.name), ": dimension ", d,
                         " is not in [1, 2^32 - 1]"));
    }
  }
  tensor->name = source.name;
  tensor->dims.assign(source.shape().begin(), source.shape().end());
  tensor->values.resize(static_cast<size_t>(source.bytes / sizeof(float)));
  std::memcpy(tensor->values.data(), file.data() + source.offset,
              static_cast<size_t>(source.bytes));
  uint64_t first = 0;
  const uint64_t bad =
      CountBad(rule, tensor->values.data(), tensor->values.size(), &first);
  if (bad != 0) {
    return Refuse(Text("tensor ", Quoted(source.name), ": ", bad, " of ",
                       tensor->values.size(), " values are not ",
                       RuleText(rule), ", the first at index ", first));
  }
  return {};
}

// Nodes and weights by name.
template <class T>
class NameMap {
 public:
  explicit NameMap(size_t count) { rows_.reserve(count); }
  void Add(std::string_view name, const T* value) {
    rows_.emplace_back(name, value);
  }
  void Sort() { std::sort(rows_.begin(), rows_.end()); }
  const T* Find(std::string_view name) const {
    const auto row = std::lower_bound(
        rows_.begin(), rows_.end(), name,
        [](const auto& a, std::string_view b) { return a.first < b; });
    return row == rows_.end() || row->first != name ? nullptr : row->second;
  }
  static constexpr size_t kRowBytes = sizeof(std::pair<std::string_view, T*>);

 private:
  std::vector<std::pair<std::string_view, const T*>> rows_;
};

FileError ReadTensors(std::span<const uint8_t> file,
                      const SafetensorsView& view, Budget* budget,
                      ModelFile* model) {
  const Graph& graph = model->graph;
  size_t weights = 0;
  for (const SafetensorsTensor& tensor : view.tensors) {
    weights += !IsOptimizerState(tensor.name);
    if (!budget->Take(tensor)) return TooSmall();
  }
  if (!budget->Take(graph.nodes.size() * NameMap<Node>::kRowBytes +
                    weights * NameMap<SafetensorsTensor>::kRowBytes)) {
    return TooSmall();
  }
  NameMap<Node> nodes(graph.nodes.size());
  for (const Node& node : graph.nodes) nodes.Add(node.name, &node);
  nodes.Sort();
  NameMap<SafetensorsTensor> named(weights);
  model->weights.reserve(weights);
  model->optimizer_state.reserve(view.tensors.size() - weights);
  for (const SafetensorsTensor& tensor : view.tensors) {
    const auto refuse = [&](std::string_view why) {
      return Refuse(Text("tensor ", Quoted(tensor.name), ": ", why));
    };
    if (tensor.type != SafetensorsType::kF32) {
      return refuse(Text("dtype ", SafetensorsTypeName(tensor.type),
                         ", a model holds F32 only"));
    }
    const bool state = IsOptimizerState(tensor.name);
    const std::string_view weight = WeightOfTensor(tensor.name);
    const Node* const node = nodes.Find(NodeOfWeight(weight));
    if (weight.empty() || node == nullptr) {
      return refuse("it belongs to no node of the graph");
    }
    ValueRule rule = ValueRule::kFinite;
    if (state) {
      if (model->optimizer_state.empty()) named.Sort();
      if (named.Find(weight) == nullptr) {
        return refuse(
            "optimizer state of a weight that the file does not have");
      }
    } else {
      if (!model->optimizer_state.empty()) {
        return refuse("a weight behind the optimizer's state");
      }
      rule = RuleFor(*node, weight.substr(NodeOfWeight(weight).size() + 1));
      named.Add(tensor.name, &tensor);
    }
    ModelTensor copy;
    TEMPER_RETURN_IF_FILE_ERROR(CopyTensor(file, tensor, rule, &copy));
    (state ? model->optimizer_state : model->weights)
        .push_back(std::move(copy));
  }
  return {};
}

}  // namespace

bool IsModelFile(const SafetensorsView& view) {
  return view.FindMetadata("format_version") != nullptr &&
         view.FindMetadata("checksum") != nullptr &&
         view.FindMetadata("graph") != nullptr;
}

uint64_t FileChecksum(std::span<const uint8_t> file, uint64_t digits_offset) {
  constexpr char kZeros[] = "0000000000000000";
  constexpr size_t kDigits = sizeof(kZeros) - 1;
  const size_t offset =
      static_cast<size_t>(std::min<uint64_t>(digits_offset, file.size()));
  const size_t rest = std::min(offset + kDigits, file.size());
  Xxh3 hash;
  hash.Update(file.data(), offset);
  hash.Update(kZeros, rest - offset);
  hash.Update(file.data() + rest, file.size() - rest);
  return hash.Digest();
}

FileError LoadModelFile(std::span<const uint8_t> file, ModelFile* model) {
  SafetensorsView view;
  TEMPER_RETURN_IF_FILE_ERROR(ParseSafetensors(file, &view));
  TEMPER_RETURN_IF_FILE_ERROR(CheckVersion(view));
  TEMPER_RETURN_IF_FILE_ERROR(CheckChecksum(file, view));
  TEMPER_RETURN_IF_FILE_ERROR(CheckKeys(view));
  Budget budget(file.size());
  if (!budget.Take(view)) return TooSmall();
  ModelFile loaded;
  TEMPER_RETURN_IF_FILE_ERROR(ReadGraphJson(view.FindMetadata("graph")->value,
                                            &loaded.graph, budget.left()));
  if (!budget.Take(loaded.graph.nodes.size() * sizeof(Node))) return TooSmall();
  TEMPER_RETURN_IF_FILE_ERROR(ReadPreprocessing(
      view.FindMetadata("preprocessing")->value, &loaded.preprocessing));
  TEMPER_RETURN_IF_FILE_ERROR(
      CheckPreprocessing(loaded.preprocessing, loaded.graph));
  TEMPER_RETURN_IF_FILE_ERROR(ReadClasses(view.FindMetadata("classes")->value,
                                          &budget, &loaded.classes));
  for (SafetensorsMetadata& entry : view.metadata) {
    if (!entry.key.starts_with(kTrainingPrefix)) continue;
    if (!budget.Take(kMapNodeBytes + entry.key.size())) return TooSmall();
    loaded.training.emplace(entry.key.substr(kTrainingPrefix.size()),
                            std::move(entry.value));
  }
  TEMPER_RETURN_IF_FILE_ERROR(ReadTensors(file, view, &budget, &loaded));
  *model = std::move(loaded);
  return {};
}

FileError SaveModelFile(const ModelFile& model, std::vector<uint8_t>* file) {
  const auto sources = [](const std::vector<ModelTensor>& tensors) {
    std::vector<TensorSource> list;
    list.reserve(tensors.size());
    for (const ModelTensor& t : tensors)
      list.push_back({t.name, t.dims, t.values});
    return list;
  };
  ModelWriter writer;
  TEMPER_RETURN_IF_FILE_ERROR(writer.Prepare(
      model, sources(model.weights), sources(model.optimizer_state), {}));
  std::vector<uint8_t> bytes;
  bytes.reserve(static_cast<size_t>(writer.file_bytes()));
  const auto append = [](void* context, const void* data, size_t size) {
    const uint8_t* const first = static_cast<const uint8_t*>(data);
    auto& out = *static_cast<std::vector<uint8_t>*>(context);
    out.insert(out.end(), first, first + size);
    return true;
  };
  const Status status = writer.Write({}, {append, &bytes});
  if (!status.ok()) {
    const bool known = status.node < model.graph.nodes.size();
    return {status.code,
            Text("model file: ",
                 known ? Text("node ",
                              Quoted(model.graph.nodes[status.node].name), ": ")
                       : std::string(),
                 status.message)};
  }
  *file = std::move(bytes);
  return {};
}

FileError CheckTensors(std::span<const ModelTensor> tensors,
                       std::span<const ExpectedTensor> expected) {
  const auto mismatch = [](std::string_view why) {
    return FileError{StatusCode::kShapeMismatch, Text("model file: ", why)};
  };
  NameMap<ModelTensor> named(tensors.size());
  for (const ModelTensor& tensor : tensors) named.Add(tensor.name, &tensor);
  named.Sort();
  for (const ExpectedTensor& want : expected) {
    const ModelTensor* const tensor = named.Find(want.name);
    if (tensor == nullptr) {
      Nearest nearest(want.name);
      for (const ModelTensor& t : tensors) nearest.Offer(t.name);
      return mismatch(Text("no tensor ", Quoted(want.name),
                           ", which the graph ", "needs with shape ",
                           DimsText(want.dims), nearest.Suggestion()));
    }
    if (tensor->dims != want.dims) {
      return mismatch(Text("tensor ", Quoted(want.name), " has shape ",
                           DimsText(tensor->dims), ", the graph needs ",
                           DimsText(want.dims)));
    }
  }
  if (tensors.size() == expected.size()) return {};
  NameMap<ExpectedTensor> wanted(expected.size());
  for (const ExpectedTensor& want : expected) wanted.Add(want.name, &want);
  wanted.Sort();
  for (const ModelTensor& tensor : tensors) {
    if (wanted.Find(tensor.name) == nullptr) {
      return mismatch(
          Text("tensor ", Quoted(tensor.name), " is not used by the graph"));
    }
  }
  return mismatch("two tensors have the same name");
}

FileError LoadTensors(std::span<const uint8_t> file,
                      std::vector<ModelTensor>* tensors,
                      std::vector<std::string>* skipped) {
  SafetensorsView view;
  TEMPER_RETURN_IF_FILE_ERROR(ParseSafetensors(file, &view));
  Budget budget(file.size());
  if (!budget.Take(view)) return TooSmall();
  size_t count = 0;
  for (const SafetensorsTensor& tensor : view.tensors) {
    count += tensor.type == SafetensorsType::kF32;
    const bool fits = tensor.type == SafetensorsType::kF32
                          ? budget.Take(tensor)
                          : budget.Take(sizeof(std::string) + Budget::kBlock +
                                        tensor.name.size());
    if (!fits) return TooSmall();
  }
  std::vector<ModelTensor> loaded;
  std::vector<std::string> others;
  loaded.reserve(count);
  if (skipped != nullptr) others.reserve(view.tensors.size() - count);
  for (const SafetensorsTensor& tensor : view.tensors) {
    if (tensor.type == SafetensorsType::kF32) {
      TEMPER_RETURN_IF_FILE_ERROR(
          CopyTensor(file, tensor, ValueRule::kFinite, &loaded.emplace_back()));
    } else if (skipped != nullptr) {
      others.emplace_back(tensor.name);
    }
  }
  *tensors = std::move(loaded);
  if (skipped != nullptr) *skipped = std::move(others);
  return {};
}

std::string WeightsSha256(std::span<const ModelTensor> weights) {
  Sha256 hash;
  for (const ModelTensor& tensor : weights) {
    hash.Update(tensor.values.data(), tensor.values.size() * sizeof(float));
  }
  const auto digits = hash.Digest();
  return std::string(digits.data(), digits.size());
}

}  // namespace temper
