// The preprocessing of a new model (--normalize): statistics of the training data
// for its normalize layer, and what its file says of them.
#ifndef TEMPER_PORTS_HOST_TRAIN_NORMALIZATION_H_
#define TEMPER_PORTS_HOST_TRAIN_NORMALIZATION_H_

#include "ports/host/train/job.h"

namespace temper::host {

// Fills job.statistics, the layer's fields and job.info.preprocessing.
// `from_file`: the graph is a file's, whose layer says how it computes.
// kConfiguration if that contradicts the option.
void SetNormalization(Job& job, bool from_file);

// Of a model file, whose preprocessing stays: kMismatch if the option asks for
// another one.
void CheckNormalization(const Job& job);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_NORMALIZATION_H_
