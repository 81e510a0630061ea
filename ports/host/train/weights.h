// The weights of a trainer: drawn, from statistics of the data, or from a model
// file, whose head may be for other classes. Also the names of its tensors in
// files. Next: checkpoint.h, which saves them.
#ifndef TEMPER_PORTS_HOST_TRAIN_WEIGHTS_H_
#define TEMPER_PORTS_HOST_TRAIN_WEIGHTS_H_

#include "models/files/trainer_tensors.h"
#include "ports/host/train/job.h"
#include "ports/host/train/model_source.h"
#include "temper/trainer.h"

namespace temper::host {

// Fills a trainer made from job.plan: draws first, then known values; reads
// job.source.
void SetWeights(Job& job, Trainer& trainer);

// The weights of a model file into a trainer of its graph. Throws as
// ModelSource::Read; then the trainer must not be used.
void ReadWeights(ModelSource& source, Trainer& trainer);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_WEIGHTS_H_
