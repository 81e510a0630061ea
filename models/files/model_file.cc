// Loading and checking model files. See model_file.h.
#include "models/files/model_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "models/files/graph_json.h"
#include "models/files/hash.h"
#include "models/files/json.h"
#include "models/files/model_writer.h"
#include "models/files/tensor_names.h"

namespace temper {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are copied as they stand in the file");

using Token = JsonReader::Token;

// Upper bound for a node of ModelDescription::training (std::map of strings).
constexpr uint64_t kMapNodeBytes = 2 * sizeof(std::string) + 64;

FileError Refuse(std::string_view why) {
  return {StatusCode::kBadFile, Text("model file: ", why)};
}

// The memory law of limits.h, applied before each allocation whose size is in
// the file. The sums include what the allocator adds.
class Budget {
 public:
  explicit Budget(uint64_t file_bytes) : left_(limits::MemoryFor(file_bytes)) {}

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
  uint64_t* left() { return &left_; }

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
        "write it: it has tensors but no graph to run them. Weights of other "
        "programs cannot be read yet; start from a ready model or a "
        "graph.json");
  }
  if (version->value != std::to_string(kModelFormatVersion)) {
    return {StatusCode::kUnsupported,
            Text("model file: format version ", Quoted(version->value),
                 ", this build reads version ", kModelFormatVersion,
                 "; use the temper release that wrote it")};
  }
  return {};
}

// The cause of a wrong checksum. A program that reads a file and writes it
// again keeps names and values, but not the order of the metadata or the
// padding.
FileError WrongChecksum(bool our_form, std::string_view computed,
                        std::string_view stored) {
  return Refuse(
      Text("the checksum is ", computed, ", the file says ", Quoted(stored),
           our_form ? "; it is damaged, restore it from a copy"
                    : "; another program changed it or saved it again "
                      "after temper wrote it, so nobody vouches for its "
                      "values: use the file that temper wrote"));
}

// Keys in ascending order and values at a multiple of 64: see model_writer.cc.
bool HasOurForm(const SafetensorsView& view) {
  return view.data_offset % 64 == 0 &&
         std::is_sorted(
             view.metadata.begin(), view.metadata.end(),
             [](const SafetensorsMetadata& a, const SafetensorsMetadata& b) {
               return a.key < b.key;
             });
}

constexpr std::string_view kNoDigits = "0000000000000000";
constexpr std::string_view kColumns = "columns";  // the one that may be absent

// Hashes a file from front to back, with the checksum's digits as '0'.
class FileHash {
 public:
  explicit FileHash(uint64_t digits_offset) : digits_(digits_offset) {}

  void Update(const void* data, size_t size) {
    const char* bytes = static_cast<const char*>(data);
    while (size > 0) {
      uint64_t run = size;
      const bool inside =
          offset_ >= digits_ && offset_ < digits_ + kNoDigits.size();
      if (inside) {
        run = std::min<uint64_t>(run, digits_ + kNoDigits.size() - offset_);
      } else if (offset_ < digits_) {
        run = std::min<uint64_t>(run, digits_ - offset_);
      }
      hash_.Update(inside ? kNoDigits.data() : bytes, static_cast<size_t>(run));
      offset_ += run;
      bytes += run;
      size -= static_cast<size_t>(run);
    }
  }
  uint64_t Digest() const { return hash_.Digest(); }
  std::array<char, 16> Digits() const { return HexDigits(Digest()); }

 private:
  const uint64_t digits_;
  uint64_t offset_ = 0;
  Xxh3 hash_;
};

constexpr size_t kBlock = 4096;  // values at a time

FileError Unreadable() { return {StatusCode::kIoError, "cannot read it"}; }

// Updates `hash` with the bytes [0, end) of the file.
FileError HashUpTo(const ByteReader& file, uint64_t end, FileHash* hash) {
  float block[kBlock];
  for (uint64_t at = 0; at < end;) {
    const size_t n =
        static_cast<size_t>(std::min<uint64_t>(end - at, sizeof(block)));
    if (!file.read(file.context, at, block, n)) return Unreadable();
    hash->Update(block, n);
    at += n;
  }
  return {};
}

// An error in a file whose checksum is wrong, too, is only a consequence.
FileError UnlessDamaged(const ByteReader& file, uint64_t file_bytes,
                        const SafetensorsView& view, FileError error) {
  const SafetensorsMetadata* stored = view.FindMetadata("checksum");
  if (error.ok() || stored == nullptr || stored->bytes != kNoDigits.size()) {
    return error;
  }
  FileHash hash(stored->offset);
  TEMPER_RETURN_IF_FILE_ERROR(HashUpTo(file, file_bytes, &hash));
  const auto digits = hash.Digits();
  const std::string_view computed(digits.data(), digits.size());
  return computed == stored->value
             ? error
             : WrongChecksum(HasOurForm(view), computed, stored->value);
}

FileError CheckKeys(const SafetensorsView& view) {
  constexpr std::string_view kKeys[] = {"checksum", "classes", "format_version",
                                        "graph", "preprocessing"};
  for (const SafetensorsMetadata& entry : view.metadata) {
    const bool known = (entry.key.starts_with(kTrainingPrefix) &&
                        entry.key.size() > kTrainingPrefix.size()) ||
                       entry.key == kColumns ||
                       std::find(std::begin(kKeys), std::end(kKeys),
                                 entry.key) != std::end(kKeys);
    if (!known) return Refuse(Text("unknown metadata ", Quoted(entry.key)));
  }
  for (const std::string_view key : kKeys) {
    if (view.FindMetadata(key) == nullptr) {
      return Refuse(Text("no metadata ", Quoted(key)));
    }
  }
  const SafetensorsMetadata* checksum = view.FindMetadata("checksum");
  if (checksum->bytes != kNoDigits.size()) {
    return Refuse(Text("the checksum ", Quoted(checksum->value),
                       " does not have 16 digits"));
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

}  // namespace

bool IsModelFile(const SafetensorsView& view) {
  return view.FindMetadata("format_version") != nullptr &&
         view.FindMetadata("checksum") != nullptr &&
         view.FindMetadata("graph") != nullptr;
}

uint64_t FileChecksum(std::span<const uint8_t> file, uint64_t digits_offset) {
  FileHash hash(digits_offset);
  hash.Update(file.data(), file.size());
  return hash.Digest();
}

namespace {

// The metadata of a file whose version is known to be ours.
FileError ReadDescription(const SafetensorsView& view, Budget* budget,
                          ModelHeader* header) {
  TEMPER_RETURN_IF_FILE_ERROR(CheckKeys(view));
  if (!budget->Take(view)) return TooSmall();
  TEMPER_RETURN_IF_FILE_ERROR(ReadGraphJson(view.FindMetadata("graph")->value,
                                            &header->graph, *budget->left()));
  if (!budget->Take(header->graph.nodes.size() * sizeof(Node))) {
    return TooSmall();
  }
  TEMPER_RETURN_IF_FILE_ERROR(ReadPreprocessing(
      view.FindMetadata("preprocessing")->value, &header->preprocessing));
  TEMPER_RETURN_IF_FILE_ERROR(
      CheckPreprocessing(header->preprocessing, header->graph));
  TEMPER_RETURN_IF_FILE_ERROR(ReadClasses(view.FindMetadata("classes")->value,
                                          budget, &header->classes));
  TEMPER_RETURN_IF_FILE_ERROR(CheckClasses(header->classes, header->graph));
  if (const auto* columns = view.FindMetadata(kColumns)) {
    TEMPER_RETURN_IF_FILE_ERROR(
        ReadColumns(columns->value, budget->left(), &header->columns));
    TEMPER_RETURN_IF_FILE_ERROR(CheckColumns(header->columns, header->graph));
  }
  for (const SafetensorsMetadata& entry : view.metadata) {
    if (!entry.key.starts_with(kTrainingPrefix)) continue;
    if (!budget->Take(kMapNodeBytes + entry.key.size() + entry.value.size())) {
      return TooSmall();
    }
    header->training.emplace(entry.key.substr(kTrainingPrefix.size()),
                             entry.value);
  }
  return MatchTensors(view, header->graph, *budget->left(), &header->weights,
                      &header->optimizer_state);
}

FileError ReadHeader(const ByteReader& file, uint64_t file_bytes,
                     SafetensorsView view, ModelHeader* header) {
  TEMPER_RETURN_IF_FILE_ERROR(CheckVersion(view));
  Budget budget(file_bytes);
  ModelHeader read;
  TEMPER_RETURN_IF_FILE_ERROR(UnlessDamaged(
      file, file_bytes, view, ReadDescription(view, &budget, &read)));
  const SafetensorsMetadata* checksum = view.FindMetadata("checksum");
  read.file_bytes = file_bytes;
  read.data_offset = view.data_offset;
  read.checksum_offset = checksum->offset;
  read.checksum = checksum->value;
  read.our_form = HasOurForm(view);
  read.names = std::move(view.names);  // stays where it is
  *header = std::move(read);
  return {};
}

}  // namespace

FileError ReadModelHeader(const ByteReader& file, uint64_t file_bytes,
                          ModelHeader* header) {
  SafetensorsView view;
  TEMPER_RETURN_IF_FILE_ERROR(ReadSafetensors(file, file_bytes, &view));
  return ReadHeader(file, file_bytes, std::move(view), header);
}

FileError ReadModelTensors(const ByteReader& file, const ModelHeader& header,
                           const TensorSink& sink) {
  FileHash hash(header.checksum_offset);
  TEMPER_RETURN_IF_FILE_ERROR(HashUpTo(file, header.data_offset, &hash));
  float block[kBlock];
  FileError bad;
  const auto read = [&](const StoredTensor& tensor, bool state) -> FileError {
    uint64_t wrong = 0, where = 0;
    for (uint64_t first = 0; first < tensor.count;) {
      const size_t n =
          static_cast<size_t>(std::min<uint64_t>(kBlock, tensor.count - first));
      if (!file.read(file.context, tensor.offset + first * sizeof(float), block,
                     n * sizeof(float))) {
        return Unreadable();
      }
      hash.Update(block, n * sizeof(float));
      uint64_t at = 0;
      const uint64_t count = CountBad(tensor.rule, block, n, &at);
      if (count != 0 && wrong == 0) where = first + at;
      wrong += count;
      if (count == 0 && bad.ok()) {
        sink.take(sink.context, tensor, state, first, block, n);
      }
      first += n;
    }
    if (wrong != 0 && bad.ok()) {
      bad = Refuse(Text("tensor ", Quoted(tensor.name), ": ", wrong, " of ",
                        tensor.count, " values are not ", RuleText(tensor.rule),
                        ", the first at index ", where));
    }
    return {};
  };
  for (const StoredTensor& tensor : header.weights) {
    TEMPER_RETURN_IF_FILE_ERROR(read(tensor, false));
  }
  for (const StoredTensor& tensor : header.optimizer_state) {
    TEMPER_RETURN_IF_FILE_ERROR(read(tensor, true));
  }
  // Values that a damaged file must not have are a consequence of the damage.
  const auto digits = hash.Digits();
  const std::string_view computed(digits.data(), digits.size());
  if (computed != header.checksum) {
    return WrongChecksum(header.our_form, computed, header.checksum);
  }
  return bad;
}

FileError LoadModelFile(std::span<const uint8_t> file, ModelFile* model) {
  SafetensorsView view;
  TEMPER_RETURN_IF_FILE_ERROR(ParseSafetensors(file, &view));
  auto memory = file;
  const ByteReader reader = {
      [](void* context, uint64_t offset, void* to, size_t size) {
        const auto& bytes = *static_cast<std::span<const uint8_t>*>(context);
        if (offset > bytes.size() || size > bytes.size() - offset) return false;
        std::memcpy(to, bytes.data() + offset, size);
        return true;
      },
      &memory};
  ModelHeader header;
  TEMPER_RETURN_IF_FILE_ERROR(
      ReadHeader(reader, file.size(), std::move(view), &header));
  Budget budget(file.size());
  uint64_t kept = header.names.size() +
                  header.graph.nodes.size() * sizeof(Node) +
                  header.weights.size() * sizeof(StoredTensor) +
                  header.optimizer_state.size() * sizeof(StoredTensor);
  for (const std::string& name : header.classes) {
    kept += sizeof(name) + name.size() + Budget::kBlock;
  }
  for (const TableColumn& column : header.columns) {
    kept += sizeof(column) + column.name.size() + Budget::kBlock;
    for (const std::string& value : column.values) {
      kept += sizeof(value) + value.size() + Budget::kBlock;
    }
  }
  for (const auto& [key, value] : header.training) {
    kept += kMapNodeBytes + key.size() + value.size();
  }
  bool fits = budget.Take(kept);
  ModelFile loaded;
  const auto make = [&](const std::vector<StoredTensor>& from,
                        std::vector<ModelTensor>* to) {
    for (const StoredTensor& tensor : from) {
      fits = fits &&
             budget.Take(sizeof(ModelTensor) + tensor.name.size() +
                         tensor.count * sizeof(float) +
                         tensor.rank * sizeof(uint32_t) + 3 * Budget::kBlock);
    }
    if (!fits) return;
    to->reserve(from.size());
    for (const StoredTensor& tensor : from) {
      to->push_back({std::string(tensor.name),
                     {tensor.shape().begin(), tensor.shape().end()},
                     std::vector<float>(static_cast<size_t>(tensor.count))});
    }
  };
  make(header.weights, &loaded.weights);
  make(header.optimizer_state, &loaded.optimizer_state);
  if (!fits) return TooSmall();
  struct Place {
    const ModelHeader& header;
    ModelFile& model;
  } place{header, loaded};
  TEMPER_RETURN_IF_FILE_ERROR(ReadModelTensors(
      reader, header,
      {[](void* context, const StoredTensor& tensor, bool state, uint64_t first,
          const float* values, size_t count) {
         const Place& to = *static_cast<Place*>(context);
         const auto& list =
             state ? to.header.optimizer_state : to.header.weights;
         auto& out = state ? to.model.optimizer_state : to.model.weights;
         ModelTensor& at = out[static_cast<size_t>(&tensor - list.data())];
         std::copy(values, values + count,
                   at.values.begin() + static_cast<ptrdiff_t>(first));
       },
       &place}));
  static_cast<ModelDescription&>(loaded) =
      static_cast<ModelDescription&&>(header);
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
