// Fuzz target: the parsers of /proc and /sys text. The first byte chooses one.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ports/host/machine/system_text.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper::host;
  using temper::fuzz::Require;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1,
                              size - 1);
  switch (bytes[0] % 6) {
    case 0: {
      Require(FirstLine(text).size() <= 4096, "a line is bounded");
      Require(FirstLine(text).find('\n') == std::string::npos, "one line");
      DecimalLine(text);
      if (const auto raw = HexLine(text)) ThrottlingOf(*raw);
      break;
    }
    case 1:
      Require(CountCpus(text) <= 65536, "CPUs are bounded");
      break;
    case 2:
      Require(CpuNameOf(text).size() <= 4096, "a name is bounded");
      break;
    case 3:
      OsReleaseValue(text, "PRETTY_NAME");
      MemInfoBytes(text, "MemAvailable");
      break;
    case 4:
      Require(ParseSwaps(text).size() <= kMostEntries, "swaps are bounded");
      break;
    default: {
      const auto mounts = ParseMounts(text);
      Require(mounts.size() <= kMostEntries, "mounts are bounded");
      for (const Mount& mount : mounts) {
        Require(mount.point[0] == '/' && mount.point.size() <= 4096,
                "a mount point is absolute");
        const Mount* found = MountOf(mounts, mount.point);
        Require(found != nullptr, "every mount point lies in a mount");
      }
    }
  }
  return 0;
}

namespace temper::fuzz {

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds;
  for (const std::string text :
       {"048686\n", "050005\n", "10-3,8\n",
        "2CPU implementer\t: 0x41\nCPU part\t: 0xd08\nmodel name : x\n",
        "3PRETTY_NAME=\"Debian 12\"\nMemAvailable:  3402320 kB\n",
        "4Filename Type Size Used Priority\n/var/swap file 102396 256 -2\n",
        "526 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
        "32 26 8:1 / /media/big\\040disk ro - exfat /dev/sda1 ro\n"}) {
    seeds.emplace_back(text.begin(), text.end());
  }
  return seeds;
}
std::vector<std::string> Words() {
  return {
      "0x", "ffffffff", "-",  ",",      "4294967296", "18446744073709551616",
      ":",  "kB",       "/",  " - ",    "\\040",      "partition",
      "\n", "/ /",      "\"", "0-65535"};
}
void Repair(Bytes*, int64_t) {}

}  // namespace temper::fuzz
