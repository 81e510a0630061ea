// See model_source.h.
#include "ports/host/train/model_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/files/hash.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/file_format.h"

namespace temper::host {

ModelSource::ModelSource(const FilePlace& place) : path_(place.shown) {
  FileError error = file_.Open(place);
  if (error.ok()) {
    error = ReadModelHeader(file_.Reader(), file_.size(), &header_);
  }
  if (!file_.error().ok()) error = file_.error();
  if (error.ok()) return;
  // A picture or an archive by mistake is told what it is.
  uint8_t start[kFormatBytes];
  const size_t n =
      static_cast<size_t>(std::min<uint64_t>(file_.size(), sizeof(start)));
  if (error.code == StatusCode::kBadFile && n > 0 &&
      file_.ReadAt(0, start, n)) {
    const FileFormat format = RecognizeFormat({start, n});
    if (!format.name.empty() && format.kind != FormatKind::kTensors) {
      Fail(ErrorKind::kBadData, "not a model file", path_,
           fmt::format("it is {}", format.name),
           "Give a .safetensors file that temper wrote.");
    }
  }
  FailFile(error, path_);
}

void ModelSource::Read(const Take& take) {
  FileError error = ReadModelTensors(
      file_.Reader(), header_,
      {[](void* context, const StoredTensor& tensor, bool state, uint64_t first,
          const float* values, size_t count) {
         (*static_cast<const Take*>(context))(tensor, state, first,
                                              {values, count});
       },
       const_cast<Take*>(&take)});
  if (!file_.error().ok()) error = file_.error();
  if (!error.ok()) FailFile(error, path_);
}

std::string ModelSource::WeightsSha256() {
  Sha256 hash;
  Read([&](const StoredTensor&, bool state, uint64_t,
           std::span<const float> values) {
    if (!state) hash.Update(values.data(), values.size_bytes());
  });
  const auto digits = hash.Digest();
  return {digits.data(), digits.size()};
}

uint64_t ModelSource::MemoryBytes() const {
  // Its text, the same parsed, and the table of tensors.
  return 3 * header_.data_offset +
         (header_.weights.size() + header_.optimizer_state.size()) *
             sizeof(StoredTensor);
}

bool IsSafetensors(const std::string& path) {
  ReadableFile file;
  char bytes[9];
  return file.Open(path).ok() && file.size() >= sizeof(bytes) &&
         file.ReadAt(0, bytes, sizeof(bytes)) && bytes[8] == '{';
}

}  // namespace temper::host
