// Specs of a job (models/spec.h) as structs of the runtime. Each throws
// kUsage that names the option, the error and the valid names.
#ifndef TEMPER_PORTS_HOST_TRAIN_SPECS_H_
#define TEMPER_PORTS_HOST_TRAIN_SPECS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "temper/augment.h"
#include "temper/graph.h"
#include "temper/initializers.h"
#include "temper/optimizers.h"
#include "temper/schedules.h"
#include "temper/update_hooks.h"

namespace temper::host {

// --optimizer: sgd?momentum=0.9&nesterov=1
Optimizer ReadOptimizer(const std::string& spec);

// --schedule: cosine?warmup=2e. Rate and total steps are the caller's to set.
// steps_per_epoch 0: not known yet; then the result is for checks alone.
Schedule ReadSchedule(const std::string& spec, uint64_t steps_per_epoch);

// --init: he_normal?zero_residual=0; "auto" has no initializer.
InitializeOptions ReadInitializer(const std::string& spec);

// --clip: norm=1,value=0.5, each at most once: the hooks clip_norm and
// clip_value. Values are clipped first. An empty text is an empty list.
std::vector<UpdateHook> ReadClipping(std::string_view text);

// --average: ema?decay=0.999 or swa?start=5e. An swa that does not say when it
// starts averages, every `every` steps, to the last step of the run, and begins
// in the epochs after its first three quarters (total_steps 0: not known, it is
// only checked). Nothing for an empty text.
std::optional<UpdateHook> ReadAverage(const std::string& spec,
                                      uint64_t steps_per_epoch,
                                      uint64_t total_steps);
// The step of a run that its average begins with.
uint64_t FirstAveragedStep(const std::vector<UpdateHook>& hooks);

// --augment: hflip,crop?padding=4,brightness=0.2: specs separated by commas, in
// the order in which they are applied. NAME=VALUE stands for an entry's only
// field. They must fit samples of this shape, kept as `stored` if that is another
// one. An empty text is an empty list.
std::vector<Augmentation> ReadAugmentations(
    std::string_view text, const Shape& shape,
    const std::optional<Shape>& stored = {});

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_SPECS_H_
