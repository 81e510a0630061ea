// DeviceProfile: the speed of a device, as numbers with their origin. Read from
// TOML (docs/simulation.md describes the format); everything is checked while
// reading, so that an estimate needs no checks. `temper bench --profile`
// measures one (measure.h), devices/ holds those that are built in.
// Next: estimate.h.
#ifndef TEMPER_PORTS_SIM_PROFILE_H_
#define TEMPER_PORTS_SIM_PROFILE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ports/sim/grid.h"

namespace temper::sim {

enum class Origin : uint32_t { kMeasured, kPublished, kEstimated };
const char* OriginName(Origin origin);

// The origin of the numbers of one table: `source` says how they were
// measured, where they were published, or how they were derived.
struct Provenance {
  Origin origin = Origin::kEstimated;
  std::string source;
};

struct DeviceProfile {
  std::string name;

  struct Cpu {
    std::string arch;    // x86_64, aarch64, armv7
    std::string target;  // as for --target
    uint32_t cores = 1;
    double peak_gflops = 1;  // multiply-adds on registers, one core
    Provenance provenance;
  } cpu;

  struct Memory {
    uint64_t bytes = 0;     // that programs can have: all but the reserved
    uint64_t reserved = 0;  // by kernel, GPU and services
    uint64_t l1 = 0, l2 = 0, l3 = 0;  // 0: there is none
    bool l2_shared = false;           // by all cores
    Provenance provenance;
  } memory;

  struct Storage {
    double write_mbytes = 1;  // 10^6 bytes/s, sequential
    double fsync_ms = 0;      // of a file that has been written
    Provenance provenance;
  } storage;

  struct Overhead {
    double call_us = 0;    // of a kernel that has nothing to do
    double region_us = 0;  // of waking the other threads and waiting for them
    Provenance provenance;
  } overhead;

  // The speed of n threads together, relative to one thread; entry n - 1.
  struct Threads {
    std::vector<double> compute;
    std::vector<double> memory;  // beyond the private caches
    double transfer_gbytes = 1;  // from another core's cache, 10^9 bytes/s
    Provenance provenance;
  } threads;

  struct Rate {
    Grid grid;  // 10^9 operations or bytes per second, one thread
    Grid all;   // the same with a thread on every core; empty: not known
    Provenance provenance;
    // The text did not have this class: numbers of the most similar one
    // (runtime/kernel_classes.h). Not written.
    bool stand_in = false;
  };
  std::array<Rate, kKernels> rates;

  // Notes for the user: classes that the text does not have, and classes
  // of a later version, which were ignored.
  std::vector<std::string> notes;

  const Rate& RateOf(Kernel kernel) const {
    return rates[static_cast<uint32_t>(kernel)];
  }
  // Whether a run on this device gives the bits of every other exact target.
  bool Exact() const;
};

// Fills `profile`, or returns the error in the text with its place.
std::string ParseProfile(std::string_view text, DeviceProfile* profile);

// The TOML text that ParseProfile reads.
std::string ProfileToml(const DeviceProfile& profile);
// The same tables and keys as a JSON object.
std::string ProfileJson(const DeviceProfile& profile);

// The profiles that are built in: name on the command line and TOML text.
struct BuiltInProfile {
  const char* name;
  std::string_view text;
};
const std::vector<BuiltInProfile>& BuiltInProfiles();

}  // namespace temper::sim

#endif  // TEMPER_PORTS_SIM_PROFILE_H_
