// Loading and checking model files. See model_file.h.
#include "models/model_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include "models/graph_json.h"
#include "models/hash.h"
#include "models/json.h"
#include "models/model_writer.h"

namespace temper {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are copied as they stand in the file");

using Token = JsonReader::Token;

constexpr const char* kKindNames[] = {"none", "mean_std", "mean_image"};
constexpr const char* kElementNames[] = {"f32", "u8"};
constexpr uint32_t kPreprocessingVersion = 1;
// Of ModelInfo::training: two strings, three pointers, a colour.
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

// A small JSON text inside the metadata; its errors name the field.
class FieldReader {
 public:
  FieldReader(const char* field, std::string_view json)
      : field_(field), reader_(json) {}

  FileError Error(std::string_view why) const {
    return Refuse(Text(field_, ": byte ", reader_.offset(), ": ",
                       reader_.token() == Token::kError
                           ? std::string_view(reader_.error())
                           : why));
  }
  Token Next() { return reader_.Next(); }
  std::string_view text() const { return reader_.text(); }
  bool IsKey(std::string_view key) const { return JsonEquals(text(), key); }

  FileError Uint(uint32_t least, uint32_t most, uint32_t* value) {
    uint64_t wide;
    if (Next() != Token::kNumber || !JsonUint(text(), &wide) || wide < least ||
        wide > most) {
      return Error(Text("expected a whole number from ", least, " to ", most));
    }
    *value = static_cast<uint32_t>(wide);
    return {};
  }
  FileError Float(float* value) {
    if (Next() != Token::kNumber || !JsonFloat(text(), value)) {
      return Error("expected a number");
    }
    return {};
  }
  // The index of one of the names.
  FileError Choice(std::span<const char* const> names, uint32_t* index) {
    if (Next() != Token::kString) return Error("expected a string");
    Nearest nearest(text());
    for (uint32_t i = 0; i < names.size(); ++i) {
      if (IsKey(names[i])) {
        *index = i;
        return {};
      }
      nearest.Offer(names[i]);
    }
    return Error(Text("unknown value ", Quoted(text()), nearest.Suggestion()));
  }

 private:
  const char* field_;
  JsonReader reader_;
};

FileError ReadPreprocessing(std::string_view json, Preprocessing* out) {
  FieldReader reader("preprocessing", json);
  if (reader.Next() != Token::kBeginObject) return reader.Error("expected {");
  uint32_t version = 0, element = 0, kind = 0;
  Preprocessing& p = *out;
  const std::pair<const char*, std::function<FileError()>> fields[] = {
      {"version", [&] { return reader.Uint(1, UINT32_MAX, &version); }},
      {"h", [&] { return reader.Uint(1, kMaxDimension, &p.h); }},
      {"w", [&] { return reader.Uint(1, kMaxDimension, &p.w); }},
      {"c", [&] { return reader.Uint(1, kMaxDimension, &p.c); }},
      {"element_type", [&] { return reader.Choice(kElementNames, &element); }},
      {"scale", [&] { return reader.Float(&p.scale); }},
      {"kind", [&] { return reader.Choice(kKindNames, &kind); }},
  };
  uint32_t seen = 0;
  while (reader.Next() == Token::kKey) {
    Nearest nearest(reader.text());
    uint32_t i = 0;
    for (; i < std::size(fields); ++i) {
      if (reader.IsKey(fields[i].first)) break;
      nearest.Offer(fields[i].first);
    }
    if (i == std::size(fields)) {
      return reader.Error(
          Text("unknown key ", Quoted(reader.text()), nearest.Suggestion()));
    }
    if ((seen >> i & 1) != 0) {
      return reader.Error(Text("two keys ", Quoted(reader.text())));
    }
    seen |= 1u << i;
    TEMPER_RETURN_IF_FILE_ERROR(fields[i].second());
  }
  if (reader.Next() != Token::kEnd) return reader.Error("expected the end");
  for (uint32_t i = 0; i < std::size(fields); ++i) {
    if ((seen >> i & 1) == 0) {
      return Refuse(Text("preprocessing: no \"", fields[i].first, "\""));
    }
  }
  if (version != kPreprocessingVersion) {
    return {StatusCode::kUnsupported,
            Text("model file: preprocessing version ", version,
                 ", this build reads version ", kPreprocessingVersion)};
  }
  p.element_type = static_cast<ElementType>(element);
  p.kind = static_cast<Preprocessing::Kind>(kind);
  return {};
}

FileError ReadClasses(std::string_view json, Budget* budget,
                      std::vector<std::string>* classes) {
  // Once to count, once to copy.
  for (const bool copy : {false, true}) {
    FieldReader reader("classes", json);
    if (reader.Next() != Token::kBeginArray) return reader.Error("expected [");
    uint32_t count = 0;
    Token token;
    while ((token = reader.Next()) == Token::kString) {
      const size_t size = JsonDecodedSize(reader.text());
      if (count++ == limits::kClasses || size > limits::kNameBytes) {
        return reader.Error(Text("more than ", limits::kClasses,
                                 " names, or one of more than ",
                                 limits::kNameBytes, " bytes"));
      }
      if (copy) {
        classes->push_back(JsonDecode(reader.text()));
      } else if (!budget->Take(sizeof(std::string) + size + Budget::kBlock)) {
        return TooSmall();
      }
    }
    if (token != Token::kEndArray) return reader.Error("expected class names");
    if (reader.Next() != Token::kEnd) return reader.Error("expected the end");
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

std::string PreprocessingJson(const Preprocessing& p) {
  std::string out = Text("{\"version\":", kPreprocessingVersion, ",\"h\":", p.h,
                         ",\"w\":", p.w, ",\"c\":", p.c, ",\"element_type\":\"",
                         kElementNames[static_cast<uint32_t>(p.element_type)],
                         "\",\"scale\":");
  AppendJsonFloat(&out, p.scale);
  return out + ",\"kind\":\"" + kKindNames[static_cast<uint32_t>(p.kind)] +
         "\"}";
}

FileError CheckPreprocessing(const Preprocessing& p, const Graph& graph) {
  const auto mismatch = [](std::string_view why) {
    return FileError{
        StatusCode::kMismatch,
        Text("preprocessing: ", why,
             "; make it agree with the graph, or the graph with it")};
  };
  if (static_cast<uint32_t>(p.element_type) > 1 ||
      static_cast<uint32_t>(p.kind) > 2 || !std::isfinite(p.scale)) {
    return {StatusCode::kInvalidArgument,
            "preprocessing: element type, kind or scale out of range"};
  }
  const InputParams& input = graph.nodes[0].As<InputParams>();
  if (p.h != input.h || p.w != input.w || p.c != input.c ||
      static_cast<uint32_t>(p.element_type) != input.element_type) {
    return mismatch(Text("samples of ", p.h, "x", p.w, "x", p.c, " ",
                         kElementNames[static_cast<uint32_t>(p.element_type)],
                         ", but the graph's input is ", input.h, "x", input.w,
                         "x", input.c, " ",
                         kElementNames[input.element_type & 1]));
  }
  for (const Node& node : graph.nodes) {
    if (node.kind != LayerKind::kNormalize || node.inputs[0] != 0) continue;
    const NormalizeParams& normalize = node.As<NormalizeParams>();
    if (std::bit_cast<uint32_t>(normalize.scale) !=
        std::bit_cast<uint32_t>(p.scale)) {
      return mismatch(Text("another scale than node ", Quoted(node.name)));
    }
    const bool image = p.kind == Preprocessing::Kind::kMeanImage;
    if (p.kind != Preprocessing::Kind::kNone &&
        image != (normalize.per_pixel != 0)) {
      return mismatch(Text("kind ", kKindNames[static_cast<uint32_t>(p.kind)],
                           ", but node ", Quoted(node.name),
                           " has per_pixel = ", normalize.per_pixel));
    }
  }
  return {};
}

bool IsOptimizerState(std::string_view tensor) {
  return tensor.starts_with(kOptimizerPrefix);
}

std::string_view WeightOfTensor(std::string_view tensor) {
  std::string_view weight = tensor;
  if (IsOptimizerState(tensor)) {
    const size_t dot = tensor.find('.', kOptimizerPrefix.size());
    if (dot == std::string_view::npos || dot == kOptimizerPrefix.size())
      return {};
    weight = tensor.substr(dot + 1);
  }
  const size_t dot = weight.rfind('.');
  const bool good =
      dot != std::string_view::npos && dot != 0 && dot + 1 != weight.size();
  return good ? weight : std::string_view();
}

std::string_view NodeOfWeight(std::string_view weight) {
  const size_t dot = weight.rfind('.');
  return dot == std::string_view::npos ? std::string_view()
                                       : weight.substr(0, dot);
}

ValueRule RuleFor(const Node& node, std::string_view weight) {
  if (node.kind == LayerKind::kNormalize && weight == "std") {
    return ValueRule::kPositive;
  }
  if (node.kind == LayerKind::kBatchNorm && weight == "running_var") {
    return ValueRule::kNotNegative;
  }
  return ValueRule::kFinite;
}

const char* RuleText(ValueRule rule) {
  return rule == ValueRule::kFinite     ? "finite"
         : rule == ValueRule::kPositive ? "positive and finite"
                                        : "finite and at least 0";
}

uint64_t CountBad(ValueRule rule, const float* values, uint64_t n,
                  uint64_t* first) {
  constexpr float kMost = std::numeric_limits<float>::max();
  // The smallest good value; comparisons are false for NaN.
  const float least = rule == ValueRule::kFinite ? -kMost
                      : rule == ValueRule::kPositive
                          ? std::numeric_limits<float>::denorm_min()
                          : 0.0f;
  uint64_t bad = 0;
  for (uint64_t i = 0; i < n; ++i) {
    if (values[i] >= least && values[i] <= kMost) continue;
    if (bad++ == 0) *first = i;
  }
  return bad;
}

}  // namespace temper
