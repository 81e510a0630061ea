// The CPU time and memory that a container or a service may use, as
// control groups (version 1 and 2) limit them. A limit of any group above this
// process counts; the smallest one decides. A value that is missing or makes no
// sense is no limit. Next: threads.h and system.h, which apply it.
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
  // The rest of it: the limit less the memory in use that cannot be dropped.
  std::optional<uint64_t> available_bytes;
};

// Of this process. `root`: "" for this system, else a folder with the files of
// another one (system.h).
CgroupLimits ReadCgroupLimits(const std::string& root = "");

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_CGROUP_H_
