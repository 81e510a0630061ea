// Problems of a system and their remedies: the warnings of
// `temper doctor`. Pure: facts in, warnings out.
#ifndef TEMPER_PORTS_HOST_MACHINE_HEALTH_H_
#define TEMPER_PORTS_HOST_MACHINE_HEALTH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ports/host/machine/system.h"

namespace temper::host {

struct Warning {
  std::string code;     // for scripts: never renamed
  std::string message;  // the problem and its consequence
  std::string remedy;   // one sentence
};

// Facts that doctor has in addition to those of the system.
struct HealthContext {
  std::string target;
  bool target_exact = true;
  bool float_environment_exact = true;
  uint32_t cpus_usable = 1;
  std::optional<uint64_t> arena_bytes;  // of the run that was named
};

std::vector<Warning> FindWarnings(const SystemFacts& facts,
                                  const HealthContext& context);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_MACHINE_HEALTH_H_
