// The options of version 0.1 in today's terms. It stored each knob of its
// optimizer and its schedules as an option of its own; today they are fields of
// specs. Its runs are read, and keep their fingerprints, through this file
// alone.
#ifndef TEMPER_PORTS_HOST_TRAIN_FIRST_VERSION_H_
#define TEMPER_PORTS_HOST_TRAIN_FIRST_VERSION_H_

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "ports/host/train/job.h"

namespace temper::host {

// Reads its options from a config.json, if that is one of its files, and those
// that a later version kept (JobOptions::unused). Adds their names to `names`.
// Throws std::exception for a value of the wrong type.
void ReadFirstVersion(const nlohmann::ordered_json& json, JobOptions* options,
                      std::vector<std::string_view>* names);
// True if the schedule was read by ReadFirstVersion.
bool IsFirstVersion(const nlohmann::ordered_json& json);

// Its options without effect, for a config.json that is written again.
void WriteUnused(const JobOptions& options, nlohmann::ordered_json* json);

// The text that is hashed: the options of the first version, which are always
// there, then later ones that differ from their defaults.
nlohmann::ordered_json FingerprintJson(const JobOptions& options);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_FIRST_VERSION_H_
