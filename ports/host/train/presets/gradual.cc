// Gradual unfreezing (Howard and Ruder 2018): the head, then block after block from
// the last one on, then everything.
#include "ports/host/train/presets/preset.h"

namespace temper::host {
namespace {

struct GradualParams {
  uint32_t blocks = 2;
};
constexpr Field kFields[] = {
    TEMPER_FIELD_U32(GradualParams, blocks, 1, 40,
                     "blocks that get a phase of their own"),
};

}  // namespace

const Preset kGradualPreset = {
    .name = "gradual",
    .help = "the head, then block after block, then everything",
    .finetune = true,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<GradualParams>,
    .least_epochs =
        [](const PresetCall& call) {
          return call.As<GradualParams>().blocks + 2;
        },
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      const uint32_t blocks = call.As<GradualParams>().blocks;
      const uint32_t each = call.options.epochs / (blocks + 2);
      std::vector<PhaseOptions> phases = {HeadPhase(call, each)};
      for (uint32_t k = 1; k <= blocks; ++k) {
        phases.push_back({"last=" + std::to_string(k), each, 0.0, "", "", ""});
      }
      const uint32_t rest = call.options.epochs - each * (blocks + 1);
      phases.push_back({"all", rest, 0.0, "", "", ""});
      return {AsPhases(phases)};
    },
};

}  // namespace temper::host
