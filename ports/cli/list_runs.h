// `temper list runs [DIR]`: the run folders, how far each is and how well it
// does. Next: ports/host/train/runs.h.
#ifndef TEMPER_PORTS_CLI_LIST_RUNS_H_
#define TEMPER_PORTS_CLI_LIST_RUNS_H_

#include <string>

#include "ports/cli/cli.h"

namespace temper::host {

// `folder`: "" means runs/, which need not be there yet. Returns the exit code.
int PrintRuns(Cli& cli, const std::string& folder);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_LIST_RUNS_H_
