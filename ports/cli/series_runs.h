// The runs of a series, one after the other in this process, with one thread
// pool; then a table of them with mean and spread. Next: ports/host/train/series.h.
#ifndef TEMPER_PORTS_CLI_SERIES_RUNS_H_
#define TEMPER_PORTS_CLI_SERIES_RUNS_H_

#include "ports/cli/cli.h"
#include "ports/host/train/series.h"

namespace temper::host {

// --folds and --seeds.
void AddSeriesOptions(Verb& verb, Series* series);

// Begins the series, or goes on with one that was stopped: runs that are finished
// stay as they are. Returns the exit code.
int RunSeries(Cli& cli, Series series, bool quiet);
int ResumeSeries(Cli& cli, const std::string& folder, bool quiet);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_SERIES_RUNS_H_
