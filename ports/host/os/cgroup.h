// What a container or a service may use of the machine: CPU time and memory, as
// control groups (version 1 and 2) limit them. A limit of any group above this
// process counts; the smallest one decides. What is not there or makes no sense
// is no limit. Next: threads.h and system.h, which heed it.
#ifndef TEMPER_PORTS_HOST_OS_CGROUP_H_
#define TEMPER_PORTS_HOST_OS_CGROUP_H_

#include <cstdint>
#include <optional>
#include <string>

namespace temper::host {

struct CgroupLimits {
  // CPUs' worth of time, rounded up: 1 or more.
  std::optional<uint32_t> cpus;
  std::optional<uint64_t> memory_bytes;
  // What is left of it: the limit less what is in use and cannot be dropped.
  std::optional<uint64_t> available_bytes;
};

// Of this process. `root`: "" for this system, else a folder with the files of
// another one (system.h).
CgroupLimits ReadCgroupLimits(const std::string& root = "");

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_CGROUP_H_
