// See averaging.h.
#include "ports/host/train/averaging.h"

#include <algorithm>
#include <string_view>

#include "temper/update_hooks.h"

namespace temper::host {
namespace {

// The statistics are means over so many batches, whatever the momentum of the
// layers: as torch.optim.swa_utils.update_bn.
constexpr uint32_t kBatches = 50;

template <class Visit>
void VisitBuffers(const Trainer& trainer, Visit&& visit) {
  for (const TensorView& view : trainer.Tensors()) {
    if (view.spec->role == WeightRole::kBuffer) visit(view);
  }
}

}  // namespace

Averaging::Averaging(Trainer& trainer, Loader& training, uint64_t first_step,
                     uint64_t seed)
    : trainer_(trainer),
      training_(training),
      first_step_(first_step),
      seed_(seed) {
  for (const StateView& state : trainer.States()) {
    any_ |= std::string_view(state.name) == kAverageState;
  }
  if (!any_) return;
  size_t count = 0;
  VisitBuffers(trainer, [&](const TensorView& view) { count += view.count; });
  statistics_.resize(count);
}

void Averaging::Swap() {
  for (const StateView& state : trainer_.States()) {
    if (std::string_view(state.name) != kAverageState) continue;
    std::swap_ranges(state.data, state.data + state.count,
                     trainer_.Tensors()[state.tensor].data);
  }
}

void Averaging::EstimateStatistics() {
  bool live = false;
  for (const NodePlan& node : trainer_.plan().nodes) {
    live |= node.mode.live_statistics;
  }
  if (!live) return;
  uint32_t done = 0;
  for (uint32_t time = 0; done < kBatches; ++time) {
    training_.StartEpoch(time, 0);
    const uint32_t before = done;
    while (done < kBatches) {
      const Batch* const next = training_.Next();
      if (next == nullptr) break;
      Batch batch = *next;
      if (batch.sample_ids != nullptr && !batch.random) {
        batch.random = RandomKey{seed_, time};
      }
      // One that fails (a loss that is not finite) is left out: validation sees
      // the same.
      (void)trainer_.FollowStatistics(batch,
                                      1.0f / static_cast<float>(done + 1));
      ++done;
    }
    if (done == before) return;
  }
}

void Averaging::Begin() {
  if (!any_ || active_ || trainer_.steps() < first_step_) return;
  float* to = statistics_.data();
  VisitBuffers(trainer_, [&](const TensorView& view) {
    to = std::copy_n(view.data, view.count, to);
  });
  Swap();
  active_ = true;
  EstimateStatistics();
}

void Averaging::End() {
  if (!active_) return;
  Swap();
  const float* from = statistics_.data();
  VisitBuffers(trainer_, [&](const TensorView& view) {
    std::copy_n(from, view.count, view.data);
    from += view.count;
  });
  active_ = false;
}

}  // namespace temper::host
