// How the arena's tensors lie: packed weights, snapshots, and the check for writes
// past a buffer's end.
#include <cstring>

#include "runtime/layer.h"
#include "runtime/planner.h"
#include "runtime/step_state.h"
#include "temper/trainer.h"

namespace temper {

// Once for the weights as they are now.
void Trainer::PackWeights() {
  StepState& state = *StepStateOf(plan_, memory_.data);
  if (state.packed != 0 || !plan_.options.pack_weights) return;
  for (uint32_t i = 0; i < plan_.nodes.size(); ++i) {
    const NodePlan& n = plan_.nodes[i];
    if (!n.mode.packed) continue;
    const Node& node = plan_.graph.nodes[i];
    Shape in[kMaxInputs];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      in[k] = plan_.shapes[node.inputs[k]];
    }
    OpOf(node.kind).pack({node, in, plan_.shapes[i], At(n.weights[0]),
                          At<void>(n.forward_scratch)});
  }
  state.packed = 1;
  ShowWeights();
}

// Nobody reads packed weights by mistake.
void Trainer::ShowWeights() {
  const bool packed = StepStateOf(plan_, memory_.data)->packed != 0;
  for (TensorView& view : tensors_) {
    const NodePlan& n = plan_.nodes[view.node];
    view.data = packed && view.slot == 0 && n.mode.packed
                    ? nullptr
                    : At(n.weights[view.slot]);
  }
}

size_t Trainer::SnapshotBytes() const {
  if (memory_.data == nullptr) return 0;
  size_t bytes = 0;
  for (const PlannedTensor& t : plan_.tensors) {
    if (IsPersistent(t.kind)) bytes += static_cast<size_t>(t.bytes);
  }
  return bytes;
}

void Trainer::TakeSnapshot(void* to) const {
  if (memory_.data == nullptr) return;
  uint8_t* next = static_cast<uint8_t*>(to);
  for (const PlannedTensor& t : plan_.tensors) {
    if (!IsPersistent(t.kind)) continue;
    std::memcpy(next, memory_.data + t.offset, static_cast<size_t>(t.bytes));
    next += t.bytes;
  }
}

void Trainer::RestoreSnapshot(const void* from) {
  if (memory_.data == nullptr) return;
  const uint8_t* next = static_cast<const uint8_t*>(from);
  for (const PlannedTensor& t : plan_.tensors) {
    if (!IsPersistent(t.kind)) continue;
    std::memcpy(memory_.data + t.offset, next, static_cast<size_t>(t.bytes));
    next += t.bytes;
  }
  gathered_ = 0;
  ShowWeights();
  weights_are_set_ = false;  // the snapshot may hold weights that were not set
  backend_is_ready_ = false;
}

Status Trainer::MemoryStatus() const {
  if (memory_fault_ == kNoNode) return Ok();
  return Error(StatusCode::kInternal, "a layer wrote past the end of a buffer",
               memory_fault_);
}

// Before step s: buffers born in it get NaN. After it: those that die in it get
// NaN, and the bytes between a buffer's end and its rounded end must still hold
// what they were born with.
void Trainer::PoisonDead(uint32_t s, bool before) {
  constexpr uint32_t kNan = 0x7fc0deadu;
  for (const PlannedTensor& t : plan_.tensors) {
    if (IsPersistent(t.kind)) continue;
    // It holds the sums of other batches.
    if (gathered_ != 0 && t.kind == TensorKind::kWeightGradient) continue;
    uint8_t* p = memory_.data + t.offset;
    if (before && t.first == s) {
      for (uint64_t i = 0; i + 4 <= Extent(t); i += 4) {
        std::memcpy(p + i, &kNan, 4);
      }
    }
    if (!before && t.first <= s && s <= t.last) {
      for (uint64_t i = (t.bytes + 3) / 4 * 4; i + 4 <= Extent(t); i += 4) {
        if (std::memcmp(p + i, &kNan, 4) != 0 && memory_fault_ == kNoNode) {
          memory_fault_ =
              IsHook(plan_.steps[s].kind) ? t.node : plan_.steps[s].node;
        }
      }
    }
    if (!before && t.last == s && plan_.steps[s].kind != StepKind::kLoss) {
      for (uint64_t i = 0; i + 4 <= Extent(t); i += 4) {
        std::memcpy(p + i, &kNan, 4);
      }
    }
  }
}

}  // namespace temper
