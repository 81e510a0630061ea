// The files of a run folder that are data of the run itself: what they are
// called, config.json read back, plan.json as text. Next: run_recorder.h, which
// writes them; ports/host/run/run_folder.h (the folder).
#ifndef TEMPER_PORTS_HOST_TRAIN_RUN_FILES_H_
#define TEMPER_PORTS_HOST_TRAIN_RUN_FILES_H_

#include <string>

#include "ports/host/run/run_folder.h"
#include "ports/host/train/job.h"

namespace temper::host {

// Where a run's state lies.
inline constexpr const char* kLastCheckpoint = "last.safetensors";
inline constexpr const char* kBestWeights = "best.safetensors";
std::string LastCheckpoint(const std::string& folder);
std::string BestWeights(const std::string& folder);

// Reads config.json of a run folder; options.out is the folder.
inline constexpr const char* kConfigFile = "config.json";
JobOptions ReadRunOptions(const std::string& folder);
JobOptions ReadRunOptions(const RunFolder& folder);

// plan.json: the plan as data.
std::string PlanJson(const Plan& plan);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_RUN_FILES_H_
