// The head alone: the features stay as the model has learnt them.
#include <algorithm>

#include "ports/host/train/presets/preset.h"

namespace temper::host {

const Preset kHeadPreset = {
    .name = "head",
    .help = "the head alone",
    .finetune = true,
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      return {AsPhases({HeadPhase(call, call.options.epochs)})};
    },
};

}  // namespace temper::host
