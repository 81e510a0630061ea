// Parsers of /proc and /sys text. What they promise: system_text.h.
#include "ports/host/machine/system_text.h"

#include <algorithm>
#include <charconv>

namespace temper::host {
namespace {

constexpr size_t kLongestName = 4096;

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

// Cuts the next line off `rest`; false at the end.
bool NextLine(std::string_view* rest, std::string_view* line) {
  if (rest->empty()) return false;
  const size_t end = std::min(rest->find('\n'), rest->size());
  *line = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return true;
}

// Cuts the next word off `rest`; "" at the end.
std::string_view NextWord(std::string_view* rest) {
  while (!rest->empty() && IsBlank(rest->front())) rest->remove_prefix(1);
  size_t end = 0;
  while (end < rest->size() && !IsBlank((*rest)[end])) ++end;
  const std::string_view word = rest->substr(0, end);
  rest->remove_prefix(end);
  return word;
}

template <class T>
std::optional<T> Number(std::string_view text, int base = 10) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc() || stop != end) return {};
  return value;
}

// Bytes of a number of KiB, unless that is more than any machine has.
std::optional<uint64_t> Kibibytes(std::string_view text) {
  const std::optional<uint64_t> value = Number<uint64_t>(text);
  if (!value || *value > (UINT64_MAX >> 11)) return {};
  return *value * 1024;
}

// \040 and the like, by which the kernel writes blanks in names.
std::string Unescape(std::string_view text) {
  std::string out;
  text = text.substr(0, kLongestName);
  const auto digit = [&](size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '7';
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 +
                               (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// What stands after "NAME :" in the first line that begins so.
std::string_view FieldOf(std::string_view text, std::string_view name) {
  for (std::string_view line; NextLine(&text, &line);) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (Trim(line.substr(0, colon)) == name)
      return Trim(line.substr(colon + 1));
  }
  return {};
}

}  // namespace

std::string FirstLine(std::string_view text) {
  text = Trim(text);
  text = text.substr(0, std::min(text.find('\n'), kLongestName));
  return std::string(Trim(text));
}

std::optional<int64_t> DecimalLine(std::string_view text) {
  return Number<int64_t>(FirstLine(text));
}

std::optional<uint32_t> HexLine(std::string_view text) {
  const std::string line = FirstLine(text);
  std::string_view digits = line;
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  return Number<uint32_t>(digits, 16);
}

uint32_t CountCpus(std::string_view list) {
  constexpr uint64_t kMost = 65536;
  const std::string line = FirstLine(list);
  uint64_t count = 0;
  for (size_t begin = 0; begin < line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    const std::string_view part(line.data() + begin, end - begin);
    const size_t dash = part.find('-');
    const auto first = Number<uint32_t>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos
                          ? first
                          : Number<uint32_t>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= kMost) return 0;
    count += *last - *first + 1;
    begin = end + 1;
  }
  return static_cast<uint32_t>(std::min(count, kMost));
}

std::string CpuNameOf(std::string_view cpuinfo) {
  const std::string_view name = FieldOf(cpuinfo, "model name");
  // Arm's own cores; x86 has no "CPU part", 32-bit ARM has both.
  struct Part {
    uint32_t number;
    const char* name;
  };
  constexpr Part kArm[] = {
      {0xb76, "ARM1176"},    {0xc07, "Cortex-A7"},   {0xc08, "Cortex-A8"},
      {0xc09, "Cortex-A9"},  {0xc0f, "Cortex-A15"},  {0xd03, "Cortex-A53"},
      {0xd04, "Cortex-A35"}, {0xd05, "Cortex-A55"},  {0xd07, "Cortex-A57"},
      {0xd08, "Cortex-A72"}, {0xd09, "Cortex-A73"},  {0xd0a, "Cortex-A75"},
      {0xd0b, "Cortex-A76"}, {0xd0c, "Neoverse-N1"}, {0xd40, "Neoverse-V1"},
      {0xd41, "Cortex-A78"}, {0xd49, "Neoverse-N2"}, {0xd4f, "Neoverse-V2"}};
  const auto implementer = HexLine(FieldOf(cpuinfo, "CPU implementer"));
  const auto part = HexLine(FieldOf(cpuinfo, "CPU part"));
  if (implementer == 0x41u && part) {
    for (const Part& known : kArm) {
      if (known.number == *part) return known.name;
    }
  }
  return FirstLine(name);
}

std::string OsReleaseValue(std::string_view text, std::string_view key) {
  for (std::string_view line; NextLine(&text, &line);) {
    const size_t equals = line.find('=');
    if (line.substr(0, equals) != key || equals == std::string_view::npos) {
      continue;
    }
    std::string_view value = Trim(line.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value.substr(0, kLongestName));
  }
  return "";
}

std::optional<uint64_t> MemInfoBytes(std::string_view text,
                                     std::string_view name) {
  std::string_view value = FieldOf(text, name);
  const std::string_view number = NextWord(&value);
  if (Trim(value) != "kB") return {};
  return Kibibytes(number);
}

std::vector<Swap> ParseSwaps(std::string_view text) {
  std::vector<Swap> swaps;
  std::string_view line;
  NextLine(&text, &line);  // headings
  while (swaps.size() < kMostEntries && NextLine(&text, &line)) {
    const std::string_view path = NextWord(&line);
    const std::string_view type = NextWord(&line);
    const auto bytes = Kibibytes(NextWord(&line));
    const auto used = Kibibytes(NextWord(&line));
    if (!bytes || !used || (type != "file" && type != "partition")) continue;
    swaps.push_back({Unescape(path), type == "file", *bytes, *used});
  }
  return swaps;
}

std::vector<Mount> ParseMounts(std::string_view text) {
  // 36 25 179:2 / /mount/point rw,noatime shared:1 ... - ext4 /dev/x rw
  std::vector<Mount> mounts;
  for (std::string_view line;
       mounts.size() < kMostEntries && NextLine(&text, &line);) {
    Mount mount;
    NextWord(&line), NextWord(&line);
    const std::string_view device = NextWord(&line);
    NextWord(&line);
    mount.point = Unescape(NextWord(&line));
    const std::string_view options = NextWord(&line);
    std::string_view word = NextWord(&line);
    while (!word.empty() && word != "-") word = NextWord(&line);
    mount.type = Unescape(NextWord(&line));
    mount.source = Unescape(NextWord(&line));
    const std::string_view super = NextWord(&line);
    const size_t colon = std::min(device.find(':'), device.size());
    const auto major = Number<uint32_t>(device.substr(0, colon));
    const auto minor =
        Number<uint32_t>(device.substr(std::min(colon + 1, device.size())));
    if (!major || !minor || !mount.point.starts_with('/') ||
        mount.type.empty()) {
      continue;
    }
    mount.major = *major, mount.minor = *minor;
    const auto says_ro = [](std::string_view list) {
      return list == "ro" || list.starts_with("ro,");
    };
    mount.read_only = says_ro(options) || says_ro(super);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

const Mount* MountOf(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {
    std::string_view point = mount.point;
    if (point == "/") point = "";
    const bool inside =
        path.starts_with(point) &&
        (path.size() == point.size() || path[point.size()] == '/');
    // A later mount on the same point hides the earlier one.
    if (inside && (best == nullptr || mount.point.size() >= best->point.size()))
      best = &mount;
  }
  return best;
}

Throttling ThrottlingOf(uint32_t raw) {
  const auto bits = [&](unsigned shift) {
    const uint32_t b = raw >> shift;
    return Throttling::Bits{(b & 1) != 0, (b & 2) != 0, (b & 4) != 0,
                            (b & 8) != 0};
  };
  return {raw, bits(0), bits(16)};
}

}  // namespace temper::host
