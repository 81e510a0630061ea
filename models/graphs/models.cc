// Finds the model of a spec, reads its options and calls its builder. Next: one
// model's file, for instance resnet8.cc.
#include "models/graphs/models.h"

#include <iterator>
#include <utility>

#include "models/graphs/builder.h"
#include "models/spec.h"

namespace temper::models {
namespace {

#define TEMPER_MODEL_ENTRY(constant) &constant,
constexpr const ModelInfo* kModels[] = {TEMPER_MODELS(TEMPER_MODEL_ENTRY)};
#undef TEMPER_MODEL_ENTRY

// Whether the head that was asked for fits these targets.
Status CheckHead(const ModelInfo& model, HeadKind head, const Targets& targets,
                 std::string* error) {
  const auto refuse = [&](const std::string& why) {
    *error = std::string(model.name) + ": " + why;
    return Error(StatusCode::kInvalidArgument, "the head does not fit");
  };
  if (head == HeadKind::kAuto) return Ok();
  if (model.classes == 0) {
    return refuse("head= is for models with targets, this one has none");
  }
  if (targets.kind == TargetKind::kValues) {
    return refuse("head= is for classes, and the targets are values");
  }
  if (head == HeadKind::kSoftmax) {
    if (targets.kind != TargetKind::kMultiHot) return Ok();
    return refuse(
        "head=softmax is for one class a sample, and these have several "
        "labels: leave it out");
  }
  if (targets.kind == TargetKind::kMultiHot) return Ok();
  if (targets.kind == TargetKind::kSoft) {
    return refuse(
        "head=sigmoid is for classes or several labels a sample, and the "
        "targets are probabilities: leave it out");
  }
  if (targets.width == 2) return Ok();
  return refuse("head=sigmoid is for two classes, and there are " +
                std::to_string(targets.width) +
                ": leave it out, or select two with classes=");
}

// Whether a model with a head can learn these targets.
Status CheckTargets(const ModelInfo& model, const Targets& targets,
                    std::string* error) {
  const std::string name = model.name;
  if (targets.kind == TargetKind::kNone) {
    *error = name +
             " learns from targets, and the samples have none: name data that "
             "have them";
    return Error(StatusCode::kShapeMismatch, "no targets");
  }
  const bool labels = targets.kind == TargetKind::kMultiHot;
  if (targets.HasClasses() && !labels && targets.width < 2) {
    *error = name + " is a classifier and needs at least 2 classes, not " +
             std::to_string(targets.width);
    return Error(StatusCode::kShapeMismatch, "too few classes");
  }
  return Ok();
}

}  // namespace

std::span<const ModelInfo* const> Models() { return kModels; }

Catalogue ModelCatalogue() {
  Catalogue catalogue = {"models", "model",
                         static_cast<uint32_t>(std::size(kModels)),
                         [](uint32_t i) {
                           const ModelInfo& model = *kModels[i];
                           return Entry{.name = model.name,
                                        .help = model.help,
                                        .fields = model.fields,
                                        .defaults = model.defaults};
                         }};
  catalogue.common = ModelCommonFields();
  return catalogue;
}

Status BuildModel(std::string_view spec, Shape input, const Targets& targets,
                  Graph* graph, std::string* error) {
  SpecText parts;
  *error = SplitSpec(spec, &parts);
  if (!error->empty())
    return Error(StatusCode::kInvalidArgument, "bad model spec");
  const Catalogue catalogue = ModelCatalogue();
  Choice choice;
  ModelCommon common;
  *error = ReadSpec(spec, catalogue, 0, &choice, &common);
  if (!error->empty()) {
    return catalogue.Find(parts.name) == catalogue.count
               ? Error(StatusCode::kNotFound, "unknown model")
               : Error(StatusCode::kInvalidArgument, "bad model option");
  }
  const ModelInfo* const model = kModels[choice.kind];

  const auto size = [](uint32_t h, uint32_t w) {
    return std::to_string(h) + "x" + std::to_string(w);
  };
  if (input.h < model->min_h || input.w < model->min_w || input.c == 0) {
    *error = std::string(model->name) + " needs samples of at least " +
             size(model->min_h, model->min_w) + "x1 (height, width, channels)" +
             "; these are " + size(input.h, input.w) + "x" +
             std::to_string(input.c);
    return Error(StatusCode::kShapeMismatch, "input too small for the model");
  }
  if (model->classes != 0) {
    const Status status = CheckTargets(*model, targets, error);
    if (!status.ok()) return status;
  }
  const Status head = CheckHead(*model, common.head, targets, error);
  if (!head.ok()) return head;
  Graph built;
  Builder builder(input, targets, common, &built);
  model->build(choice.params, builder);
  const Status checked = built.Check(nullptr);
  if (!checked.ok()) {
    *error = std::string(model->name) + ": " + checked.message;
    if (checked.node < built.nodes.size())
      *error +=
          std::string(" (layer '") + built.nodes[checked.node].name + "')";
    return checked;
  }
  *graph = std::move(built);
  return Ok();
}

}  // namespace temper::models
