// Model files: a model in one safetensors file, as the command writes and reads
// them. Written and read here through memory or functions of the caller, without
// a file system; files.h does it by path. Part of the second library
// (temper::models; pkg-config temper-models), which uses the heap.
//
// Example, after trainer.h's:
//
//   temper::ModelDescription model;
//   model.graph = g;
//   model.preprocessing = temper::PreprocessingOf(g);
//   for (int i = 0; i < 10; ++i) model.classes.push_back(std::to_string(i));
//   std::vector<uint8_t> file;
//   temper::FileError error = temper::WriteModel(model, trainer, &file);
//   if (!error.ok()) return 4;  // error.message says what and where
//
//   temper::ModelReader reader;
//   error = reader.Open(file);
//   if (!error.ok()) return 5;
//   alignas(64) static uint8_t more[1 << 20];
//   temper::Plan same;
//   if (!temper::MakePlan(reader.description().graph, {}, &same).ok()) return 6;
//   temper::Trainer loaded;
//   if (!loaded.Create(same, more, sizeof(more)).ok()) return 7;
//   error = reader.ReadWeights(loaded);
//   if (!error.ok()) return 8;
//
// What a file may hold, and how much memory reading one may take, is checked:
// files of strangers are refused with a message, whatever is in them.
// Next: files.h, graph_edit.h (another number of classes), models.h.
#ifndef TEMPER_MODEL_FILE_H_
#define TEMPER_MODEL_FILE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "temper/graph.h"
#include "temper/status.h"
#include "temper/trainer.h"

namespace temper {

// Why a file could not be read or written. Unlike Status it owns its text,
// because that names what is in the file: what failed, where (tensor, field,
// byte), why, and what to do about it. What comes from the file is escaped.
struct [[nodiscard]] FileError {
  StatusCode code = StatusCode::kOk;
  std::string message;

  bool ok() const { return code == StatusCode::kOk; }
};

// How pictures of another size become samples. The first of each is the default.
struct PictureFit {
  enum class Mode : uint32_t {
    kCrop,     // the short side is resized, the middle of the long one is kept
    kStretch,  // both sides are resized
    kPad,      // the long side is resized, the short one filled up
  };
  Mode mode = Mode::kCrop;
  // Red, green, blue: behind transparent pixels, and what fills up.
  uint8_t background[3] = {255, 255, 255};

  friend bool operator==(const PictureFit&, const PictureFit&) = default;
};

// A column of a table as inputs of a model: one input for numbers, or one for
// each of the texts that a row may have, 1 for the one that it has and 0 for the
// others (one-hot).
struct TableColumn {
  std::string name;
  // The texts, in the order of their inputs; empty: numbers.
  std::vector<std::string> values;
  // Stands in for a number that is missing; none: a missing one is an error.
  std::optional<float> fill;

  uint32_t Inputs() const {
    return values.empty() ? 1 : static_cast<uint32_t>(values.size());
  }
  friend bool operator==(const TableColumn&, const TableColumn&) = default;
};

// How samples become what the first node reads. It travels inside the model
// file and is the same for training, validation and prediction. Must agree with
// the graph's input node (h, w, c, element_type) and with its normalize node:
// the scale, and kinds of single pixels for per_pixel = 1, the others for 0. Mean
// and std themselves are weights of that node; kNone: they are 0 and 1.
struct Preprocessing {
  enum class Kind : uint32_t {
    kNone,
    kMeanStd,        // mean and deviation of each channel
    kMeanImage,      // of each pixel
    kMeanImageOnly,  // the mean of each pixel, not divided (AlexNet)
    kChannelMean,    // the mean of each channel, not divided (VGG)
    kUnit,           // to [0, 1]
    kSigned,         // to [-1, 1]
  };
  // Three channels whatever the data have: gray is copied. Data have red first;
  // kBgr puts blue first (models that were trained with OpenCV's order).
  enum class Channels : uint32_t { kAsData, kRgb, kBgr };
  uint32_t h = 1, w = 1, c = 1;  // of a sample; channels last
  ElementType element_type = ElementType::kF32;
  float scale = 1.0f;  // a value is multiplied by it first
  Kind kind = Kind::kNone;
  Channels channels = Channels::kAsData;
  // Of a model that was trained on pictures.
  std::optional<PictureFit> pictures = {};

  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

// That of a graph, by its input and normalize nodes. The graph has passed
// Graph::Check.
Preprocessing PreprocessingOf(const Graph& graph);

// Everything in a model file that is not a tensor.
struct ModelDescription {
  Graph graph;
  Preprocessing preprocessing;
  // Names of the outputs, in their order, each once; empty for a model that
  // tells no classes apart.
  std::vector<std::string> classes;
  // Of a model of tables: its inputs, in the order of the columns; else none.
  std::vector<TableColumn> columns;
  // What the program that trained the model tells of it, as text. Of the
  // command's files: seed, arithmetic version, counters of the run.
  std::map<std::string, std::string> training;
};

// Bytes of a file at any place. Returns false if they could not be read: then
// reading ends with kIoError, and the caller knows the reason.
struct ByteReader {
  bool (*read)(void* context, uint64_t offset, void* to, size_t size) = nullptr;
  void* context = nullptr;
};

// Where bytes go, in order. Returns false if they could not be taken.
struct ByteSink {
  bool (*write)(void* context, const void* data, size_t size) = nullptr;
  void* context = nullptr;
};

// A model file being read: first what it says, then its weights, which go
// straight to a trainer's memory, without a copy.
class ModelReader {
 public:
  ModelReader();
  ~ModelReader();
  ModelReader(ModelReader&&) noexcept;
  ModelReader& operator=(ModelReader&&) noexcept;

  // Reads and checks everything but the values, of a file of `bytes` bytes.
  // `file` is read again by ReadWeights; `owner`, if any, lives as long as the
  // reader. On failure the reader is as it was. kBadFile: not written by temper,
  // damaged, or changed by another program; kUnsupported: another format
  // version; kShapeMismatch: tensors that are not those of the graph;
  // kMismatch: preprocessing or classes that contradict it; kIoError; otherwise
  // what Graph::Check says.
  FileError Open(const ByteReader& file, uint64_t bytes,
                 std::shared_ptr<void> owner = nullptr);
  // The same for a file in memory, which must stay there.
  FileError Open(std::span<const uint8_t> file);

  // Empty before a successful Open; valid until the next one.
  const ModelDescription& description() const;

  // Weights, statistics of batch norm, mean and std into a trainer that
  // Trainer::Create has made of the file's graph, or of one with the same
  // layers under the same names. `except`: a node of the trainer's graph that
  // keeps its own weights, such as a head that SetOutputs has changed:
  // initialize the trainer first. Optimizer state is not read.
  // kWrongState: not open. kMismatch, and nothing has changed: a tensor of the
  // file has no place in the trainer, or one of another size. kBadFile (damage,
  // a value that its tensor must not have) and kIoError: the trainer's weights
  // must not be used.
  FileError ReadWeights(Trainer& trainer, uint32_t except = kNoNode) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The model of a trainer to `sink`: its weights under `description`, whose graph
// does not count: the trainer's is written. Equal models give equal bytes.
// kNotFinite: a weight is NaN or infinite, nothing was written. kWrongState: a
// trainer before Create. kMismatch: preprocessing or classes contradict the
// graph. kInvalidArgument: a name that a file cannot hold. kIoError: the sink
// refused.
FileError WriteModel(const ModelDescription& description,
                     const Trainer& trainer, const ByteSink& sink);
// The same to memory. `file` is only changed on success.
FileError WriteModel(const ModelDescription& description,
                     const Trainer& trainer, std::vector<uint8_t>* file);

}  // namespace temper

#endif  // TEMPER_MODEL_FILE_H_
