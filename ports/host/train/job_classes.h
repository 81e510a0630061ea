// What losses and numbers of samples of classes change in a job: how many outputs
// a loss wants, what a class counts, how often it comes. Steps of PrepareJob.
#ifndef TEMPER_PORTS_HOST_TRAIN_JOB_CLASSES_H_
#define TEMPER_PORTS_HOST_TRAIN_JOB_CLASSES_H_

#include <cstdint>

#include "ports/host/train/job.h"

namespace temper::host {

// Numbers that the job's graph computes of a sample.
uint32_t OutputsOf(const Job& job);

// Of a model file, with the classes settled: rows of the head where one output
// stands, or stood, for two classes.
void SettleOneOutput(Job& job);

// --loss in a model of the list: two classes after sigmoid have one output.
// kConfiguration if head= contradicts it; else as ApplyLoss.
void SetNewLoss(Job& job);

// --class-weights and --sampler, and a note where neither is given and classes
// differ much. kUsage.
void BalanceClasses(Job& job);

// The accuracy of always guessing the class that most training samples have; 0
// where samples have no class.
double ChanceOf(const Job& job);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_JOB_CLASSES_H_
