// The safetensors parser. See safetensors.h.
#include "models/files/safetensors.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "models/files/json.h"

namespace temper {
namespace {

using Token = JsonReader::Token;

struct TypeRow {
  const char* name;
  uint32_t bits;
};
constexpr TypeRow kTypes[] = {
    {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
    {"I32", 32},    {"U32", 32}, {"F32", 32}, {"I64", 64},    {"U64", 64},
    {"F64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
};
static_assert(std::size(kTypes) ==
              static_cast<size_t>(SafetensorsType::kCount));

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr size_t kLengthBytes = 8;

FileError Refuse(uint64_t file_offset, std::string_view why,
                 std::string_view remedy =
                     "the file is damaged or not a safetensors file; make or "
                     "fetch it again") {
  return {StatusCode::kBadFile,
          Text("safetensors: byte ", file_offset, ": ", why, "; ", remedy)};
}

std::string ShapeText(const SafetensorsTensor& tensor) {
  std::string out = "(";
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    if (i != 0) out += ", ";
    AppendText(&out, tensor.dims[i]);
  }
  return out + ")";
}

// a * b, or false if it does not fit.
bool Multiply(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}

// Bytes of a tensor with this type and shape. Zeros do not hide an overflow of
// the other dimensions.
bool ByteCount(const SafetensorsTensor& tensor, uint64_t* bytes) {
  uint64_t count = 1;
  bool empty = false;
  for (const uint64_t d : tensor.shape()) {
    if (d == 0) {
      empty = true;
    } else if (!Multiply(count, d, &count)) {
      return false;
    }
  }
  uint64_t bits;
  if (!Multiply(count, SafetensorsTypeBits(tensor.type), &bits)) return false;
  if (bits % 8 != 0) return false;
  *bytes = empty ? 0 : bits / 8;
  return true;
}

class HeaderParser {
 public:
  HeaderParser(std::string_view header, uint64_t file_bytes)
      : header_(header),
        data_bytes_(file_bytes - kLengthBytes - header.size()),
        reader_(header) {}

  FileError Parse(SafetensorsView* view) {
    view_ = nullptr;
    TEMPER_RETURN_IF_FILE_ERROR(Pass());
    // Everything that stands on its own is good, and its size is known.
    view->tensors.reserve(tensors_);
    view->metadata.reserve(entries_);
    view->names.reserve(name_bytes_);
    view->data_offset = kLengthBytes + header_.size();
    view_ = view;
    reader_ = JsonReader(header_);
    TEMPER_RETURN_IF_FILE_ERROR(Pass());
    TEMPER_RETURN_IF_FILE_ERROR(CheckLayout());
    return CheckUnique();
  }

 private:
  FileError Error(std::string_view why) const {
    const std::string where =
        tensor_.empty() ? "" : Text("tensor ", Quoted(tensor_), ": ");
    return Refuse(kLengthBytes + reader_.offset(), Text(where, why));
  }
  // The token is not the wanted one: bad JSON, or good JSON of another shape.
  FileError Unexpected(std::string_view wanted) const {
    if (reader_.token() == Token::kError) return Error(reader_.error());
    return Error(Text("expected ", wanted));
  }

  FileError Pass() {
    tensors_ = entries_ = 0;
    name_bytes_ = 0;
    if (reader_.Next() != Token::kBeginObject) return Unexpected("an object");
    bool metadata_seen = false;
    while (reader_.Next() == Token::kKey) {
      if (!JsonEquals(reader_.text(), kMetadataKey)) {
        TEMPER_RETURN_IF_FILE_ERROR(Tensor());
        continue;
      }
      if (metadata_seen) return Error("two keys \"__metadata__\"");
      metadata_seen = true;
      TEMPER_RETURN_IF_FILE_ERROR(Metadata());
    }
    if (reader_.token() != Token::kEndObject) return Unexpected("a key");
    if (reader_.Next() != Token::kEnd) return Unexpected("the end");
    return {};
  }

  FileError Metadata() {
    if (reader_.Next() != Token::kBeginObject) {
      return Unexpected("an object as \"__metadata__\"");
    }
    while (reader_.Next() == Token::kKey) {
      if (entries_ == limits::kMetadataEntries) {
        return Error(Text("more than ", limits::kMetadataEntries,
                          " entries in \"__metadata__\""));
      }
      ++entries_;
      const std::string_view key = reader_.text();
      const size_t key_bytes = JsonDecodedSize(key);
      if (key_bytes == 0 || key_bytes > limits::kNameBytes) {
        return Error(Text("a metadata key must have 1 to ", limits::kNameBytes,
                          " bytes, this one has ", key_bytes));
      }
      if (reader_.Next() != Token::kString) {
        return Unexpected(Text("a string as metadata ", Quoted(key)));
      }
      if (view_ == nullptr) continue;
      SafetensorsMetadata entry;
      entry.key = JsonDecode(key);
      if (view_->FindMetadata(entry.key) != nullptr) {
        return Error(Text("two metadata keys ", Quoted(entry.key)));
      }
      entry.value = JsonDecode(reader_.text());
      entry.offset = kLengthBytes + reader_.offset() + 1;
      entry.bytes = reader_.text().size();
      view_->metadata.push_back(std::move(entry));
    }
    return reader_.token() == Token::kEndObject ? FileError{}
                                                : Unexpected("a metadata key");
  }

  // The key has just been read.
  FileError Tensor() {
    const std::string_view key = reader_.text();
    const size_t key_bytes = JsonDecodedSize(key);
    if (key_bytes == 0 || key_bytes > limits::kNameBytes) {
      return Error(Text("a tensor's name must have 1 to ", limits::kNameBytes,
                        " bytes, this one has ", key_bytes));
    }
    if (tensors_ == limits::kTensors) {
      return Error(Text("more than ", limits::kTensors, " tensors"));
    }
    tensor_ = key;
    ++tensors_;
    name_bytes_ += key_bytes;
    SafetensorsTensor tensor;
    if (reader_.Next() != Token::kBeginObject) {
      return Unexpected("an object");
    }
    bool type = false, shape = false, range = false;
    const auto once = [](bool* seen) { return !std::exchange(*seen, true); };
    while (reader_.Next() == Token::kKey) {
      const std::string_view field = reader_.text();
      bool first;
      FileError error;
      if (JsonEquals(field, "dtype")) {
        if ((first = once(&type))) error = Type(&tensor);
      } else if (JsonEquals(field, "shape")) {
        if ((first = once(&shape))) error = Shape(&tensor);
      } else if (JsonEquals(field, "data_offsets")) {
        if ((first = once(&range))) error = Range(&tensor);
      } else {
        return Error(Text("unknown key ", Quoted(field)));
      }
      if (!first) return Error(Text("two keys ", Quoted(field)));
      if (!error.ok()) return error;
    }
    if (reader_.token() != Token::kEndObject) {
      return Unexpected("a key");
    }
    if (!type || !shape || !range) {
      return Error(Text("no \"",
                        !type    ? "dtype"
                        : !shape ? "shape"
                                 : "data_offsets",
                        "\""));
    }
    uint64_t bytes;
    if (!ByteCount(tensor, &bytes)) {
      return Error(Text("the size of shape ", ShapeText(tensor), " of ",
                        SafetensorsTypeName(tensor.type),
                        " overflows or is no whole number of bytes"));
    }
    if (bytes != tensor.bytes) {
      return Error(Text("shape ", ShapeText(tensor), " of ",
                        SafetensorsTypeName(tensor.type), " needs ", bytes,
                        " bytes, \"data_offsets\" hold ", tensor.bytes));
    }
    tensor_ = {};
    if (view_ == nullptr) return {};
    const size_t at = view_->names.size();
    view_->names.resize(at + key_bytes);  // within the capacity: stays put
    JsonDecodeTo(key, view_->names.data() + at);
    tensor.name = std::string_view(view_->names.data() + at, key_bytes);
    tensor.offset += view_->data_offset;
    view_->tensors.push_back(tensor);
    return {};
  }

  FileError Type(SafetensorsTensor* tensor) {
    if (reader_.Next() != Token::kString) {
      return Unexpected("a string as \"dtype\"");
    }
    for (size_t i = 0; i < std::size(kTypes); ++i) {
      if (JsonEquals(reader_.text(), kTypes[i].name)) {
        tensor->type = static_cast<SafetensorsType>(i);
        return {};
      }
    }
    return Error(Text("unknown dtype ", Quoted(reader_.text())));
  }

  FileError Shape(SafetensorsTensor* tensor) {
    if (reader_.Next() != Token::kBeginArray) {
      return Unexpected("an array as \"shape\"");
    }
    while (reader_.Next() == Token::kNumber) {
      if (tensor->rank == limits::kRank) {
        return Error(Text("more than ", limits::kRank, " dimensions"));
      }
      if (!JsonUint(reader_.text(), &tensor->dims[tensor->rank++])) {
        return Error(Text("dimension ", Quoted(reader_.text()),
                          " is not a whole number from 0 to 2^64 - 1"));
      }
    }
    return reader_.token() == Token::kEndArray
               ? FileError{}
               : Unexpected("numbers in \"shape\"");
  }

  FileError Range(SafetensorsTensor* tensor) {
    if (reader_.Next() != Token::kBeginArray) {
      return Unexpected("an array as \"data_offsets\"");
    }
    uint64_t ends[2];
    for (uint64_t& end : ends) {
      if (reader_.Next() != Token::kNumber) {
        return Unexpected("two numbers in \"data_offsets\"");
      }
      if (!JsonUint(reader_.text(), &end)) {
        return Error(Text("offset ", Quoted(reader_.text()),
                          " is not a whole number from 0 to 2^64 - 1"));
      }
    }
    if (reader_.Next() != Token::kEndArray) {
      return Unexpected("two numbers in \"data_offsets\"");
    }
    if (ends[0] > ends[1] || ends[1] > data_bytes_) {
      return Error(Text("\"data_offsets\" [", ends[0], ", ", ends[1],
                        "] do not lie within the ", data_bytes_,
                        " bytes of data"));
    }
    tensor->offset = ends[0];
    tensor->bytes = ends[1] - ends[0];
    return {};
  }

  // Sorts the tensors by place; together they must cover the data area.
  FileError CheckLayout() {
    std::sort(view_->tensors.begin(), view_->tensors.end(),
              [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
                return std::tie(a.offset, a.bytes, a.name) <
                       std::tie(b.offset, b.bytes, b.name);
              });
    uint64_t next = view_->data_offset;
    for (const SafetensorsTensor& tensor : view_->tensors) {
      if (tensor.offset != next) {
        return Refuse(std::min(tensor.offset, next),
                      Text("tensor ", Quoted(tensor.name),
                           tensor.offset < next ? " overlaps the one before it"
                                                : " leaves a hole before it"));
      }
      next += tensor.bytes;
    }
    const uint64_t end = view_->data_offset + data_bytes_;
    if (next != end) {
      return Refuse(next, Text(end - next, " bytes that belong to no tensor"));
    }
    return {};
  }

  FileError CheckUnique() {
    std::vector<uint32_t> order(view_->tensors.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto name = [&](uint32_t i) { return view_->tensors[i].name; };
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return name(a) < name(b); });
    for (size_t i = 1; i < order.size(); ++i) {
      if (name(order[i - 1]) == name(order[i])) {
        return Refuse(kLengthBytes,
                      Text("two tensors are named ", Quoted(name(order[i]))));
      }
    }
    return {};
  }

  std::string_view header_;
  uint64_t data_bytes_;
  JsonReader reader_;
  std::string_view tensor_;          // the one being read, for messages
  SafetensorsView* view_ = nullptr;  // null in the first pass
  uint32_t tensors_ = 0, entries_ = 0;
  size_t name_bytes_ = 0;
};

// The length that a file of `file_bytes` bytes begins with; it fits the file.
FileError HeaderLength(const uint8_t (&first)[kLengthBytes],
                       uint64_t file_bytes, uint64_t* length) {
  if (file_bytes < kLengthBytes) {
    return Refuse(file_bytes, Text("the file has only ", file_bytes, " bytes"));
  }
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i)
    value |= uint64_t{first[i]} << (8 * i);
  if (value > limits::kHeaderBytes) {
    return Refuse(0, Text("the header length is ", value, ", the limit is ",
                          limits::kHeaderBytes));
  }
  if (value > file_bytes - kLengthBytes) {
    return Refuse(0, Text("the header length is ", value, ", but only ",
                          file_bytes - kLengthBytes, " bytes follow"));
  }
  *length = value;
  return {};
}

}  // namespace

const char* SafetensorsTypeName(SafetensorsType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

uint32_t SafetensorsTypeBits(SafetensorsType type) {
  return kTypes[static_cast<size_t>(type)].bits;
}

const SafetensorsTensor* SafetensorsView::Find(std::string_view name) const {
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

const SafetensorsMetadata* SafetensorsView::FindMetadata(
    std::string_view key) const {
  for (const SafetensorsMetadata& entry : metadata) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

FileError ParseSafetensorsHeader(std::string_view header, uint64_t file_bytes,
                                 SafetensorsView* view) {
  if (header.size() > limits::kHeaderBytes) {
    return Refuse(0, Text("the header has ", header.size(),
                          " bytes, the limit is ", limits::kHeaderBytes));
  }
  if (file_bytes < kLengthBytes || header.size() > file_bytes - kLengthBytes) {
    return Refuse(0, Text("the header has ", header.size(), " bytes, the file ",
                          file_bytes));
  }
  if (header.empty() || header[0] != '{') {
    return Refuse(kLengthBytes, "the header does not begin with '{'");
  }
  SafetensorsView parsed;
  TEMPER_RETURN_IF_FILE_ERROR(HeaderParser(header, file_bytes).Parse(&parsed));
  *view = std::move(parsed);
  return {};
}

FileError ParseSafetensors(std::span<const uint8_t> file,
                           SafetensorsView* view) {
  uint8_t first[kLengthBytes] = {};
  std::copy_n(file.data(), std::min(file.size(), kLengthBytes), first);
  uint64_t length = 0;
  TEMPER_RETURN_IF_FILE_ERROR(HeaderLength(first, file.size(), &length));
  // Characters may alias any bytes.
  const std::string_view header(
      reinterpret_cast<const char*>(file.data()) + kLengthBytes,
      static_cast<size_t>(length));
  return ParseSafetensorsHeader(header, file.size(), view);
}

FileError ReadSafetensors(const ByteReader& file, uint64_t file_bytes,
                          SafetensorsView* view) {
  const FileError unreadable = {StatusCode::kIoError, "cannot read it"};
  uint8_t first[kLengthBytes] = {};
  if (file_bytes >= kLengthBytes &&
      !file.read(file.context, 0, first, kLengthBytes)) {
    return unreadable;
  }
  uint64_t length = 0;
  TEMPER_RETURN_IF_FILE_ERROR(HeaderLength(first, file_bytes, &length));
  std::string header(static_cast<size_t>(length), '\0');
  if (!file.read(file.context, kLengthBytes, header.data(), header.size())) {
    return unreadable;
  }
  return ParseSafetensorsHeader(header, file_bytes, view);
}

}  // namespace temper
