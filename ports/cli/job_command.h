// A job as the command that runs it: what verbs print as the next thing to do.
#ifndef TEMPER_PORTS_CLI_JOB_COMMAND_H_
#define TEMPER_PORTS_CLI_JOB_COMMAND_H_

#include <string>
#include <utility>
#include <vector>

#include "ports/cli/cli.h"
#include "ports/host/train/job.h"

namespace temper::host {

// Options with their values, ("--lr", "0.05"); "" leaves an option out.
using Changes = std::vector<std::pair<std::string, std::string>>;

// `train` or `finetune` with every option of the job that is not its default, some
// of them replaced or added. Of those that change no result (threads, arena, target)
// what was typed for `typed`; none without it.
std::vector<std::string> JobCommand(Cli& cli, const JobOptions& options,
                                    const Changes& changes,
                                    Verb* typed = nullptr);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_JOB_COMMAND_H_
