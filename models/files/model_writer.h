// Saving during training: everything about the file but the counters is settled
// once, and each save writes the same number of bytes to the same places
// without allocating. The file is that of model_file.h.
//
// A counter is a training field whose value changes from save to save, such as
// "step". It has a fixed width: a shorter value is followed by spaces after
// its closing quote, which JSON ignores.
//
// Write makes two passes over the tensors: values are checked and hashed, then
// the header with the checksum and the tensors go to the sink. Nothing is
// written if a value is not finite. Equal state gives equal bytes.
// Next: ports/files/files.h (a sink that survives a power cut).
#ifndef TEMPER_MODELS_FILES_MODEL_WRITER_H_
#define TEMPER_MODELS_FILES_MODEL_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/error.h"
#include "models/files/hash.h"
#include "models/files/model_file.h"
#include "models/files/tensor_names.h"

namespace temper {

struct TensorSource {
  std::string name;
  std::vector<uint32_t> dims;
  std::span<const float> values;  // stays where it is while the writer is used
};

struct CounterField {
  std::string name;  // read back as ModelDescription::training[name]
  uint32_t width;    // the most characters of a value, 1 to 255
};

class ModelWriter {
 public:
  // Settles the header. Refuses what LoadModelFile would refuse, except for
  // values, which are checked at each save.
  FileError Prepare(const ModelDescription& info,
                    std::span<const TensorSource> weights,
                    std::span<const TensorSource> optimizer_state,
                    std::span<const CounterField> counters);

  // One value per counter, in the order of Prepare: printable ASCII without '"'
  // and '\'. Allocates nothing.
  // kNotFinite: a tensor of node Status::node holds NaN or infinity.
  // kIoError: the sink refused. kInvalidArgument: a counter. kWrongState: not
  // prepared. Only kIoError may have written anything.
  Status Write(std::span<const std::string_view> counters,
               const ByteSink& sink);

  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t data_offset() const { return header_.size(); }

  // Of the weights as they are now. See WeightsSha256 in model_file.h.
  std::array<char, 64> WeightsSha256() const;

 private:
  struct Data {
    const float* values;
    uint64_t count;
    uint32_t node;
    ValueRule rule;
  };
  struct Slot {  // a counter's place: the opening quote
    size_t offset;
    uint32_t width;
  };

  void AppendMetadata(const ModelDescription& info, const std::string& graph,
                      std::span<const CounterField> counters);
  FileError AppendTensors(const Graph& graph,
                          std::span<const TensorSource> tensors, bool state,
                          uint64_t* data_bytes);

  std::vector<char> header_;  // with the 8 bytes of length, padded
  size_t checksum_offset_ = 0;
  std::vector<Data> data_;
  size_t weights_ = 0;  // the first so many of data_
  std::vector<Slot> slots_;
  uint64_t file_bytes_ = 0;
  Xxh3 hash_;
};

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_MODEL_WRITER_H_
