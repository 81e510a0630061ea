// See loss_option.h.
#include "ports/host/train/loss_option.h"

#include <fmt/format.h>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/target_match.h"
#include "ports/host/train/job.h"
#include "temper/graph_edit.h"
#include "temper/registry.h"

namespace temper::host {
namespace {

struct ShortName {
  std::string_view name;
  const char* loss;
  const char* independent;  // where outputs are (LossTraits)
};
constexpr ShortName kShortNames[] = {
    {"cross_entropy", "softmax_cross_entropy", "softmax_cross_entropy"},
    {"bce", "binary_cross_entropy", "binary_cross_entropy"},
    {"mse", "mean_squared_error", "mean_squared_error"},
    {"focal", "focal", "binary_focal"}};

// The spec by the name of the catalogue.
SpecText Resolved(SpecText spec, bool independent) {
  for (const ShortName& name : kShortNames) {
    if (spec.name == name.name) {
      spec.name = independent ? name.independent : name.loss;
      break;
    }
  }
  return spec;
}

bool IsIndependent(const Graph& graph) {
  return LossOf(graph.nodes.back().kind)->independent;
}

}  // namespace

std::string WrongLoss(const std::string& spec) {
  if (spec.empty()) return "";
  SpecText text;
  std::string wrong = SplitSpec(spec, &text);
  if (!wrong.empty()) return wrong;
  Choice choice;
  return ReadSpec(Resolved(text, false).Text(), LossCatalogue(), &choice);
}

void ApplyLoss(const std::string& spec, const Targets& targets,
               std::string_view where, Graph* graph) {
  if (spec.empty()) return;
  constexpr const char* kOption = "--loss";
  if (const std::string wrong = WrongLoss(spec); !wrong.empty()) {
    Fail(ErrorKind::kUsage, kOption, Printable(spec), wrong,
         "`temper list losses` shows what there is");
  }
  SpecText text;
  SplitSpec(spec, &text);
  text = Resolved(
      text, targets.kind == TargetKind::kMultiHot || IsIndependent(*graph));
  const Catalogue catalogue = LossCatalogue();
  Choice choice;
  ReadSpec(text.Text(), catalogue, &choice);
  const LayerKind kind = LayerByName(catalogue.entry(choice.kind).name);
  Node& loss = graph->nodes.back();
  const LossTraits& traits = *LossOf(kind);
  if (!NeedsTargets(loss) && traits.targets != TargetKind::kValues) {
    Fail(ErrorKind::kUnsupported, kOption, Printable(spec),
         fmt::format("{} compares its output with its own input: that takes a "
                     "loss of values",
                     Printable(where)),
         "Use mse or huber");
  }
  if (NeedsTargets(loss) && !traits.Takes(targets.kind)) {
    Fail(ErrorKind::kUnsupported, kOption, Printable(spec),
         fmt::format("it compares with {}, the targets of the data are {}",
                     TargetWords(traits.targets), TargetWords(targets.kind)),
         targets.kind == TargetKind::kMultiHot ? "Use bce or focal"
         : targets.kind == TargetKind::kValues ? "Use mse or huber"
         : targets.kind == TargetKind::kSoft
             ? "Use cross_entropy or focal"
             : "Use cross_entropy, bce or focal");
  }
  const std::optional<double> smoothing =
      FieldOf(loss, models::kLabelSmoothing);
  const Status status =
      models::SetLoss(graph, kind, choice.params, sizeof(Node::params));
  if (!status.ok()) FailStatus(status, *graph, kOption);
  if (smoothing && text.Find(models::kLabelSmoothing) == nullptr) {
    SetField(&graph->nodes.back(), models::kLabelSmoothing, *smoothing);
  }
}

}  // namespace temper::host
