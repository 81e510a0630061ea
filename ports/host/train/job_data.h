// The data of a job: training and validation samples in the form that its model
// reads, and what is odd about them. See job.h.
#ifndef TEMPER_PORTS_HOST_TRAIN_JOB_DATA_H_
#define TEMPER_PORTS_HOST_TRAIN_JOB_DATA_H_

#include "ports/host/train/job.h"

namespace temper::host {

// Reads job.options.data and its validation data; fills in data, findings and
// notes. job.info.graph is the model's, or empty for one that the data decide.
// Throws Failure.
void LoadJobData(Job& job);

// A note if random_resized_crop and the size that pictures are kept at do not go
// together. job.augment is known.
void NoteWorkingSize(Job& job);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_JOB_DATA_H_
