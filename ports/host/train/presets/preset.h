// A preset: named options of a job, for what is done again and again. One file
// each in this folder and one line in the list below. What a user gives himself
// stays as he gave it. Next: presets.cc (the list), lp_ft.cc (an example).
#ifndef TEMPER_PORTS_HOST_TRAIN_PRESETS_PRESET_H_
#define TEMPER_PORTS_HOST_TRAIN_PRESETS_PRESET_H_

#include <string>
#include <string_view>
#include <vector>

#include "ports/host/train/job.h"
#include "runtime/table.h"
#include "temper/registry.h"

namespace temper::host {

// An option as a job file has it: "schedule", "cosine".
struct PresetOption {
  std::string_view key;
  std::string value;
};

struct PresetCall {
  const JobOptions& options;  // with all that was given
  bool lr_given = false;
  const void* params = nullptr;

  template <class Params>
  const Params& As() const {
    return *static_cast<const Params*>(params);
  }
};

struct Preset {
  const char* name = "";
  const char* help = "";
  bool finetune = false;  // for finetune; else for train
  FieldList fields = {};
  void (*defaults)(void* params) = nullptr;
  // Epochs that its phases need, one each; null: 1.
  uint32_t (*least_epochs)(const PresetCall& call) = nullptr;
  std::vector<PresetOption> (*options)(const PresetCall& call) = nullptr;
};

#define TEMPER_PRESETS(PRESET) \
  PRESET(kHeadPreset)          \
  PRESET(kLastPreset)          \
  PRESET(kNormBiasPreset)      \
  PRESET(kFullPreset)          \
  PRESET(kLpFtPreset)          \
  PRESET(kGradualPreset)       \
  PRESET(kLecturePreset)

#define TEMPER_PRESET_DECLARE(constant) extern const Preset constant;
TEMPER_PRESETS(TEMPER_PRESET_DECLARE)
#undef TEMPER_PRESET_DECLARE

// "head", "last?k=2". Entry i is preset i of the list.
Catalogue PresetCatalogue();
const Preset& PresetAt(uint32_t i);

// The options of a preset, by its spec; kUsage if it is none, or not for this
// verb.
std::vector<PresetOption> ReadPreset(const std::string& spec,
                                     const JobOptions& options, bool lr_given);

// For the files of presets.
// Phases as --phases has them.
PresetOption AsPhases(const std::vector<PhaseOptions>& phases);
// A phase of the head alone. The head is new: its rate is the optimizer's own,
// not a fifth of it, unless one was given.
PhaseOptions HeadPhase(const PresetCall& call, uint32_t epochs);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_PRESETS_PRESET_H_
