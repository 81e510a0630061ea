// The rule by which targets of the data fit a loss. See target_match.h.
#include "ports/host/data/target_match.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/train/job.h"

namespace temper::host {

std::string_view TargetWords(TargetKind kind) {
  switch (kind) {
    case TargetKind::kClasses:
      return "one class a sample";
    case TargetKind::kValues:
      return "values (regression)";
    case TargetKind::kMultiHot:
      return "several labels a sample";
    case TargetKind::kSoft:
      return "a probability for every class";
    case TargetKind::kNone:
      break;
  }
  return "none";
}

void CheckTargetKind(const Graph& graph, const Targets& targets,
                     std::string_view where) {
  const Node& node = graph.nodes.back();
  const LossTraits& loss = *LossOf(node.kind);
  if (!NeedsTargets(node) || loss.Takes(targets.kind)) return;
  const std::string place =
      fmt::format("{}, layer \"{}\"", Printable(where), Printable(node.name));
  if (targets.kind == TargetKind::kMultiHot) {
    Fail(ErrorKind::kUnsupported, "no loss of this model takes several labels",
         place, fmt::format("it compares with {}", TargetWords(loss.targets)),
         "Use --loss bce, or data with one class a sample");
  }
  Fail(
      ErrorKind::kUnsupported, "this model needs other targets", place,
      fmt::format("it compares with {}, the targets of the data are {}",
                  TargetWords(loss.targets), TargetWords(targets.kind)),
      loss.targets == TargetKind::kValues
          ? "Use data with values, such as npy:X,Y?targets=values, or give the "
            "loss a second input, such as the normalize layer"
          : "Use data with classes, or a model that ends in "
            "mean_squared_error");
}

void CheckTargets(const Graph& graph, const Targets& targets,
                  std::string_view where) {
  CheckTargetKind(graph, targets, where);
  if (!NeedsTargets(graph.nodes.back()) || targets.Floats() == 0) return;
  std::vector<Shape> shapes;
  const Status status = graph.Check(&shapes);
  if (!status.ok()) FailStatus(status, graph, where);
  if (shapes.back().Count() == targets.Floats()) return;
  Fail(ErrorKind::kMismatch, "the targets do not fit the model",
       Printable(where),
       fmt::format("it has {} outputs, a sample has {} {}",
                   shapes.back().Count(), targets.width,
                   targets.kind == TargetKind::kValues     ? "values"
                   : targets.kind == TargetKind::kMultiHot ? "labels"
                                                           : "probabilities"),
       "Use `temper finetune`, which replaces the head, or other data");
}

}  // namespace temper::host
