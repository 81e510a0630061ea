// ModelReader and WriteModel of the public header, over the readers and writers
// of this folder. See temper/model_file.h.
#include <cstring>
#include <utility>

#include "models/files/error.h"
#include "models/files/model_file.h"
#include "models/files/model_writer.h"
#include "models/files/trainer_tensors.h"
#include "temper/model_file.h"

namespace temper {

struct ModelReader::State {
  ByteReader file;
  std::shared_ptr<void> owner;
  ModelHeader header;
};

ModelReader::ModelReader() = default;
ModelReader::~ModelReader() = default;
ModelReader::ModelReader(ModelReader&& from) noexcept = default;
ModelReader& ModelReader::operator=(ModelReader&& from) noexcept = default;

FileError ModelReader::Open(const ByteReader& file, uint64_t bytes,
                            std::shared_ptr<void> owner) {
  auto state = std::make_unique<State>();
  state->file = file;
  state->owner = std::move(owner);
  TEMPER_RETURN_IF_FILE_ERROR(ReadModelHeader(file, bytes, &state->header));
  state_ = std::move(state);
  return {};
}

FileError ModelReader::Open(std::span<const uint8_t> file) {
  const auto memory = std::make_shared<std::span<const uint8_t>>(file);
  const ByteReader reader = {
      [](void* context, uint64_t offset, void* to, size_t size) {
        const auto& bytes = *static_cast<std::span<const uint8_t>*>(context);
        if (offset > bytes.size() || size > bytes.size() - offset) return false;
        std::memcpy(to, bytes.data() + offset, size);
        return true;
      },
      memory.get()};
  return Open(reader, file.size(), memory);
}

const ModelDescription& ModelReader::description() const {
  static const ModelDescription none;
  return state_ != nullptr ? state_->header : none;
}

FileError ModelReader::ReadWeights(Trainer& trainer, uint32_t except) const {
  if (state_ == nullptr) {
    return {StatusCode::kWrongState, "no model file is open"};
  }
  const ModelHeader& header = state_->header;
  const WeightPlaces places(trainer, header.graph);
  const Graph& graph = trainer.plan().graph;
  const std::string_view kept =
      except < graph.nodes.size() ? graph.nodes[except].name : "";
  struct Copy {
    const WeightPlaces& places;
    const Graph& graph;
    std::string_view kept;
    bool Leaves(const StoredTensor& tensor) const {
      return !kept.empty() && graph.nodes[tensor.node].name == kept;
    }
  } copy{places, header.graph, kept};
  for (const StoredTensor& tensor : header.weights) {
    if (copy.Leaves(tensor) || places.Find(tensor) != nullptr) continue;
    return {StatusCode::kMismatch,
            Text("tensor ", Quoted(tensor.name),
                 ": the trainer has none of this name and shape; make its plan "
                 "of the file's graph")};
  }
  return ReadModelTensors(
      state_->file, header,
      {[](void* context, const StoredTensor& tensor, bool state, uint64_t first,
          const float* values, size_t count) {
         const Copy& to = *static_cast<const Copy*>(context);
         if (state || to.Leaves(tensor)) return;
         to.places.Copy(tensor, first, {values, count});
       },
       &copy});
}

Preprocessing PreprocessingOf(const Graph& graph) {
  Preprocessing p;
  if (graph.nodes.empty() || !graph.nodes[0].Is<InputParams>()) return p;
  const InputParams& input = graph.nodes[0].As<InputParams>();
  p.h = input.h, p.w = input.w, p.c = input.c;
  p.element_type = static_cast<ElementType>(input.element_type);
  for (const Node& node : graph.nodes) {
    if (!node.Is<NormalizeParams>() || node.inputs[0] != 0) continue;
    const NormalizeParams& normalize = node.As<NormalizeParams>();
    p.scale = normalize.scale;
    p.kind = normalize.per_pixel != 0 ? Preprocessing::Kind::kMeanImage
                                      : Preprocessing::Kind::kMeanStd;
  }
  return p;
}

FileError WriteModel(const ModelDescription& description,
                     const Trainer& trainer, const ByteSink& sink) {
  ModelDescription written = description;
  written.graph = trainer.plan().graph;
  if (written.graph.nodes.empty()) {
    return {StatusCode::kWrongState, "the trainer has no plan yet"};
  }
  ModelWriter writer;
  TEMPER_RETURN_IF_FILE_ERROR(
      writer.Prepare(written, WeightSources(trainer), {}, {}));
  const Status status = writer.Write({}, sink);
  if (status.ok()) return {};
  const bool known = status.node < written.graph.nodes.size();
  return {status.code,
          Text("model file: ",
               known ? Text("node ",
                            Quoted(written.graph.nodes[status.node].name), ": ")
                     : std::string(),
               status.message)};
}

FileError WriteModel(const ModelDescription& description,
                     const Trainer& trainer, std::vector<uint8_t>* file) {
  std::vector<uint8_t> bytes;
  TEMPER_RETURN_IF_FILE_ERROR(WriteModel(
      description, trainer,
      ByteSink{[](void* context, const void* data, size_t size) {
                 const uint8_t* const from = static_cast<const uint8_t*>(data);
                 auto& to = *static_cast<std::vector<uint8_t>*>(context);
                 to.insert(to.end(), from, from + size);
                 return true;
               },
               &bytes}));
  *file = std::move(bytes);
  return {};
}

}  // namespace temper
