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
  if (any_) statistics_.resize(trainer.StatisticsCount());
}

void Averaging::Start() {
  for (const StateView& state : trainer_.States()) {
    if (std::string_view(state.name) != kAverageState) continue;
    std::copy_n(trainer_.Tensors()[state.tensor].data, state.count, state.data);
  }
}

void Averaging::Swap() {
  for (const StateView& state : trainer_.States()) {
    if (std::string_view(state.name) != kAverageState) continue;
    std::swap_ranges(state.data, state.data + state.count,
                     trainer_.Tensors()[state.tensor].data);
  }
}

bool Averaging::EstimateStatistics(const std::function<bool()>& go_on) {
  bool live = false;
  for (const NodePlan& node : trainer_.plan().nodes) {
    live |= node.mode.live_statistics;
  }
  if (!live) return true;
  uint32_t done = 0;
  for (uint32_t time = 0; done < kBatches; ++time) {
    training_.StartEpoch(time, 0);
    const uint32_t before = done;
    while (done < kBatches) {
      const Batch* const next = training_.Next();
      if (next == nullptr) break;
      if (!go_on()) return false;
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
    if (done == before) break;
  }
  return true;
}

bool Averaging::Begin(const std::function<bool()>& go_on) {
  if (!any_ || active_ || waits()) return true;
  trainer_.TakeStatistics(statistics_.data());
  Swap();
  active_ = true;
  if (EstimateStatistics(go_on)) return true;
  End();
  return false;
}

void Averaging::End() {
  if (!active_) return;
  Swap();
  trainer_.RestoreStatistics(statistics_.data());
  active_ = false;
}

}  // namespace temper::host
