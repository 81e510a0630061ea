// What the verbs that judge a job share: MODEL and DATA as bare words, and the
// command that goes on from there.
#ifndef TEMPER_PORTS_CLI_RECIPE_OPTIONS_H_
#define TEMPER_PORTS_CLI_RECIPE_OPTIONS_H_

#include <string>
#include <vector>

#include "ports/cli/cli.h"
#include "ports/cli/job_command.h"
#include "ports/host/train/job.h"

namespace temper::host {

// MODEL DATA as bare words or as --model and --data, and all options of train.
void AddRecipeOptions(Cli& cli, Verb& verb, JobOptions* options);

// Notes on options of a run that trials, checks and the rate finder do not follow.
std::vector<std::string> NotTried(const JobOptions& options);

// Of a fine-tuning without phases or frozen layers: `finetune` alone would train a
// new head first.
bool IsTriedWhole(const JobOptions& options);

// The command that trains the job as it was tried, some options replaced or added.
std::vector<std::string> TrainCommand(Cli& cli, Verb& verb, const JobOptions& o,
                                      Changes changes);

// The same job for another verb that judges it: check, lr-find.
std::vector<std::string> RecipeCommand(Cli& cli, const std::string& verb,
                                       const JobOptions& o,
                                       const Changes& changes,
                                       Verb* typed = nullptr);

// The job whose own data spec holds the fifth out that a verb held out by itself.
JobOptions WithFifthHeldOut(JobOptions options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_RECIPE_OPTIONS_H_
