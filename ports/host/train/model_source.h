// ModelSource: a model file on disk, opened once. Its header is read and
// checked at once, its values later, straight into their destination: between
// the two, and after, only the header takes memory. Replacing the file in
// the meantime does no harm: the open one does not change.
// Next: models/files/model_file.h (the checks), job.cc (the user).
#ifndef TEMPER_PORTS_HOST_TRAIN_MODEL_SOURCE_H_
#define TEMPER_PORTS_HOST_TRAIN_MODEL_SOURCE_H_

#include <functional>
#include <span>
#include <string>

#include "models/files/model_file.h"
#include "ports/host/os/file_io.h"

namespace temper::host {

class ModelSource {
 public:
  // Throws Failure: kNotFound, kIo, kBadData (not ours, damaged or
  // changed), kMismatch (tensors or classes that do not fit the graph),
  // kUnsupported (another version).
  explicit ModelSource(const FilePlace& place);

  const ModelHeader& header() const { return header_; }
  const std::string& path() const { return path_; }

  // Hands over all values, a few thousand at a time, in file order; `state`:
  // of the optimizer. Throws Failure if the checksum is wrong or a value is
  // bad: then nothing that was handed over may be used.
  using Take = std::function<void(const StoredTensor& tensor, bool state,
                                  uint64_t first, std::span<const float>)>;
  void Read(const Take& take);

  // SHA-256 of the weights; reads the file.
  std::string WeightsSha256();

  // Bytes that a source holds while it lives, and that reading takes for a
  // moment.
  uint64_t MemoryBytes() const;

 private:
  std::string path_;
  ReadableFile file_;
  ModelHeader header_;
};

// True if the file begins as safetensors do: 8 bytes of length and a '{'.
bool IsSafetensors(const std::string& path);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_MODEL_SOURCE_H_
