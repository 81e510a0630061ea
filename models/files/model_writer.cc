// The header is laid out once; Write patches digits and counters in place. See
// model_writer.h.
#include "models/files/model_writer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "models/files/graph_json.h"
#include "models/files/json.h"
#include "models/files/limits.h"
#include "models/files/safetensors.h"
#include "models/files/text.h"

namespace temper {
namespace {

struct NamedRule {
  uint32_t node;
  std::string_view weight;
  ValueRule rule;
};
ValueRule RuleOf(const std::vector<NamedRule>& rules, uint32_t node,
                 std::string_view weight) {
  auto at = std::lower_bound(
      rules.begin(), rules.end(), node,
      [](const NamedRule& rule, uint32_t n) { return rule.node < n; });
  for (; at != rules.end() && at->node == node; ++at) {
    if (at->weight == weight) return at->rule;
  }
  return ValueRule::kFinite;
}

constexpr size_t kLengthBytes = 8;
constexpr size_t kAlignment = 64;  // of the data area
constexpr std::string_view kNoDigits = "0000000000000000";

FileError Refuse(std::string_view why) {
  return {StatusCode::kInvalidArgument, Text("cannot write the model: ", why)};
}

void Append(std::vector<char>* out, std::string_view text) {
  out->insert(out->end(), text.begin(), text.end());
}

std::string JsonText(std::string_view text) {
  std::string out;
  AppendJsonString(&out, text);
  return out;
}

FileError CheckText(std::string_view what, std::string_view text, size_t least,
                    size_t most) {
  if (text.size() < least || text.size() > most || !IsUtf8(text)) {
    return Refuse(Text(what, " ", Quoted(text), " must be ", least, " to ",
                       most, " bytes of UTF-8"));
  }
  return {};
}

bool GoodCounter(std::string_view value, uint32_t width) {
  if (value.size() > width) return false;
  for (const char c : value) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') return false;
  }
  return true;
}

FileError CheckInfo(const ModelDescription& info,
                    std::span<const CounterField> counters) {
  for (const std::string& name : info.classes) {
    TEMPER_RETURN_IF_FILE_ERROR(
        CheckText("the class name", name, 0, limits::kNameBytes));
  }
  if (info.classes.size() > limits::kClasses) return Refuse("too many classes");
  const size_t key_bytes = limits::kNameBytes - kTrainingPrefix.size();
  for (const auto& [key, value] : info.training) {
    TEMPER_RETURN_IF_FILE_ERROR(
        CheckText("the training field", key, 1, key_bytes));
    TEMPER_RETURN_IF_FILE_ERROR(
        CheckText(Text("training field ", Quoted(key), " = "), value, 0,
                  limits::kHeaderBytes));
  }
  for (size_t i = 0; i < counters.size(); ++i) {
    const CounterField& counter = counters[i];
    TEMPER_RETURN_IF_FILE_ERROR(
        CheckText("the counter", counter.name, 1, key_bytes));
    if (counter.width == 0 || counter.width > limits::kNameBytes) {
      return Refuse(Text("counter ", Quoted(counter.name), ": width ",
                         counter.width, " is not in [1, 255]"));
    }
    bool taken = info.training.contains(counter.name);
    for (size_t k = 0; k < i; ++k)
      taken = taken || counters[k].name == counter.name;
    if (taken) {
      return Refuse(Text("two training fields ", Quoted(counter.name)));
    }
  }
  TEMPER_RETURN_IF_FILE_ERROR(CheckClasses(info.classes, info.graph));
  TEMPER_RETURN_IF_FILE_ERROR(CheckColumns(info.columns, info.graph));
  return CheckPreprocessing(info.preprocessing, info.graph);
}

FileError CheckTensor(const TensorSource& tensor) {
  const auto refuse = [&](std::string_view why) {
    return Refuse(Text("tensor ", Quoted(tensor.name), ": ", why));
  };
  TEMPER_RETURN_IF_FILE_ERROR(
      CheckText("the tensor name", tensor.name, 1, limits::kNameBytes));
  if (tensor.dims.size() > limits::kRank) return refuse("too many dimensions");
  uint64_t count = 1;
  for (const uint32_t d : tensor.dims) {
    if (d == 0) return refuse("a dimension of 0");
    if (__builtin_mul_overflow(count, d, &count)) return refuse("too large");
  }
  if (count != tensor.values.size()) {
    return refuse(Text("its shape has ", count, " elements, ",
                       tensor.values.size(), " values are given"));
  }
  return {};
}

}  // namespace

void ModelWriter::AppendMetadata(const ModelDescription& info,
                                 const std::string& graph,
                                 std::span<const CounterField> counters) {
  std::string classes = "[";
  for (const std::string& name : info.classes) {
    if (classes.size() > 1) classes += ',';
    AppendJsonString(&classes, name);
  }
  classes += ']';
  // Sorted by key: the order says nothing, so it must not vary.
  std::map<std::string, std::string> fields = {
      {"checksum", std::string(kNoDigits)},
      {"classes", classes},
      {"format_version", std::to_string(kModelFormatVersion)},
      {"graph", graph},
      {"preprocessing", WritePreprocessing(info.preprocessing)},
  };
  if (!info.columns.empty()) {
    fields.emplace("columns", WriteColumns(info.columns));
  }
  for (const auto& [key, value] : info.training) {
    fields.emplace(Text(kTrainingPrefix, key), value);
  }
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < counters.size(); ++i) {
    const std::string key = Text(kTrainingPrefix, counters[i].name);
    index.emplace(key, i);
    fields.emplace(key, "");
  }
  slots_.resize(counters.size());
  Append(&header_, "\"__metadata__\":{");
  bool first = true;
  for (const auto& [key, value] : fields) {
    if (!std::exchange(first, false)) Append(&header_, ",");
    Append(&header_, JsonText(key));
    Append(&header_, ":");
    if (key == "checksum") checksum_offset_ = header_.size() + 1;
    const auto counter = index.find(key);
    if (counter != index.end()) {
      const uint32_t width = counters[counter->second].width;
      slots_[counter->second] = {header_.size(), width};
      Append(&header_, "\"\"");
      header_.insert(header_.end(), width, ' ');
    } else {
      Append(&header_, JsonText(value));
    }
  }
  Append(&header_, "}");
}

FileError ModelWriter::AppendTensors(const Graph& graph,
                                     std::span<const TensorSource> tensors,
                                     bool state, uint64_t* data_bytes) {
  std::vector<NamedRule> rules;  // by node
  const Status status = VisitWeights(
      graph,
      [](void* to, uint32_t node, uint32_t, const WeightSpec& spec) {
        static_cast<std::vector<NamedRule>*>(to)->push_back(
            {node, spec.name, spec.rule});
      },
      &rules);
  if (!status.ok()) return Refuse(status.message);
  for (const TensorSource& tensor : tensors) {
    TEMPER_RETURN_IF_FILE_ERROR(CheckTensor(tensor));
    const std::string_view weight = WeightOfTensor(tensor.name);
    const std::string_view name = NodeOfWeight(weight);
    const uint32_t node = weight.empty() ? kNoNode : graph.Find(name);
    if (node == kNoNode || IsOptimizerState(tensor.name) != state) {
      return Refuse(Text("tensor ", Quoted(tensor.name), " is not named ",
                         state ? "optimizer.<state>." : "", "<node>.<weight>"));
    }
    if (tensor.values.data() == nullptr && !tensor.values.empty()) {
      return Refuse(Text("tensor ", Quoted(tensor.name),
                         " has no values to read: it lies packed "
                         "(PlanOptions::pack_weights)"));
    }
    const uint64_t bytes = tensor.values.size() * sizeof(float);
    Append(&header_, ",");
    Append(&header_, JsonText(tensor.name));
    Append(&header_, ":{\"dtype\":\"F32\",\"shape\":[");
    for (size_t i = 0; i < tensor.dims.size(); ++i) {
      Append(&header_, Text(i == 0 ? "" : ",", tensor.dims[i]));
    }
    Append(&header_, Text("],\"data_offsets\":[", *data_bytes, ",",
                          *data_bytes + bytes, "]}"));
    *data_bytes += bytes;
    const ValueRule rule =
        state ? ValueRule::kFinite
              : RuleOf(rules, node, weight.substr(name.size() + 1));
    data_.push_back({tensor.values.data(), tensor.values.size(), node, rule});
  }
  return {};
}

FileError ModelWriter::Prepare(const ModelDescription& info,
                               std::span<const TensorSource> weights,
                               std::span<const TensorSource> optimizer_state,
                               std::span<const CounterField> counters) {
  *this = ModelWriter();
  std::string graph;
  TEMPER_RETURN_IF_FILE_ERROR(WriteGraphJson(info.graph, &graph));
  TEMPER_RETURN_IF_FILE_ERROR(CheckInfo(info, counters));
  uint64_t data_bytes = 0;
  header_.assign(kLengthBytes, 0);
  Append(&header_, "{");
  AppendMetadata(info, graph, counters);
  data_.reserve(weights.size() + optimizer_state.size());
  FileError error = AppendTensors(info.graph, weights, false, &data_bytes);
  weights_ = data_.size();
  if (error.ok()) {
    error = AppendTensors(info.graph, optimizer_state, true, &data_bytes);
  }
  Append(&header_, "}");
  header_.resize((header_.size() + kAlignment - 1) / kAlignment * kAlignment,
                 ' ');
  header_.shrink_to_fit();  // it stays for as long as the run
  const uint64_t length = header_.size() - kLengthBytes;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    header_[i] = static_cast<char>(length >> (8 * i) & 0xff);
  }
  const uint64_t file_bytes = header_.size() + data_bytes;
  if (error.ok() && length > limits::kHeaderBytes) {
    error = Refuse(Text("its description takes ", length,
                        " bytes, the limit is ", limits::kHeaderBytes,
                        ": too many or too long names of columns, "
                        "of their values or of classes"));
  }
  if (error.ok()) {
    // The readers have the last word on names, counts, sizes and shapes.
    SafetensorsView view;
    error = ParseSafetensorsHeader(
        {header_.data() + kLengthBytes, static_cast<size_t>(length)},
        file_bytes, &view);
    std::vector<StoredTensor> w, s;
    if (error.ok()) error = MatchTensors(view, info.graph, UINT64_MAX, &w, &s);
    if (!error.ok()) error = Refuse(error.message);
  }
  if (!error.ok()) {
    *this = ModelWriter();
    return error;
  }
  file_bytes_ = file_bytes;
  return {};
}

Status ModelWriter::Write(std::span<const std::string_view> counters,
                          const ByteSink& sink) {
  if (file_bytes_ == 0) {
    return Error(StatusCode::kWrongState, "the model writer is not prepared");
  }
  if (counters.size() != slots_.size()) {
    return Error(StatusCode::kInvalidArgument, "wrong number of counters");
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!GoodCounter(counters[i], slots_[i].width)) {
      return Error(StatusCode::kInvalidArgument,
                   "a counter is wider than planned or not plain text");
    }
  }
  for (size_t i = 0; i < slots_.size(); ++i) {
    char* const field = header_.data() + slots_[i].offset;
    const size_t size = counters[i].size();
    std::memset(field, ' ', slots_[i].width + 2);
    field[0] = '"';
    std::copy(counters[i].begin(), counters[i].end(), field + 1);
    field[size + 1] = '"';
  }
  char* const digits = header_.data() + checksum_offset_;
  std::copy(kNoDigits.begin(), kNoDigits.end(), digits);
  hash_.Reset();
  hash_.Update(header_.data(), header_.size());
  constexpr uint64_t kBlock =
      4096;  // floats: checked and hashed while in cache
  for (const Data& data : data_) {
    for (uint64_t i = 0; i < data.count; i += kBlock) {
      const uint64_t n = std::min(kBlock, data.count - i);
      uint64_t first;
      if (CountBad(data.rule, data.values + i, n, &first) != 0) {
        return Error(StatusCode::kNotFinite,
                     "a value of this node's tensors is not finite, or has a "
                     "sign that it must not have; nothing was written",
                     data.node);
      }
      hash_.Update(data.values + i, static_cast<size_t>(n) * sizeof(float));
    }
  }
  const auto checksum = HexDigits(hash_.Digest());
  std::copy(checksum.begin(), checksum.end(), digits);
  constexpr const char* kRefused = "the file could not be written";
  if (!sink.write(sink.context, header_.data(), header_.size())) {
    return Error(StatusCode::kIoError, kRefused);
  }
  for (const Data& data : data_) {
    if (!sink.write(sink.context, data.values,
                    static_cast<size_t>(data.count) * sizeof(float))) {
      return Error(StatusCode::kIoError, kRefused);
    }
  }
  return Ok();
}

std::array<char, 64> ModelWriter::WeightsSha256() const {
  Sha256 hash;
  for (size_t i = 0; i < weights_; ++i) {
    hash.Update(data_[i].values,
                static_cast<size_t>(data_[i].count) * sizeof(float));
  }
  return hash.Digest();
}

}  // namespace temper
