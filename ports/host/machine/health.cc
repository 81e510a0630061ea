// The warnings of doctor, one function per subject. See health.h.
#include "ports/host/machine/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
// A Raspberry Pi lowers its clock from 80 degrees on.
constexpr double kHotCelsius = 80;
// Less than this is used up by the next program that starts.
constexpr uint64_t kLittleMemory = 128 * kMiB;
constexpr uint64_t kLittleSpace = 64 * kMiB;
// 2024-01-01: no temper is older.
constexpr int64_t kEarliestSeconds = 1704067200;

using Warnings = std::vector<Warning>;

template <size_t n>
bool IsOneOf(std::string_view word, const std::string_view (&words)[n]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

void Arithmetic(const HealthContext& context, Warnings* out) {
  if (!context.target_exact) {
    out->push_back(
        {"not_exact",
         fmt::format("the SIMD target {} has no fused multiply-add or flushes "
                     "subnormal numbers: results differ slightly from other "
                     "machines",
                     context.target),
         "Use a 64-bit system on ARM; on x86 a CPU with AVX2"});
  }
  if (!context.float_environment_exact) {
    out->push_back({"float_environment",
                    "this process rounds differently or flushes subnormal "
                    "numbers: training will be refused",
                    "Look for a preloaded library that was built with "
                    "-ffast-math"});
  }
}

void Power(const SystemFacts& facts, Warnings* out) {
  constexpr std::string_view kSupply =
      "Use the power supply made for this board and a short, thick cable; "
      "power USB devices separately";
  constexpr std::string_view kCool =
      "Add a heat sink or a fan, and keep the air moving";
  const Throttling t = facts.throttling.value_or(Throttling{});
  if (t.now.under_voltage || facts.under_voltage_alarm.value_or(false)) {
    out->push_back({"under_voltage_now",
                    "the supply voltage is too low right now: the board slows "
                    "down and may lose power",
                    std::string(kSupply)});
  } else if (t.since_boot.under_voltage) {
    out->push_back({"under_voltage_happened",
                    "the supply voltage was too low at some time since boot",
                    std::string(kSupply)});
  }
  if (t.now.throttled || t.now.capped || t.now.soft_limit) {
    out->push_back({"throttled_now",
                    "the firmware holds the CPU below its frequency right now: "
                    "training takes longer, its results are the same",
                    std::string(kCool)});
  } else if (t.since_boot.throttled || t.since_boot.capped ||
             t.since_boot.soft_limit) {
    out->push_back({"throttled_happened",
                    "the firmware has held the CPU below its frequency at some "
                    "time since boot",
                    std::string(kCool)});
  }
  if (facts.celsius.value_or(0) >= kHotCelsius) {
    out->push_back(
        {"hot",
         fmt::format("the CPU is at {:.1f} degrees Celsius", *facts.celsius),
         std::string(kCool)});
  }
  // The powersave of these two drivers scales with the load.
  constexpr std::string_view kScaling[] = {"intel_pstate", "amd-pstate-epp"};
  if (facts.governor == "powersave" &&
      !IsOneOf(facts.governor_driver, kScaling)) {
    out->push_back(
        {"governor_powersave",
         "the frequency governor powersave keeps the CPU at its lowest "
         "frequency",
         "echo ondemand | sudo tee "
         "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"});
  }
}

void Memory(const SystemFacts& facts, const HealthContext& context,
            Warnings* out) {
  if (facts.available_bytes) {
    const uint64_t available = *facts.available_bytes;
    if (context.arena_bytes && *context.arena_bytes > available) {
      out->push_back(
          {"arena_does_not_fit",
           fmt::format("the run's arena has {:.1f} MiB, and {:.1f} MiB of "
                       "memory are available",
                       static_cast<double>(*context.arena_bytes) / kMiB,
                       static_cast<double>(available) / kMiB),
           "Stop other programs, or start a run with a smaller --batch"});
    } else if (available < kLittleMemory) {
      out->push_back(
          {"little_memory",
           fmt::format("only {:.1f} MiB of memory are available",
                       static_cast<double>(available) / kMiB),
           "Stop other programs (a desktop, a browser), and see what a job "
           "needs with temper plan"});
    }
  }
  for (const SwapArea& swap : facts.swaps) {
    if (swap.medium != Medium::kFlashCard) continue;
    out->push_back(
        {"swap_on_card",
         fmt::format("swap space lies on an SD card or eMMC ({}): swapping "
                     "there is slow and wears it out",
                     Printable(swap.path)),
         "Turn it off (sudo swapoff -a; sudo systemctl disable --now "
         "dphys-swapfile), or use zram"});
    break;
  }
}

void Storage(const FolderFacts& folder, Warnings* out) {
  if (folder.mount) {
    const Mount& mount = *folder.mount;
    const auto add = [&](const char* code, std::string_view why,
                         std::string_view remedy) {
      out->push_back(
          {code,
           fmt::format("{} lies on {} ({}): {}", Printable(folder.path),
                       Printable(mount.type), Printable(mount.point), why),
           std::string(remedy)});
    };
    constexpr std::string_view kElsewhere =
        "Write runs to an ext4 file system: --out DIR";
    constexpr std::string_view kVolatile[] = {"tmpfs", "ramfs", "rootfs"};
    constexpr std::string_view kOverlay[] = {"overlay", "aufs", "overlayfs"};
    constexpr std::string_view kFat[] = {"vfat", "msdos", "exfat",
                                         "ntfs", "ntfs3", "fuseblk"};
    constexpr std::string_view kNetwork[] = {"nfs",  "nfs4", "cifs",
                                             "smb3", "9p",   "fuse.sshfs"};
    if (IsOneOf(mount.type, kVolatile)) {
      add("folder_in_memory", "runs there are lost at the next boot",
          kElsewhere);
    } else if (IsOneOf(mount.type, kOverlay)) {
      add("folder_on_overlay",
          "what is written there may be lost at the next boot (a read-only "
          "system, a container)",
          "Switch the overlay file system off (raspi-config), or write runs to "
          "another disk: --out DIR");
    } else if (IsOneOf(mount.type, kFat)) {
      add("folder_on_fat",
          "it has no journal and cannot replace a file as a whole; a power "
          "failure may damage it",
          kElsewhere);
    } else if (IsOneOf(mount.type, kNetwork)) {
      add("folder_on_network",
          "a run stops with an I/O error when the network does", kElsewhere);
    }
    if (mount.read_only) {
      add("folder_read_only", "it is mounted read-only", kElsewhere);
    }
  }
  if (folder.free_bytes && *folder.free_bytes < kLittleSpace) {
    out->push_back({"little_space",
                    fmt::format("only {:.1f} MiB are free in {}",
                                static_cast<double>(*folder.free_bytes) / kMiB,
                                Printable(folder.path)),
                    "Remove old runs, or choose another --out"});
  }
}

void Clock(const SystemFacts& facts, Warnings* out) {
  if (facts.seconds >= kEarliestSeconds) return;
  const int64_t year = 1970 + facts.seconds / 31556952;
  out->push_back(
      {"clock_not_set",
       fmt::format("the clock is not set (year {}): the times in events.jsonl "
                   "will be wrong; training itself uses no clock",
                   year),
       "Connect the network once (timedatectl shows the state), or add a "
       "clock module"});
}

}  // namespace

std::vector<Warning> FindWarnings(const SystemFacts& facts,
                                  const HealthContext& context) {
  Warnings out;
  Arithmetic(context, &out);
  Power(facts, &out);
  Memory(facts, context, &out);
  Storage(facts.folder, &out);
  Clock(facts, &out);
  return out;
}

}  // namespace temper::host
