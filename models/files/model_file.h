// A model, or a checkpoint of its training, as one safetensors file that any
// safetensors library opens. Everything else is in __metadata__:
//
//   "format_version"   "1"
//   "checksum"         XXH3-64 of the file with these 16 digits set to '0'
//   "graph"            graph_json.h
//   "preprocessing"    {"version":1,"h":..,"w":..,"c":..,"element_type":"u8",
//                      "scale":..,"kind":"mean_std"}
//   "classes"          ["cat","dog"], or []
//   "columns"          of a model of tables alone: columns.h
//   "training.<key>"   text: counters, optimizer, schedule, ...
//   (ModelDescription::training)
//
// Tensors, all F32: the weights "<node>.<weight>" first, then the optimizer's
// state "optimizer.<state>.<node>.<weight>". Nothing depends on time, host,
// path, target or threads, so equal training makes equal files. The data area
// starts at a multiple of 64 bytes.
//
// Reading is done in two parts, so that a model goes from its file to where it
// is used without a copy on the heap: ReadModelHeader checks everything but
// values, ReadModelTensors hands the values over and checks them and the
// checksum on the way. Both refuse whatever writing would not have produced: a
// tensor that the graph does not need, one it lacks or of another shape, more
// class names than outputs, NaN, unknown keys, preprocessing that contradicts
// the graph, damage.
// Next: model_writer.h (saving), tensor_names.h, preprocessing.h, safetensors.h
// (the container), ports/host/train/model_source.h (a file on disk).
#ifndef TEMPER_MODELS_FILES_MODEL_FILE_H_
#define TEMPER_MODELS_FILES_MODEL_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/files/columns.h"
#include "models/files/error.h"
#include "models/files/preprocessing.h"
#include "models/files/safetensors.h"
#include "models/files/tensor_names.h"
#include "temper/graph.h"
#include "temper/model_file.h"
#include "temper/plan.h"

namespace temper {

inline constexpr uint32_t kModelFormatVersion = 1;
inline constexpr std::string_view kTrainingPrefix = "training.";

struct ModelTensor {
  std::string name;
  std::vector<uint32_t> dims;  // row major; none for a single number
  std::vector<float> values;
};

// A tensor as the header describes it.
struct StoredTensor {
  std::string_view name;  // owned by the header
  uint32_t dims[kMaxRank] = {};
  uint32_t rank = 0;
  // The weight it is, or whose optimizer state it is: of Graph::nodes[node].
  uint32_t node = 0, slot = 0;
  ValueRule rule = ValueRule::kFinite;
  uint64_t offset = 0;  // of its first value, from the start of the file
  uint64_t count = 0;   // of values

  std::span<const uint32_t> shape() const { return {dims, rank}; }
};

// Everything in a model file but the values.
struct ModelHeader : ModelDescription {
  // One for each weight that the graph needs (VisitWeights), in file order.
  std::vector<StoredTensor> weights;
  std::vector<StoredTensor> optimizer_state;  // in file order
  uint64_t file_bytes = 0;
  uint64_t data_offset = 0;      // where the header ends and values begin
  uint64_t checksum_offset = 0;  // of its 16 digits
  std::string checksum;
  bool our_form = true;     // laid out as temper writes it
  std::vector<char> names;  // what StoredTensor::name points into

  ModelHeader() = default;
  ModelHeader(ModelHeader&&) = default;
  ModelHeader& operator=(ModelHeader&&) = default;
};

// The header of one of our own files of `file_bytes` bytes. `header` is only
// changed on success. kBadFile: not ours, damaged, or changed by another
// program; kUnsupported: another format version; kShapeMismatch: tensors that
// are not those of the graph; kMismatch: preprocessing or classes that
// contradict it; kIoError; otherwise the error of Graph::Check. Allocates at
// most what limits.h allows for a file of this size, and the header's text.
FileError ReadModelHeader(const ByteReader& file, uint64_t file_bytes,
                          ModelHeader* header);

// Takes `count` values of a tensor, from number `first` on. Values come in file
// order, each once.
struct TensorSink {
  void (*take)(void* context, const StoredTensor& tensor, bool state,
               uint64_t first, const float* values, size_t count) = nullptr;
  void* context = nullptr;
};

// Hands over the values of all tensors and then compares the checksum; on an
// error the values passed so far must not be used. kBadFile: damage, or a value
// that its tensor must not have; kIoError. Allocates nothing on success.
FileError ReadModelTensors(const ByteReader& file, const ModelHeader& header,
                           const TensorSink& sink);

// A model in memory: for tests and small tools. Large ones are read in the two
// parts above.
struct ModelFile : ModelDescription {
  std::vector<ModelTensor> weights;          // in file order
  std::vector<ModelTensor> optimizer_state;  // in file order
};

// Both parts at once. `model` is only changed on success.
FileError LoadModelFile(std::span<const uint8_t> file, ModelFile* model);

// A model as a file in memory; the same bytes as ModelWriter. The message of an
// error names the tensor or field.
FileError SaveModelFile(const ModelFile& model, std::vector<uint8_t>* file);

// Whether the tensors of a file are those of the graph: all of them, no other,
// of the right shape and type, weights before optimizer state. kShapeMismatch
// or kBadFile with the tensor's name. The one rule of readers and writers.
// Fills the lists; allocates at most max_bytes.
FileError MatchTensors(const SafetensorsView& view, const Graph& graph,
                       uint64_t max_bytes, std::vector<StoredTensor>* weights,
                       std::vector<StoredTensor>* optimizer_state);

// kMismatch: more class names than the graph has outputs, one name twice, or
// names for a graph that is no classifier.
FileError CheckClasses(std::span<const std::string> classes,
                       const Graph& graph);

// A file of any writer: its F32 tensors with their values, finite or not at
// all; the names of tensors of other types go to `skipped` (may be null). The
// rest of the file's header is in ParseSafetensors' view.
FileError LoadTensors(std::span<const uint8_t> file,
                      std::vector<ModelTensor>* tensors,
                      std::vector<std::string>* skipped);

// True if the file says it is ours; it may still be damaged.
bool IsModelFile(const SafetensorsView& view);

// The checksum a file should have, with the 16 digits at `digits_offset` read
// as '0'.
uint64_t FileChecksum(std::span<const uint8_t> file, uint64_t digits_offset);

// SHA-256 of the weights' part of the data area, in file order: 64 digits. The
// optimizer's state after it does not count, so a checkpoint and the model
// exported from it have the same one.
std::string WeightsSha256(std::span<const ModelTensor> weights);

}  // namespace temper

#endif  // TEMPER_MODELS_FILES_MODEL_FILE_H_
