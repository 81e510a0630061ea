// The options of a job: those that train, finetune, plan and simulate share.
#ifndef TEMPER_PORTS_CLI_JOB_OPTIONS_H_
#define TEMPER_PORTS_CLI_JOB_OPTIONS_H_

#include "ports/cli/cli.h"
#include "ports/host/train/job.h"

namespace temper::host {

// Data, model (but --model itself), training, machine; --config and --dry-run.
void AddJobOptions(Cli& cli, Verb& verb, JobOptions* options);
// Where a run writes, and how often: --out, --save-every, --overwrite, --quiet.
void AddRunOptions(Verb& verb, JobOptions* options, bool* quiet,
                   const char* group = "Run folder");

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_JOB_OPTIONS_H_
