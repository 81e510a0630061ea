// A run of another length than it was begun with (resume --epochs). The options
// are stored before the first checkpoint that knows of them, and say what they
// were before (JobOptions::lengthened_from), so that the power may fail between
// the two.
#ifndef TEMPER_PORTS_HOST_TRAIN_LENGTHEN_H_
#define TEMPER_PORTS_HOST_TRAIN_LENGTHEN_H_

#include <cstdint>

#include "ports/host/train/checkpoint.h"
#include "ports/host/train/job.h"

namespace temper::host {

// The options that this checkpoint of the run was made with: those given, or
// with the epochs that they had before.
JobOptions AsSaved(const JobOptions& options,
                   const ModelDescription& checkpoint);

// Gives the job `epochs` in all; of a run with phases the last one becomes longer
// or shorter. Plans and schedules are made anew for that length, and a note says
// what becomes of the rate. A run that had stopped early waits anew (`at`). kUsage
// if more epochs are done already.
void SetLength(Job& job, uint32_t epochs, Counters* at);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_LENGTHEN_H_
