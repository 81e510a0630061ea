// The list of presets. See preset.h.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "models/spec.h"
#include "ports/host/base/failure.h"
#include "ports/host/train/phases.h"
#include "ports/host/train/presets/preset.h"
#include "ports/host/train/specs.h"

namespace temper::host {
namespace {

#define TEMPER_PRESET_POINTER(constant) &constant,
const Preset* const kPresets[] = {TEMPER_PRESETS(TEMPER_PRESET_POINTER)};
#undef TEMPER_PRESET_POINTER

}  // namespace

const Preset& PresetAt(uint32_t i) { return *kPresets[i]; }

Catalogue PresetCatalogue() {
  return {"presets", "preset", static_cast<uint32_t>(std::size(kPresets)),
          [](uint32_t i) {
            const Preset& preset = *kPresets[i];
            return Entry{.name = preset.name,
                         .help = preset.help,
                         .fields = preset.fields,
                         .defaults = preset.defaults};
          }};
}

std::vector<PresetOption> ReadPreset(const std::string& spec,
                                     const JobOptions& options, bool lr_given) {
  Choice choice;
  const std::string wrong =
      ReadSpec(spec, PresetCatalogue(), 0, &choice, nullptr);
  if (!wrong.empty()) {
    Fail(ErrorKind::kUsage, "--preset", Printable(spec), wrong,
         "`temper list presets` shows what there is");
  }
  const Preset& preset = *kPresets[choice.kind];
  if (preset.finetune != options.finetune) {
    Fail(ErrorKind::kUsage, "--preset", Printable(spec),
         fmt::format("it is for {}", preset.finetune ? "finetune" : "train"),
         "`temper list presets` shows what there is");
  }
  const PresetCall call = {options, lr_given, choice.params};
  const uint32_t least =
      preset.least_epochs != nullptr ? preset.least_epochs(call) : 1;
  if (options.epochs < least) {
    Fail(ErrorKind::kUsage, "--preset", Printable(spec),
         fmt::format(
             "it has {} phases of an epoch or more, and the run {}", least,
             options.epochs == 1 ? std::string("one epoch")
                                 : fmt::format("{} epochs", options.epochs)),
         fmt::format("Give --epochs {} or more", least));
  }
  // A preset for finetune says what trains; of the head alone nothing is left to
  // be said.
  const std::vector<std::string>& frozen = options.freeze;
  if (preset.finetune &&
      std::find(frozen.begin(), frozen.end(), "body") != frozen.end()) {
    Fail(ErrorKind::kUsage, "--preset", Printable(spec),
         "it says which layers train, and --freeze body leaves the head alone",
         "Leave out one of the two; --preset head trains the head alone");
  }
  return preset.options(call);
}

PresetOption AsPhases(const std::vector<PhaseOptions>& phases) {
  return {"phases", PhasesText(phases)};
}

PhaseOptions HeadPhase(const PresetCall& call, uint32_t epochs) {
  PhaseOptions phase;
  phase.train = "head";
  phase.epochs = epochs;
  if (!call.lr_given) {
    phase.lr = UsualLearningRate(ReadOptimizer(call.options.optimizer).kind);
  }
  return phase;
}

}  // namespace temper::host
