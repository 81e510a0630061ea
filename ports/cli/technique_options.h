// Options of a job that belong to one technique each: clipping, accumulation,
// regularization, early stopping. What they mean: docs/recipe.md.
#ifndef TEMPER_PORTS_CLI_TECHNIQUE_OPTIONS_H_
#define TEMPER_PORTS_CLI_TECHNIQUE_OPTIONS_H_

#include "ports/cli/option.h"
#include "ports/host/train/job.h"

namespace temper::host {

void AddTechniqueOptions(Verb& verb, JobOptions* options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_TECHNIQUE_OPTIONS_H_
