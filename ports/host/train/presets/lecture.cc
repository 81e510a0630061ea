// What a lecture on taming the instability of training ends in: ReLU with He's
// first weights, batch norm, Adam without decay, cosine.
#include "models/graphs/models.h"
#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/presets/preset.h"

namespace temper::host {
namespace {

// The ready model with norm=batch, if it has that option. Others must have batch
// norm anyway, or the preset is not what it says.
std::string WithBatchNorm(const std::string& model) {
  SpecText spec;
  if (!SplitSpec(model, &spec).empty()) return model;
  const Catalogue catalogue = models::ModelCatalogue();
  const uint32_t kind = catalogue.Find(spec.name);
  if (kind == catalogue.count) return model;  // a file, or told later
  if (catalogue.entry(kind).fields.Find("norm") != nullptr) {
    if (spec.Find("norm") == nullptr) spec.options.push_back({"norm", "batch"});
    return spec.Text();
  }
  uint32_t classes = 0;
  const Graph graph = ReadyModel(model, ElementType::kF32, &classes);
  for (const Node& node : graph.nodes) {
    if (HasBatchStatistics(node.kind)) return model;
  }
  Fail(ErrorKind::kUsage, "--preset lecture", Printable(model),
       "this model has no batch norm, and no option norm= that adds it",
       "Use resnet8 or another model with batch norm");
}

}  // namespace

const Preset kLecturePreset = {
    .name = "lecture",
    .help = "ReLU, He, batch norm, Adam without decay, cosine",
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      return {{"model", WithBatchNorm(call.options.model)},
              {"init", "he_normal"},
              {"optimizer", "adam"},
              {"schedule", "cosine"}};
    },
};

}  // namespace temper::host
