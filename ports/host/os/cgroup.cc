// See cgroup.h. /proc/self/cgroup names the groups of the process:
//
//   0::/system.slice/temper.service      version 2: every controller
//   4:cpu,cpuacct:/docker/0123abcd       version 1: one line per hierarchy
//
// and /proc/self/mountinfo the folders in which groups are folders. In a
// container the own group is often mounted as the root, while the name is that
// of the host: a folder of that name is then missing, and the root speaks.
#include "ports/host/os/cgroup.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "ports/host/machine/system.h"
#include "ports/host/machine/system_text.h"

namespace temper::host {
namespace {

// Deeper ones do not exist; nonsense in a file must not take time.
constexpr size_t kMostLevels = 64;

// A limit of no limit: version 2 says "max", version 1 -1 or 2^63 less a page.
std::optional<uint64_t> Number(std::string_view text) {
  const std::optional<int64_t> value = DecimalLine(text);
  if (!value || *value < 0 || *value >= int64_t{1} << 62) return {};
  return static_cast<uint64_t>(*value);
}

void Least(std::optional<uint64_t> value, std::optional<uint64_t>* least) {
  if (value && (!*least || *value < **least)) *least = value;
}

class Reader {
 public:
  Reader(const std::string& root, CgroupLimits* limits)
      : root_(root), limits_(*limits) {}

  // quota microseconds of each period.
  void Cpu(std::optional<uint64_t> quota, std::optional<uint64_t> period) {
    if (!quota || !period || *quota == 0 || *period == 0) return;
    const uint64_t cpus = *quota / *period + (*quota % *period != 0);
    const auto count =
        static_cast<uint32_t>(std::min<uint64_t>(cpus, UINT32_MAX));
    limits_.cpus = std::min(limits_.cpus.value_or(count), count);
  }
  // `idle`: the line of memory.stat with pages that can be dropped.
  void Memory(const std::string& folder, const char* limit_file,
              const char* usage_file, std::string_view idle) {
    const std::optional<uint64_t> limit = Number(Text(folder + limit_file));
    if (!limit) return;
    Least(limit, &limits_.memory_bytes);
    uint64_t used = Number(Text(folder + usage_file)).value_or(0);
    const std::string stat = Text(folder + "/memory.stat");
    const size_t at = stat.find(idle);
    if (at != std::string::npos && (at == 0 || stat[at - 1] == '\n')) {
      const auto droppable =
          Number(std::string_view(stat).substr(at + idle.size()));
      used -= std::min(used, droppable.value_or(0));
    }
    Least(*limit - std::min(*limit, used), &limits_.available_bytes);
  }
  void Version2(const std::string& folder) {
    // "50000 100000", or "max 100000".
    const std::string line = FirstLine(Text(folder + "/cpu.max"));
    const size_t blank = line.find(' ');
    Cpu(Number(line.substr(0, blank)),
        blank == std::string::npos ? 100000 : Number(line.substr(blank + 1)));
    Memory(folder, "/memory.max", "/memory.current", "inactive_file ");
  }
  void Version1Cpu(const std::string& folder) {
    Cpu(Number(Text(folder + "/cpu.cfs_quota_us")),
        Number(Text(folder + "/cpu.cfs_period_us")));
  }
  void Version1Memory(const std::string& folder) {
    Memory(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes",
           "total_inactive_file ");
  }

 private:
  std::string Text(const std::string& path) const {
    return ReadText(root_ + path);
  }

  const std::string& root_;
  CgroupLimits& limits_;
};

// Calls visit(folder) for the group and each one above it, in every folder
// where groups may be.
template <class Visit>
void ForEachLevel(const std::vector<std::string>& bases, std::string path,
                  Visit&& visit) {
  // A process outside its own root: the groups above it are not known.
  if (path.find("/..") != std::string::npos) path.clear();
  for (size_t level = 0; level < kMostLevels; ++level) {
    while (path.ends_with('/')) path.pop_back();
    for (const std::string& base : bases) visit(base + path);
    if (path.empty()) return;
    path.resize(std::min(path.rfind('/'), path.size()));
  }
}

bool HasWord(std::string_view list, std::string_view word) {
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    if (list.substr(begin, end - begin) == word) return true;
    begin = end + 1;
  }
  return false;
}

}  // namespace

CgroupLimits ReadCgroupLimits(const std::string& root) {
  CgroupLimits limits;
  Reader reader(root, &limits);
  // Where groups usually are, and where else they are mounted.
  std::vector<std::string> bases = {
      "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu,cpuacct",
      "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory"};
  for (const Mount& mount :
       ParseMounts(ReadText(root + "/proc/self/mountinfo"))) {
    if ((mount.type == "cgroup" || mount.type == "cgroup2") &&
        std::find(bases.begin(), bases.end(), mount.point) == bases.end()) {
      bases.push_back(mount.point);
    }
  }
  const std::string groups = ReadText(root + "/proc/self/cgroup");
  // Without the file at least the roots are looked at.
  bool any = false;
  for (size_t begin = 0, lines = 0; begin < groups.size() && lines < 64;
       ++lines) {
    const size_t end = std::min(groups.find('\n', begin), groups.size());
    const std::string_view line(groups.data() + begin, end - begin);
    begin = end + 1;
    const size_t first = line.find(':');
    const size_t second = line.find(':', std::min(first, line.size()) + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers =
        line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    any = true;
    if (controllers.empty()) {
      ForEachLevel(bases, path,
                   [&](const std::string& f) { reader.Version2(f); });
    }
    if (HasWord(controllers, "cpu")) {
      ForEachLevel(bases, path,
                   [&](const std::string& f) { reader.Version1Cpu(f); });
    }
    if (HasWord(controllers, "memory")) {
      ForEachLevel(bases, path,
                   [&](const std::string& f) { reader.Version1Memory(f); });
    }
  }
  if (!any) {
    ForEachLevel(bases, "", [&](const std::string& folder) {
      reader.Version2(folder);
      reader.Version1Cpu(folder);
      reader.Version1Memory(folder);
    });
  }
  return limits;
}

}  // namespace temper::host
