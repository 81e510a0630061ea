// Facts about the system that temper runs on: board, CPU frequency and heat,
// memory, swap, the file system of a folder, the clock. Read from /proc, /sys
// and a few more files below a root folder, so that tests can describe another
// machine (tests/host/system_test.cc). Missing facts are unknown; nothing
// here fails. Next: health.h, which finds problems in them.
#ifndef TEMPER_PORTS_HOST_MACHINE_SYSTEM_H_
#define TEMPER_PORTS_HOST_MACHINE_SYSTEM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ports/host/machine/system_text.h"

namespace temper::host {

// What storage a mount or a swap area lies on.
enum class Medium { kUnknown, kFlashCard, kCompressedMemory };

struct SwapArea : Swap {
  Medium medium = Medium::kUnknown;
};

struct FolderFacts {
  std::string path;  // absolute; the nearest folder that exists
  std::optional<Mount> mount;
  Medium medium = Medium::kUnknown;
  std::optional<uint64_t> free_bytes;
};

struct SystemFacts {
  std::string os, kernel, board, cpu;    // "" if unknown
  uint32_t cpus_online = 0;              // 0 if unknown
  std::optional<uint32_t> cpus_allowed;  // by control groups
  std::string governor, governor_driver;
  std::optional<uint64_t> hertz, most_hertz;
  std::optional<double> celsius;  // of the hottest sensor that makes sense
  std::optional<Throttling> throttling;
  std::optional<bool> under_voltage_alarm;  // of a board without throttling
  // The machine's, or what control groups leave of it.
  std::optional<uint64_t> memory_bytes, available_bytes;
  std::optional<uint64_t> memory_limit_bytes;  // of control groups
  std::vector<SwapArea> swaps;
  FolderFacts folder;
  int64_t seconds = 0;  // since 1970
  std::optional<bool> clock_synchronized;
};

// The beginning of a file, at most 1 MiB; "" if it is not a regular file that
// can be read.
std::string ReadText(const std::string& path);

// Memory that a job can have here and now: what the system has left, or what
// control groups leave of it. Nothing if unknown.
std::optional<uint64_t> AvailableMemory();

// `root`: "/" for this system. In another tree the folder's name is not
// resolved, and facts that need system calls (free bytes, the kernel's clock)
// are unknown. `folder`: where runs are written.
SystemFacts ReadSystem(const std::string& root, const std::string& folder);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_MACHINE_SYSTEM_H_
