// First values of a whole model: the graph around a layer decides which
// initializer its tensors get. See temper/initializers.h.
#include <algorithm>
#include <cstring>

#include "runtime/layer.h"
#include "runtime/step_state.h"
#include "temper/random.h"
#include "temper/trainer.h"

namespace temper {
namespace {

bool IsActivation(LayerKind kind) {
  return RoleOf(kind) == LayerRole::kActivation;
}

// The activation that the signal of node i meets before it meets another
// weighted kernel, through norms, add, pooling, dropout, flatten; or kNoNode.
uint32_t ActivationAfter(const Plan& plan, uint32_t i) {
  std::vector<bool> reached(plan.nodes.size(), false);
  reached[i] = true;
  for (uint32_t c = i + 1; c < plan.nodes.size(); ++c) {
    const Node& node = plan.graph.nodes[c];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      if (!reached[node.inputs[k]]) continue;
      if (IsActivation(node.kind)) return c;
      bool kernel = false;
      for (uint32_t w = 0; w < plan.nodes[c].weight_count; ++w) {
        kernel |= plan.nodes[c].specs[w].role == WeightRole::kKernel;
      }
      reached[c] = !kernel;
    }
  }
  return kNoNode;
}

// What draws the weights of node i unless somebody says otherwise: what the
// activation wants that follows.
Initializer InitializerOf(const Plan& plan, uint32_t i) {
  const uint32_t activation = ActivationAfter(plan, i);
  if (activation == kNoNode) return InitializerKind::kXavierNormal;
  const Node& node = plan.graph.nodes[activation];
  const LayerOp& op = OpOf(node.kind);
  return op.initializer == nullptr ? InitializerKind::kHeNormal
                                   : op.initializer(node);
}

bool HasKernel(const NodePlan& node) {
  for (uint32_t w = 0; w < node.weight_count; ++w) {
    if (node.specs[w].role == WeightRole::kKernel) return true;
  }
  return false;
}

// Nodes that close a residual branch: of the two inputs of an add, the one with
// the longer path from the input is the branch, the other the skip.
std::vector<bool> ResidualClosers(const Plan& plan) {
  const size_t count = plan.nodes.size();
  std::vector<uint32_t> depth(count, 0);
  std::vector<bool> closes(count, false);
  for (uint32_t i = 0; i < count; ++i) {
    const Node& node = plan.graph.nodes[i];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      depth[i] = std::max(depth[i], depth[node.inputs[k]] + 1);
    }
    if (RoleOf(node.kind) != LayerRole::kSum) continue;
    const uint32_t a = node.inputs[0], b = node.inputs[1];
    if (depth[a] == depth[b]) continue;
    // The last layer with weights closes the branch; layers without weights
    // that map zero to zero may follow it.
    uint32_t last = depth[a] > depth[b] ? a : b;
    while (plan.nodes[last].weight_count == 0 &&
           !IsActivation(plan.graph.nodes[last].kind) &&
           plan.graph.nodes[last].input_count == 1) {
      last = plan.graph.nodes[last].inputs[0];
    }
    closes[last] = true;
  }
  return closes;
}

}  // namespace

void Trainer::Initialize(uint64_t seed, const InitializeOptions& options) {
  if (memory_.data == nullptr) return;
  seed_ = seed;
  weights_are_set_ = true;
  backend_is_ready_ = false;
  gathered_ = 0;
  StepStateOf(plan_, memory_.data)->steps = 0;
  StepStateOf(plan_, memory_.data)->packed = 0;
  ShowWeights();
  uint32_t head = kNoNode;
  for (uint32_t i = 0; i < plan_.nodes.size(); ++i) {
    if (HasKernel(plan_.nodes[i])) head = i;
  }
  // Only a last layer that no activation follows is a head.
  if (head != kNoNode && ActivationAfter(plan_, head) != kNoNode) {
    head = kNoNode;
  }
  std::vector<bool> closes = ResidualClosers(plan_);
  const auto branches = std::count(closes.begin(), closes.end(), true);
  if (options.zero_residual == ZeroResidual::kNo ||
      (options.zero_residual == ZeroResidual::kDeep &&
       branches < std::ptrdiff_t{kDeepBranches})) {
    closes.assign(closes.size(), false);
  }

  for (const TensorView& view : tensors_) {
    const Node& node = plan_.graph.nodes[view.node];
    if (RoleOf(node.kind) == LayerRole::kPreprocessing) continue;  // the data's
    switch (view.spec->role) {
      case WeightRole::kKernel:
        if (view.node == head) {
          InitializeNormal(
              seed, RandomStream(RandomUse::kInitialize, view.node), view.slot,
              options.head_std, 0, view.count, view.data);
        } else {
          Initializer initializer =
              options.kernel.value_or(InitializerOf(plan_, view.node));
          if (closes[view.node]) {
            initializer = InitializerKind::kZero;
          }
          InitializeTensor(initializer, seed, view.node, view.slot, *view.spec,
                           view.data);
        }
        break;
      case WeightRole::kGamma:
      case WeightRole::kBias:
      case WeightRole::kBeta:
      case WeightRole::kBuffer:
        std::fill_n(view.data, view.count,
                    view.spec->role == WeightRole::kGamma && closes[view.node]
                        ? 0.0f
                        : view.spec->initial);
        break;
    }
  }
  for (const StateView& view : states_) {
    std::memset(view.data, 0, view.count * sizeof(float));
  }
}

}  // namespace temper
