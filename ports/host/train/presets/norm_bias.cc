// The head, and norms and biases of all layers: little is learnt and little is
// stored (bias-only tuning as in TinyTL, Cai et al. 2020, and BitFit, Ben Zaken et
// al. 2022).
#include <algorithm>

#include "ports/host/train/presets/preset.h"

namespace temper::host {

const Preset kNormBiasPreset = {
    .name = "norm_bias",
    .help = "the head, and norms and biases of all layers",
    .finetune = true,
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      PhaseOptions phase;
      phase.train = "norm_bias";
      phase.epochs = call.options.epochs;
      return {AsPhases({phase})};
    },
};

}  // namespace temper::host
