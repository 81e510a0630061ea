// Reads the files that system_text.h understands. See system.h.
#include "ports/host/machine/system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>

#include "ports/host/os/cgroup.h"

namespace temper::host {
namespace {

// Enough for the mounts of a host of many containers.
constexpr size_t kMostBytes = size_t{1} << 20;
constexpr uint32_t kMajorOfMmc = 179;  // the kernel's list of devices

}  // namespace

std::string ReadText(const std::string& path) {
  // Without O_NONBLOCK a FIFO would wait for its writer.
  const int fd =
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return "";
  std::string text;
  struct stat info;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    char part[4096];
    while (text.size() < kMostBytes) {
      const ssize_t n = read(fd, part, sizeof(part));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      text.append(part, static_cast<size_t>(n));
    }
  }
  close(fd);
  return text;
}

namespace {

// Names in a folder that begin and end so, sorted.
std::vector<std::string> Names(const std::string& path, std::string_view begin,
                               std::string_view end) {
  std::vector<std::string> names;
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name.starts_with(begin) && name.ends_with(end) &&
        names.size() < kMostEntries) {
      names.emplace_back(name);
    }
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

class Tree {
 public:
  explicit Tree(std::string root) : root_(std::move(root)) {
    while (root_.ends_with('/')) root_.pop_back();
  }
  bool here() const { return root_.empty(); }
  std::string Path(const std::string& path) const { return root_ + path; }
  std::string Text(const std::string& path) const {
    return ReadText(Path(path));
  }
  std::string Line(const std::string& path) const {
    return FirstLine(Text(path));
  }

 private:
  std::string root_;
};

std::optional<uint64_t> Kilohertz(const std::string& text) {
  const std::optional<int64_t> value = DecimalLine(text);
  if (!value || *value <= 0 || *value > 100000000) return {};
  return static_cast<uint64_t>(*value) * 1000;
}

void ReadFrequency(const Tree& tree, SystemFacts* facts) {
  // One policy may differ from the next (big and little cores): what slows one
  // of them down is what counts.
  const std::string base = "/sys/devices/system/cpu/cpufreq";
  std::vector<std::string> policies;
  for (const std::string& name : Names(tree.Path(base), "policy", "")) {
    policies.push_back(base + "/" + name);
  }
  if (policies.empty()) policies = {"/sys/devices/system/cpu/cpu0/cpufreq"};
  for (const std::string& policy : policies) {
    const std::string governor = tree.Line(policy + "/scaling_governor");
    if (facts->governor.empty() || governor == "powersave") {
      facts->governor = governor;
      facts->governor_driver = tree.Line(policy + "/scaling_driver");
    }
    const auto hertz = Kilohertz(tree.Text(policy + "/scaling_cur_freq"));
    const auto most = Kilohertz(tree.Text(policy + "/cpuinfo_max_freq"));
    if (hertz) facts->hertz = std::max(facts->hertz.value_or(0), *hertz);
    if (most)
      facts->most_hertz = std::max(facts->most_hertz.value_or(0), *most);
  }
}

void ReadHeatAndPower(const Tree& tree, SystemFacts* facts) {
  const std::string zones = "/sys/class/thermal";
  for (const std::string& zone : Names(tree.Path(zones), "thermal_zone", "")) {
    const auto value = DecimalLine(tree.Text(zones + "/" + zone + "/temp"));
    // Sensors that are off read -274 degrees, 0 or 2^31.
    if (!value || *value <= -60000 || *value == 0 || *value >= 200000) continue;
    const double celsius = static_cast<double>(*value) / 1000;
    facts->celsius = std::max(facts->celsius.value_or(celsius), celsius);
  }
  // soc/soc:firmware up to the Pi 4; other kernels put the address in the name.
  const std::string platform = "/sys/devices/platform";
  for (const std::string& soc : Names(tree.Path(platform), "soc", "")) {
    const std::string below = platform + "/" + soc;
    for (const std::string& name : Names(tree.Path(below), "", ":firmware")) {
      const auto raw =
          HexLine(tree.Text(below + "/" + name + "/get_throttled"));
      if (raw) facts->throttling = ThrottlingOf(*raw);
    }
  }
  const std::string monitors = "/sys/class/hwmon";
  for (const std::string& name : Names(tree.Path(monitors), "hwmon", "")) {
    const std::string monitor = monitors + "/" + name;
    if (tree.Line(monitor + "/name") != "rpi_volt") continue;
    const auto alarm = DecimalLine(tree.Text(monitor + "/in0_lcrit_alarm"));
    if (alarm) facts->under_voltage_alarm = *alarm != 0;
  }
}

std::optional<uint64_t> Least(std::optional<uint64_t> a,
                              std::optional<uint64_t> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

Medium MediumOf(const Mount& mount) {
  const bool mmc =
      mount.major == kMajorOfMmc || mount.source.starts_with("/dev/mmcblk");
  return mmc ? Medium::kFlashCard : Medium::kUnknown;
}

// Absolute, of the nearest folder that exists: a run's folder may be yet to be
// made.
std::string ExistingFolder(std::string path) {
  while (true) {
    char* resolved = realpath(path.empty() ? "." : path.c_str(), nullptr);
    if (resolved != nullptr) {
      const std::string found = resolved;
      std::free(resolved);
      return found;
    }
    if (path.empty() || path == "/") return "/";
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : std::max<size_t>(slash, 1));
  }
}

void ReadStorage(const Tree& tree, const std::string& folder,
                 SystemFacts* facts) {
  const std::vector<Mount> mounts =
      ParseMounts(tree.Text("/proc/self/mountinfo"));
  for (Swap& swap : ParseSwaps(tree.Text("/proc/swaps"))) {
    SwapArea area{std::move(swap)};
    if (area.path.starts_with("/dev/zram")) {
      area.medium = Medium::kCompressedMemory;
    } else if (area.path.starts_with("/dev/mmcblk")) {
      area.medium = Medium::kFlashCard;
    } else if (const Mount* mount = MountOf(mounts, area.path);
               area.file && mount != nullptr) {
      area.medium = MediumOf(*mount);
    }
    facts->swaps.push_back(std::move(area));
  }
  facts->folder.path = tree.here() ? ExistingFolder(folder) : folder;
  if (const Mount* mount = MountOf(mounts, facts->folder.path)) {
    facts->folder.mount = *mount;
    facts->folder.medium = MediumOf(*mount);
  }
  struct statvfs info;
  if (tree.here() && statvfs(facts->folder.path.c_str(), &info) == 0) {
    uint64_t bytes;
    if (!__builtin_mul_overflow(uint64_t{info.f_bavail},
                                uint64_t{info.f_frsize}, &bytes)) {
      facts->folder.free_bytes = bytes;
    }
  }
}

}  // namespace

std::optional<uint64_t> AvailableMemory() {
  return Least(MemInfoBytes(ReadText("/proc/meminfo"), "MemAvailable"),
               ReadCgroupLimits().available_bytes);
}

SystemFacts ReadSystem(const std::string& root, const std::string& folder) {
  const Tree tree(root);
  SystemFacts facts;
  facts.os = OsReleaseValue(tree.Text("/etc/os-release"), "PRETTY_NAME");
  facts.kernel = tree.Line("/proc/sys/kernel/osrelease");
  facts.board = tree.Line("/proc/device-tree/model");
  if (facts.board.empty()) {
    facts.board = tree.Line("/sys/firmware/devicetree/base/model");
  }
  facts.cpu = CpuNameOf(tree.Text("/proc/cpuinfo"));
  facts.cpus_online = CountCpus(tree.Text("/sys/devices/system/cpu/online"));
  ReadFrequency(tree, &facts);
  ReadHeatAndPower(tree, &facts);
  const std::string memory = tree.Text("/proc/meminfo");
  facts.memory_bytes = MemInfoBytes(memory, "MemTotal");
  facts.available_bytes = MemInfoBytes(memory, "MemAvailable");
  const CgroupLimits limits = ReadCgroupLimits(tree.Path(""));
  facts.cpus_allowed = limits.cpus;
  facts.memory_limit_bytes = limits.memory_bytes;
  facts.memory_bytes = Least(facts.memory_bytes, limits.memory_bytes);
  facts.available_bytes = Least(facts.available_bytes, limits.available_bytes);
  ReadStorage(tree, folder, &facts);
  facts.seconds = static_cast<int64_t>(std::time(nullptr));
  if (access(tree.Path("/run/systemd/timesync/synchronized").c_str(), F_OK) ==
      0) {
    facts.clock_synchronized = true;
  } else if (tree.here()) {
    // Other time services (chrony, ntpd) only tell the kernel.
    struct timex state = {};
    const int clock = adjtimex(&state);
    if (clock >= 0) {
      facts.clock_synchronized =
          clock != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
    }
  }
  return facts;
}

}  // namespace temper::host
