// The models that temper brings along: graphs that are built from a short spec,
// such as mobilenet_v1?width=0.5&variant=mlperf or mlp?norm=batch&activation=silu:
// a name of the list below and options after '?', separated by '&'. The input
// shape and the targets come from the data, not from the spec: for classes a
// model ends in softmax cross-entropy, for several labels in binary
// cross-entropy, for values in the mean squared error. head=sigmoid, an option of
// all models with targets, makes two classes one output with binary cross-entropy.
// Every such model's last dense layer is called "fc", every loss "loss"; the
// first two nodes are "input" and "normalize". Table: docs/models.md.
//
// Part of the second library (model_file.h).
//
// Example:
//
//   temper::Graph graph;
//   std::string why;
//   const temper::Status built = temper::models::BuildModel(
//       "resnet8", {32, 32, 3, temper::ElementType::kU8},
//       {temper::TargetKind::kClasses, 10}, &graph, &why);
//   if (!built.ok()) return 1;  // `why` says what and what to do
//
// Next: graph_edit.h; models/graphs/ (how they are built).
#ifndef TEMPER_MODELS_H_
#define TEMPER_MODELS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "temper/graph.h"
#include "temper/registry.h"
#include "temper/status.h"

namespace temper::models {

class Builder;

struct ModelInfo {
  const char* name = "";
  const char* help = "";          // one line
  Shape input;                    // of the published model
  uint32_t min_h = 1, min_w = 1;  // smallest input that works
  uint32_t classes = 0;           // of the published model; 0: no targets
  FieldList fields = {};          // the options of its spec
  void (*defaults)(void* params) = nullptr;  // null: no options
  void (*build)(const void* params, Builder& builder) = nullptr;
};

// All of them, in the order of `temper list models`.
std::span<const ModelInfo* const> Models();
// The same as a catalogue, in the same order: what specs and `temper list` use.
Catalogue ModelCatalogue();

// Builds the graph that `spec` names for samples of shape `input` (f32 or u8)
// and their targets: 2 classes or more (soft labels, too), 1 label or more of
// which a sample may have several, or 1 value or more.
// Models that take no targets ignore them.
// On failure `graph` is untouched and `error` holds one sentence with the
// remedy, for an unknown model, option or choice the nearest name:
// kNotFound (model), kInvalidArgument (option), kShapeMismatch (input, number
// of classes, no targets).
Status BuildModel(std::string_view spec, Shape input, const Targets& targets,
                  Graph* graph, std::string* error);

}  // namespace temper::models

#endif  // TEMPER_MODELS_H_
