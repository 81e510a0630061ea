// The head and the last k blocks before it.
#include <algorithm>

#include "ports/host/train/presets/preset.h"

namespace temper::host {
namespace {

struct LastParams {
  uint32_t k = 2;
};
constexpr Field kFields[] = {
    TEMPER_FIELD_U32(LastParams, k, 1, 1000, "blocks before the head"),
};

}  // namespace

const Preset kLastPreset = {
    .name = "last",
    .help = "the head and the last k blocks before it",
    .finetune = true,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<LastParams>,
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      PhaseOptions phase;
      phase.train = "last=" + std::to_string(call.As<LastParams>().k);
      phase.epochs = call.options.epochs;
      return {AsPhases({phase})};
    },
};

}  // namespace temper::host
