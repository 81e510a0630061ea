// Everything at once, at the small rate of fine-tuning.
#include <algorithm>

#include "ports/host/train/presets/preset.h"

namespace temper::host {

const Preset kFullPreset = {
    .name = "full",
    .help = "everything, at the small rate of fine-tuning",
    .finetune = true,
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      PhaseOptions phase;
      phase.epochs = call.options.epochs;
      return {AsPhases({phase})};
    },
};

}  // namespace temper::host
