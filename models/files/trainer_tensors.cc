// See trainer_tensors.h.
#include "models/files/trainer_tensors.h"

#include <algorithm>
#include <cmath>

#include "models/files/error.h"
#include "simd/flush.h"

namespace temper {
namespace {

std::vector<uint32_t> DimsOf(const TensorView& view) {
  return {view.spec->dims, view.spec->dims + view.spec->rank};
}

std::span<const float> ValuesOf(const float* data, uint64_t count) {
  return {data, static_cast<size_t>(count)};
}

}  // namespace

std::string TensorName(const Plan& plan, const TensorView& view) {
  return Text(plan.graph.nodes[view.node].name, ".", view.spec->name);
}

std::string StateName(const Plan& plan, const Trainer& trainer,
                      const StateView& view) {
  return Text(kOptimizerPrefix, view.name, ".",
              TensorName(plan, trainer.Tensors()[view.tensor]));
}

std::vector<TensorSource> WeightSources(const Trainer& trainer) {
  std::vector<TensorSource> sources;
  for (const TensorView& view : trainer.Tensors()) {
    sources.push_back({TensorName(trainer.plan(), view), DimsOf(view),
                       ValuesOf(view.data, view.count)});
  }
  return sources;
}

std::vector<TensorSource> StateSources(const Trainer& trainer) {
  std::vector<TensorSource> sources;
  for (const StateView& view : trainer.States()) {
    sources.push_back({StateName(trainer.plan(), trainer, view),
                       DimsOf(trainer.Tensors()[view.tensor]),
                       ValuesOf(view.data, view.count)});
  }
  return sources;
}

WeightPlaces::WeightPlaces(const Trainer& trainer, const Graph& stored)
    : first_(stored.nodes.size(), SIZE_MAX), views_(trainer.Tensors()) {
  // Tensors come by node and slot.
  const Graph& graph = trainer.plan().graph;
  for (size_t i = 0; i < views_.size(); ++i) {
    if (views_[i].slot != 0) continue;
    const uint32_t node = stored.Find(graph.nodes[views_[i].node].name);
    if (node != kNoNode) first_[node] = i;
  }
}

const TensorView* WeightPlaces::Find(const StoredTensor& tensor) const {
  const size_t first = first_[tensor.node];
  if (first >= views_.size() || tensor.slot >= views_.size() - first) {
    return nullptr;
  }
  const TensorView& view = views_[first + tensor.slot];
  // One that lies packed has no place to be written to.
  const bool same = view.node == views_[first].node &&
                    view.slot == tensor.slot && view.data != nullptr &&
                    std::ranges::equal(tensor.shape(), DimsOf(view));
  return same ? &view : nullptr;
}

void WeightPlaces::Copy(const StoredTensor& tensor, uint64_t first,
                        std::span<const float> values) const {
  const TensorView& view = At(tensor);
  float* const to = view.data + first;
  if (!IsTrained(view.spec->role)) {
    std::copy(values.begin(), values.end(), to);
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    to[i] = std::fabs(values[i]) < simd::kFlushBound ? 0.0f : values[i];
  }
}

}  // namespace temper
