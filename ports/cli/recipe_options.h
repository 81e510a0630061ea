// What the verbs that judge a job share: MODEL and DATA as bare words, and the
// command that goes on from there.
#ifndef TEMPER_PORTS_CLI_RECIPE_OPTIONS_H_
#define TEMPER_PORTS_CLI_RECIPE_OPTIONS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ports/cli/cli.h"
#include "ports/host/train/job.h"

namespace temper::host {

// MODEL DATA as bare words or as --model and --data, and all options of train.
void AddRecipeOptions(Cli& cli, Verb& verb, JobOptions* options);

// The command `train` or `finetune` with the options of the job that were
// given, some of them replaced or added ("--lr", "0.05").
using Changes = std::vector<std::pair<std::string, std::string>>;
std::vector<std::string> TrainCommand(const Verb& verb, const JobOptions& o,
                                      const Changes& changes);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_RECIPE_OPTIONS_H_
