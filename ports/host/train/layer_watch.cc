// See layer_watch.h.
#include "ports/host/train/layer_watch.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "temper/graph.h"

namespace temper::host {
namespace {

std::vector<uint32_t> NodesOf(const Plan& plan) {
  std::vector<uint32_t> nodes;
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    const LayerRole role = RoleOf(plan.graph.nodes[i].kind);
    const NodePlan& n = plan.nodes[i];
    const bool layer =
        role == LayerRole::kKernel || role == LayerRole::kActivation;
    // What another layer has absorbed is that layer's output.
    if (layer && n.output != kNoTensor && !n.mode.derived && !n.mode.absorbed &&
        n.segment == kNoSegment) {
      nodes.push_back(i);
    }
  }
  return nodes;
}

std::vector<size_t> TensorsOf(const Trainer& trainer) {
  std::vector<size_t> tensors;
  for (size_t i = 0; i < trainer.Tensors().size(); ++i) {
    if (IsTrained(trainer.Tensors()[i].spec->role)) tensors.push_back(i);
  }
  return tensors;
}

}  // namespace

std::vector<std::string> LayerColumns(const Trainer& trainer) {
  const std::vector<Node>& nodes = trainer.plan().graph.nodes;
  std::vector<std::string> columns;
  for (const uint32_t i : NodesOf(trainer.plan())) {
    columns.push_back(std::string(nodes[i].name) + ".rms");
  }
  for (const size_t i : TensorsOf(trainer)) {
    const TensorView& view = trainer.Tensors()[i];
    columns.push_back(std::string(nodes[view.node].name) + "." +
                      view.spec->name + ".norm");
  }
  return columns;
}

LayerWatch::LayerWatch(const Trainer& trainer)
    : rms_(trainer.plan().nodes.size(), -1.0),
      nodes_(NodesOf(trainer.plan())),
      tensors_(TensorsOf(trainer)),
      values_(nodes_.size() + tensors_.size()) {}

void LayerWatch::Forget() { std::fill(rms_.begin(), rms_.end(), -1.0); }

std::span<const double> LayerWatch::Values(const Trainer& trainer) {
  size_t at = 0;
  for (const uint32_t i : nodes_) {
    values_[at++] =
        rms_[i] == -1.0 ? std::numeric_limits<double>::quiet_NaN() : rms_[i];
  }
  for (const size_t i : tensors_) {
    const TensorView& view = trainer.Tensors()[i];
    double squares = 0;
    for (uint64_t k = 0; k < view.count; ++k) {
      squares += double{view.data[k]} * double{view.data[k]};
    }
    values_[at++] = std::sqrt(squares);
  }
  return values_;
}

}  // namespace temper::host
