// How a job's training samples become batches.
#ifndef TEMPER_PORTS_HOST_TRAIN_TRAINING_LOADER_H_
#define TEMPER_PORTS_HOST_TRAIN_TRAINING_LOADER_H_

#include "ports/host/data/loader.h"
#include "ports/host/train/job.h"

namespace temper::host {

LoaderOptions TrainingLoader(const Job& job);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_TRAINING_LOADER_H_
