// See temper/signal.h.
#include "temper/signal.h"

#include <algorithm>
#include <cmath>

#include "temper/trainer.h"

namespace temper {
namespace {

LayerRole RoleAt(const Plan& plan, uint32_t i) {
  return RoleOf(plan.graph.nodes[i].kind);
}

// The first node that reads node i; kNoNode.
uint32_t FirstReader(const Plan& plan, uint32_t i) {
  for (uint32_t c = i + 1; c < plan.graph.nodes.size(); ++c) {
    const Node& node = plan.graph.nodes[c];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      if (node.inputs[k] == i) return c;
    }
  }
  return kNoNode;
}

// The first node of this role on the way from node i, before the next kernel.
uint32_t Ahead(const Plan& plan, uint32_t i, LayerRole role) {
  for (uint32_t c = FirstReader(plan, i); c != kNoNode;
       c = FirstReader(plan, c)) {
    if (RoleAt(plan, c) == role) return c;
    if (RoleAt(plan, c) == LayerRole::kKernel) return kNoNode;
  }
  return kNoNode;
}

uint32_t LastKernel(const Plan& plan) {
  uint32_t last = kNoNode;
  for (uint32_t i = 0; i < plan.graph.nodes.size(); ++i) {
    if (RoleAt(plan, i) == LayerRole::kKernel) last = i;
  }
  return last;
}

// Adds one unless there is one of its kind.
void Put(const SignalFinding& finding, SignalFinding* findings, uint32_t most,
         uint32_t* count) {
  for (uint32_t i = 0; i < *count; ++i) {
    if (findings[i].kind == finding.kind) return;
  }
  if (*count < most) findings[(*count)++] = finding;
}

}  // namespace

uint32_t FindSignals(const Plan& plan, const double* rms,
                     SignalFinding* findings, uint32_t most) {
  uint32_t count = 0;
  double input = -1;
  for (uint32_t i = 0; i < plan.graph.nodes.size() && input < 0; ++i) {
    if (RoleAt(plan, i) == LayerRole::kPreprocessing) input = rms[i];
  }
  if (!(input > 0)) return 0;
  const uint32_t last = LastKernel(plan);
  for (uint32_t i = 0; i < plan.graph.nodes.size(); ++i) {
    if (RoleAt(plan, i) != LayerRole::kKernel || i == last) continue;
    // NaN is measured; -1 is not.
    if (rms[i] == -1) continue;
    const uint32_t reader = FirstReader(plan, i);
    if (reader != kNoNode && RoleAt(plan, reader) == LayerRole::kNormalization)
      continue;
    SignalFinding finding;
    if (!std::isfinite(rms[i])) {
      finding.kind = SignalKind::kNotFinite;
    } else if (rms[i] > kSignalRange * input) {
      finding.kind = SignalKind::kExplodes;
    } else if (rms[i] < input / kSignalRange) {
      // A residual branch that starts at zero is no signal that dies.
      if (rms[i] == 0 && Ahead(plan, i, LayerRole::kSum) != kNoNode) continue;
      finding.kind = SignalKind::kDies;
    } else {
      continue;
    }
    finding.node = i;
    finding.activation = Ahead(plan, i, LayerRole::kActivation);
    finding.rms = rms[i];
    finding.input_rms = input;
    Put(finding, findings, most, &count);
  }
  return count;
}

uint32_t FindAlike(const Trainer& trainer, SignalFinding* findings,
                   uint32_t most) {
  const Plan& plan = trainer.plan();
  const uint32_t last = LastKernel(plan);
  uint32_t count = 0;
  for (const TensorView& view : trainer.Tensors()) {
    if (view.spec->role != WeightRole::kKernel || view.node == last ||
        !view.trained || view.count < 2) {
      continue;
    }
    const bool alike =
        std::all_of(view.data, view.data + view.count,
                    [&](float value) { return value == view.data[0]; });
    if (!alike || Ahead(plan, view.node, LayerRole::kSum) != kNoNode) continue;
    SignalFinding finding;
    finding.kind = SignalKind::kAlike;
    finding.node = view.node;
    finding.activation = Ahead(plan, view.node, LayerRole::kActivation);
    finding.rms = double{view.data[0]};
    Put(finding, findings, most, &count);
  }
  return count;
}

}  // namespace temper
