// The text of /proc and /sys files as values. Pure functions: no file is opened
// here, so that a fuzz target can feed them (tests/fuzz/system_text_fuzz.cc). A
// kernel of unknown version writes these files: values that are missing or make
// no sense become "unknown", never a failure, and lists have an end.
// Next: system.h, which reads the files.
#ifndef TEMPER_PORTS_HOST_MACHINE_SYSTEM_TEXT_H_
#define TEMPER_PORTS_HOST_MACHINE_SYSTEM_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::host {

// The most entries of any list below; a system with more is cut.
inline constexpr size_t kMostEntries = 1024;

// The first line without the blanks, NULs (device tree) and newline around it.
std::string FirstLine(std::string_view text);
// A whole number, alone on the first line; hexadecimal with or without 0x.
std::optional<int64_t> DecimalLine(std::string_view text);
std::optional<uint32_t> HexLine(std::string_view text);

// "0-3,8" -> 5 CPUs, the first and the last number of each range.
uint32_t CountCpus(std::string_view list);

// The processor's name from /proc/cpuinfo: x86 gives one, ARM gives the number
// of the core ("Cortex-A72"). "" if unknown.
std::string CpuNameOf(std::string_view cpuinfo);

// A value of os-release, quotes removed; "" if it is not there.
std::string OsReleaseValue(std::string_view text, std::string_view key);

// Bytes of one line of /proc/meminfo, such as "MemAvailable", or of
// /proc/self/status, such as "VmHWM".
std::optional<uint64_t> MemInfoBytes(std::string_view text,
                                     std::string_view name);

struct Swap {
  std::string path;
  bool file = false;  // a file in a file system, not a device
  uint64_t bytes = 0, used_bytes = 0;
};
std::vector<Swap> ParseSwaps(std::string_view text);

struct Mount {
  std::string point, type, source;
  uint32_t major = 0, minor = 0;
  bool read_only = false;
};
// /proc/self/mountinfo.
std::vector<Mount> ParseMounts(std::string_view text);
// The mount that an absolute path lies in; null if there is none.
const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path);

// The bits of the firmware's get_throttled.
struct Throttling {
  uint32_t raw = 0;
  struct Bits {
    bool under_voltage = false, capped = false, throttled = false;
    bool soft_limit = false;
  } now, since_boot;
};
Throttling ThrottlingOf(uint32_t raw);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_MACHINE_SYSTEM_TEXT_H_
