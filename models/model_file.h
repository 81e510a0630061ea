// A model, or a checkpoint of its training, as one safetensors file that any
// safetensors library opens. What is not a tensor stands in __metadata__:
//
//   "format_version"   "1"
//   "checksum"         XXH3-64 of the file with these 16 digits set to '0'
//   "graph"            graph_json.h
//   "preprocessing"    {"version":1,"h":..,"w":..,"c":..,"element_type":"u8",
//                      "scale":..,"kind":"mean_std"}
//   "classes"          ["cat","dog"], or []
//   "training.<key>"   text: counters, optimizer, schedule, ...
//   (ModelDescription::training)
//
// Tensors, all F32: the weights "<node>.<weight>" first, then the optimizer's
// state "optimizer.<state>.<node>.<weight>". Nothing depends on time, host,
// path, target or threads, so equal training makes equal files. The data area
// starts at a multiple of 64 bytes.
//
// Loading refuses whatever writing would not have produced: damage, NaN,
// unknown keys, tensors of no node, preprocessing that contradicts the graph.
// Next: model_writer.h (saving), tensor_names.h, preprocessing.h, safetensors.h
// (the container).
#ifndef TEMPER_MODELS_MODEL_FILE_H_
#define TEMPER_MODELS_MODEL_FILE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/error.h"
#include "models/preprocessing.h"
#include "models/safetensors.h"
#include "temper/graph.h"

namespace temper {

inline constexpr uint32_t kModelFormatVersion = 1;
inline constexpr std::string_view kTrainingPrefix = "training.";

struct ModelTensor {
  std::string name;
  std::vector<uint32_t> dims;  // row major; none for a single number
  std::vector<float> values;
};

// Everything in a model file that is not a tensor.
struct ModelDescription {
  Graph graph;
  Preprocessing preprocessing;
  std::vector<std::string> classes;
  std::map<std::string, std::string> training;
};

struct ModelFile : ModelDescription {
  std::vector<ModelTensor> weights;          // in file order
  std::vector<ModelTensor> optimizer_state;  // in file order
};

// The whole of one of our own files. `model` is only changed on success. All
// values are finite; every tensor belongs to a node; names and shapes are not
// compared with what the nodes need: see CheckTensors.
// kUnsupported: another format version. kMismatch: preprocessing and graph
// contradict each other. Otherwise what Graph::Check says, or kBadFile.
FileError LoadModelFile(std::span<const uint8_t> file, ModelFile* model);

// A model as a file in memory; the same bytes as ModelWriter. The message of an
// error names the tensor or field.
FileError SaveModelFile(const ModelFile& model, std::vector<uint8_t>* file);

// What a plan needs: each expected tensor there with these dims, and no other.
struct ExpectedTensor {
  std::string name;
  std::vector<uint32_t> dims;
};
FileError CheckTensors(std::span<const ModelTensor> tensors,
                       std::span<const ExpectedTensor> expected);

// A file of any writer: its F32 tensors with their values, finite or not at
// all; the names of tensors of other types go to `skipped` (may be null). What
// else the file says is in ParseSafetensors' view.
FileError LoadTensors(std::span<const uint8_t> file,
                      std::vector<ModelTensor>* tensors,
                      std::vector<std::string>* skipped);

// True if the file says it is ours; it may still be damaged.
bool IsModelFile(const SafetensorsView& view);

// The checksum a file should have, with the 16 digits at `digits_offset` read
// as '0'.
uint64_t FileChecksum(std::span<const uint8_t> file, uint64_t digits_offset);

// SHA-256 of the weights' part of the data area, in file order: 64 digits. The
// optimizer's state behind it does not count, so a checkpoint and the model
// exported from it have the same one.
std::string WeightsSha256(std::span<const ModelTensor> weights);

}  // namespace temper

#endif  // TEMPER_MODELS_MODEL_FILE_H_
