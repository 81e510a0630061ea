// What the user should know of options that decide nothing in a job, or less than
// they seem to. Notes, no errors: a job file may hold options for several jobs.
#ifndef TEMPER_PORTS_HOST_TRAIN_IGNORED_OPTIONS_H_
#define TEMPER_PORTS_HOST_TRAIN_IGNORED_OPTIONS_H_

#include "ports/host/train/job.h"

namespace temper::host {

// Of a job whose graph is there. `resumed`: it was told when the run began, as far
// as it is about first weights.
void NoteIgnoredOptions(Job& job, bool resumed);
// Of one whose phases are planned: rates that never change.
void NoteFlatSchedules(Job& job);
// Targets that are values far from 1, at a rate that nobody has chosen.
void NoteLargeTargets(Job& job);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_IGNORED_OPTIONS_H_
