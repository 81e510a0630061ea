// See signal_text.h.
#include "ports/host/train/signal_text.h"

#include <fmt/format.h>

#include "runtime/layer.h"

namespace temper::host {
namespace {

// The initializer that suits an activation.
const char* UsualInitializer(const Node& activation) {
  const LayerOp& op = OpOf(activation.kind);
  return InitializerName(op.initializer == nullptr
                             ? InitializerKind::kHeNormal
                             : op.initializer(activation).kind);
}

}  // namespace

const char* SignalName(SignalKind kind) {
  switch (kind) {
    case SignalKind::kDies:
      return "dies";
    case SignalKind::kExplodes:
      return "explodes";
    case SignalKind::kNotFinite:
      return "not_finite";
    case SignalKind::kAlike:
      return "alike";
  }
  return "";
}

std::string SignalText(const Graph& graph, const SignalFinding& finding,
                       const std::string& init) {
  const std::string spec = init.substr(0, init.find("zero_residual"));
  const std::string name = spec.substr(0, spec.find_last_not_of("?&") + 1);
  const std::string pair =
      finding.activation == kNoNode
          ? fmt::format("first weights by {}", name)
          : fmt::format("first weights by {}, {} after it", name,
                        LayerName(graph.nodes[finding.activation].kind));
  const std::string layer = graph.nodes[finding.node].name;
  // Activation and first weights are one set.
  const std::string wanted =
      finding.activation == kNoNode
          ? ""
          : UsualInitializer(graph.nodes[finding.activation]);
  const std::string match =
      wanted.empty() || name == "auto" || name == wanted
          ? ""
          : fmt::format("{} goes with {}. ",
                        LayerName(graph.nodes[finding.activation].kind),
                        wanted);
  if (finding.kind == SignalKind::kAlike) {
    return fmt::format(
        "all weights of layer {} are {:.4g} at first ({}): its units start "
        "alike and stay alike. Use --init auto.",
        layer, finding.rms, pair);
  }
  const std::string remedy =
      name == "auto" ? "Add norm=batch to the model, or use a smaller one."
                     : "Use --init auto, or add norm=batch to the model.";
  if (finding.kind == SignalKind::kNotFinite) {
    return fmt::format(
        "the signal is not finite from layer {} on, at the first step ({}). {}",
        layer, pair, remedy);
  }
  return fmt::format(
      "the signal {} by layer {}: its root mean square is {:.3g}, that of the "
      "input {:.3g}, at the first step ({}). {}{}",
      finding.kind == SignalKind::kDies ? "has died down" : "has exploded",
      layer, finding.rms, finding.input_rms, pair, match, remedy);
}

}  // namespace temper::host
