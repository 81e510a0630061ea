// The learning rate of a job over its epochs, drawn in text.
#ifndef TEMPER_PORTS_CLI_SCHEDULE_PLOT_H_
#define TEMPER_PORTS_CLI_SCHEDULE_PLOT_H_

#include <cstdint>
#include <string>

#include "ports/cli/report.h"
#include "ports/host/train/job.h"

namespace temper::host {

// Lines of at most 80 characters; a column is the rate in the middle of its
// share of the steps. Rates of plateau are those before the first fall.
std::string SchedulePlot(const Schedule& schedule, uint64_t steps_per_epoch);

// Resolves the job (its data say how many steps there are) and draws its
// schedule; as data: the rates of the first and last step of every epoch.
void AddSchedule(const JobOptions& options, Report* report);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_SCHEDULE_PLOT_H_
