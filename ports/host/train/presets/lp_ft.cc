// Linear probing, then fine-tuning (LP-FT, Kumar et al. 2022): a head that was
// drawn at random would first spoil the features that it is given, one that was
// trained on them does not.
#include <algorithm>

#include "ports/host/train/presets/preset.h"

namespace temper::host {
namespace {

struct LpFtParams {
  float probe = 0.5f;
};
constexpr Field kFields[] = {
    TEMPER_FIELD_F32(LpFtParams, probe, 0.01, 0.99,
                     "share of the epochs for the head alone"),
};

}  // namespace

const Preset kLpFtPreset = {
    .name = "lp_ft",
    .help = "the head first, then everything",
    .finetune = true,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<LpFtParams>,
    .least_epochs = [](const PresetCall&) { return 2u; },
    .options = [](const PresetCall& call) -> std::vector<PresetOption> {
      const double share = call.As<LpFtParams>().probe;
      const uint32_t all = call.options.epochs;
      const uint32_t probe = std::clamp<uint32_t>(
          static_cast<uint32_t>(all * share + 0.5), 1, all - 1);
      PhaseOptions phase;
      phase.epochs = all - probe;
      return {AsPhases({HeadPhase(call, probe), phase})};
    },
};

}  // namespace temper::host
