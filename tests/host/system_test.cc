// What doctor sees and says: a Raspberry Pi made of files, healthy, ill, and of
// nonsense.
#include "ports/host/machine/system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ports/host/machine/health.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using testing::TempFolder;

// Files of a healthy Raspberry Pi 4 under Raspberry Pi OS 12.
class FakePi {
 public:
  FakePi() {
    Put("/etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n");
    Put("/proc/sys/kernel/osrelease", "6.6.31+rpt-rpi-v8\n");
    Put("/proc/device-tree/model",
        std::string("Raspberry Pi 4 Model B Rev 1.4\0", 31));
    Put("/proc/cpuinfo",
        "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\n"
        "Model\t\t: Raspberry Pi 4 Model B Rev 1.4\n");
    Put("/sys/devices/system/cpu/online", "0-3\n");
    Put(kPolicy + "scaling_governor", "ondemand\n");
    Put(kPolicy + "scaling_driver", "cpufreq-dt\n");
    Put(kPolicy + "scaling_cur_freq", "1800000\n");
    Put(kPolicy + "cpuinfo_max_freq", "1800000\n");
    Put("/sys/class/thermal/thermal_zone0/temp", "48686\n");
    Put(kThrottled, "0\n");
    Put("/proc/meminfo",
        "MemTotal:        3885408 kB\nMemFree:  1 kB\n"
        "MemAvailable:    3402320 kB\n");
    Put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    Put("/proc/self/mountinfo",
        "21 26 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"
        "26 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
        "30 26 0:27 / /tmp rw shared:9 - tmpfs tmpfs rw\n"
        "31 26 179:1 / /boot/firmware rw shared:2 - vfat /dev/mmcblk0p1 rw\n"
        "32 26 8:1 / /media/big\\040disk ro - exfat /dev/sda1 ro\n");
    Put("/run/systemd/timesync/synchronized", "");
  }
  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(tree_.path() + path).parent_path());
    tree_.Write(path.substr(1), text);
  }
  std::string Path(const std::string& path) const {
    return tree_.path() + path;
  }
  void Remove(const std::string& path) {
    std::filesystem::remove_all(tree_.path() + path);
  }
  SystemFacts Read(const std::string& folder = "/var/lib/temper/runs") const {
    return ReadSystem(tree_.path(), folder);
  }
  std::vector<std::string> Codes(
      const std::string& folder = "/var/lib/temper/runs",
      const HealthContext& context = {}) const {
    std::vector<std::string> codes;
    for (const Warning& w : FindWarnings(Read(folder), context)) {
      EXPECT_FALSE(w.message.empty());
      EXPECT_FALSE(w.remedy.empty());
      codes.push_back(w.code);
    }
    return codes;
  }

  const std::string kPolicy = "/sys/devices/system/cpu/cpufreq/policy0/";
  const std::string kThrottled =
      "/sys/devices/platform/soc/soc:firmware/get_throttled";

 private:
  TempFolder tree_;
};

using Codes = std::vector<std::string>;

TEST(System, AHealthyPi) {
  const FakePi pi;
  const SystemFacts f = pi.Read();
  EXPECT_EQ(f.os, "Debian GNU/Linux 12");
  EXPECT_EQ(f.kernel, "6.6.31+rpt-rpi-v8");
  EXPECT_EQ(f.board, "Raspberry Pi 4 Model B Rev 1.4");
  EXPECT_EQ(f.cpu, "Cortex-A72");
  EXPECT_EQ(f.cpus_online, 4u);
  EXPECT_EQ(f.governor, "ondemand");
  EXPECT_EQ(f.hertz, 1800000000u);
  EXPECT_EQ(f.most_hertz, 1800000000u);
  EXPECT_NEAR(f.celsius.value(), 48.686, 1e-9);
  ASSERT_TRUE(f.throttling.has_value());
  EXPECT_EQ(f.throttling->raw, 0u);
  EXPECT_EQ(f.memory_bytes, 3885408u * uint64_t{1024});
  EXPECT_EQ(f.available_bytes, 3402320u * uint64_t{1024});
  EXPECT_TRUE(f.swaps.empty());
  ASSERT_TRUE(f.folder.mount.has_value());
  EXPECT_EQ(f.folder.mount->type, "ext4");
  EXPECT_EQ(f.folder.medium, Medium::kFlashCard);
  EXPECT_EQ(f.clock_synchronized, true);
  EXPECT_EQ(pi.Codes(), Codes{});
}

TEST(System, PowerAndHeat) {
  FakePi pi;
  pi.Put(pi.kThrottled, "50005\n");
  EXPECT_EQ(pi.Codes(), (Codes{"under_voltage_now", "throttled_now"}));
  pi.Put(pi.kThrottled, "0x50000");
  EXPECT_EQ(pi.Codes(),
            (Codes{"under_voltage_happened", "throttled_happened"}));
  pi.Put(pi.kThrottled, "80008");
  EXPECT_EQ(pi.Codes(), Codes{"throttled_now"});
  const Throttling t = *pi.Read().throttling;
  EXPECT_TRUE(t.now.soft_limit && t.since_boot.soft_limit);
  EXPECT_FALSE(t.now.under_voltage || t.now.capped || t.now.throttled);
  pi.Put(pi.kThrottled, "0");
  pi.Put("/sys/class/thermal/thermal_zone0/temp", "81200\n");
  pi.Put("/sys/class/thermal/thermal_zone1/temp", "-274000\n");
  EXPECT_EQ(pi.Codes(), Codes{"hot"});
  // A Pi 5 has no get_throttled, but a voltage alarm.
  pi.Remove(pi.kThrottled);
  pi.Put("/sys/class/thermal/thermal_zone0/temp", "50000\n");
  pi.Put("/sys/class/hwmon/hwmon2/name", "rpi_volt\n");
  pi.Put("/sys/class/hwmon/hwmon2/in0_lcrit_alarm", "1\n");
  EXPECT_EQ(pi.Codes(), Codes{"under_voltage_now"});
  EXPECT_FALSE(pi.Read().throttling.has_value());
}

TEST(System, Governor) {
  FakePi pi;
  pi.Put(pi.kPolicy + "scaling_governor", "powersave\n");
  EXPECT_EQ(pi.Codes(), Codes{"governor_powersave"});
  pi.Put(pi.kPolicy + "scaling_driver", "intel_pstate\n");
  EXPECT_EQ(pi.Codes(), Codes{});
}

TEST(System, MemoryAndSwap) {
  FakePi pi;
  pi.Put("/proc/meminfo", "MemTotal: 512000 kB\nMemAvailable: 100000 kB\n");
  EXPECT_EQ(pi.Codes(), Codes{"little_memory"});
  HealthContext context;
  context.arena_bytes = uint64_t{100000} * 1024 + 1;
  EXPECT_EQ(pi.Codes("/", context), Codes{"arena_does_not_fit"});
  pi.Put("/proc/meminfo", "MemTotal: 5120000 kB\nMemAvailable: 1000000 kB\n");
  const std::string head = "Filename Type Size Used Priority\n";
  pi.Put("/proc/swaps", head + "/var/swap file 102396 256 -2\n");
  EXPECT_EQ(pi.Codes(), Codes{"swap_on_card"});
  EXPECT_EQ(pi.Read().swaps.at(0).used_bytes, 256u * 1024);
  pi.Put("/proc/swaps", head + "/dev/zram0 partition 102396 0 100\n");
  EXPECT_EQ(pi.Codes(), Codes{});
  EXPECT_EQ(pi.Read().swaps.at(0).medium, Medium::kCompressedMemory);
  pi.Put("/proc/swaps", head + "/dev/mmcblk0p3 partition 102396 0 100\n");
  EXPECT_EQ(pi.Codes(), Codes{"swap_on_card"});
}

TEST(System, RunFolder) {
  FakePi pi;
  EXPECT_EQ(pi.Codes("/tmp/runs"), Codes{"folder_in_memory"});
  EXPECT_EQ(pi.Codes("/tmpx/runs"), Codes{});
  EXPECT_EQ(pi.Codes("/boot/firmware"), Codes{"folder_on_fat"});
  EXPECT_EQ(pi.Codes("/media/big disk/runs"),
            (Codes{"folder_on_fat", "folder_read_only"}));
  pi.Put("/proc/self/mountinfo",
         "26 1 0:25 / / rw shared:1 - overlay overlayroot rw\n");
  EXPECT_EQ(pi.Codes(), Codes{"folder_on_overlay"});
  // The last mount on a point is the one that is seen.
  pi.Put("/proc/self/mountinfo",
         "26 1 0:25 / / rw - overlay overlayroot rw\n"
         "27 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n");
  EXPECT_EQ(pi.Codes(), Codes{});
  EXPECT_EQ(pi.Read().folder.medium, Medium::kUnknown);
}

TEST(System, ClockAndArithmetic) {
  const FakePi pi;
  SystemFacts facts = pi.Read();
  facts.seconds = 37;
  HealthContext context;
  context.target = "neon";
  context.target_exact = false;
  const std::vector<Warning> warnings = FindWarnings(facts, context);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0].code, "not_exact");
  EXPECT_EQ(warnings[1].code, "clock_not_set");
  EXPECT_NE(warnings[1].message.find("1970"), std::string::npos);
}

TEST(System, NothingThere) {
  const TempFolder empty;
  const SystemFacts f = ReadSystem(empty.path(), "/runs");
  EXPECT_EQ(f.cpu + f.board + f.os + f.governor, "");
  EXPECT_FALSE(f.celsius || f.throttling || f.memory_bytes || f.hertz);
  EXPECT_FALSE(f.folder.mount || f.folder.free_bytes || f.clock_synchronized);
  EXPECT_TRUE(FindWarnings(f, {}).empty());
}

TEST(System, NonsenseIsUnknown) {
  FakePi pi;
  for (const std::string text :
       {"", "\n", "x", "-1", "99999999999999999999999", "0x", "0-", "3-1",
        "1,2,,", "\0\0", "MemAvailable: -5 kB\n", "MemAvailable: 5\n"}) {
    for (const std::string path :
         {"/proc/cpuinfo", "/proc/meminfo", "/proc/swaps",
          "/proc/self/mountinfo", "/sys/devices/system/cpu/online",
          "/sys/class/thermal/thermal_zone0/temp",
          "/sys/devices/platform/soc/soc:firmware/get_throttled",
          "/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq"}) {
      pi.Put(path, text);
    }
    const SystemFacts f = pi.Read();
    EXPECT_FALSE(f.available_bytes || f.hertz || f.folder.mount) << text;
    EXPECT_TRUE(f.swaps.empty());
  }
  // A folder and a FIFO in the place of files, and a file that is too long.
  FakePi odd;
  odd.Remove("/proc/cpuinfo");
  odd.Put("/proc/cpuinfo/x", "");
  odd.Remove("/proc/meminfo");
  ASSERT_EQ(mkfifo(odd.Path("/proc/meminfo").c_str(), 0600), 0);
  odd.Put("/proc/swaps", std::string(size_t{3} << 20, 'x'));
  EXPECT_EQ(odd.Read().cpu, "");
  EXPECT_FALSE(odd.Read().memory_bytes.has_value());
  EXPECT_TRUE(odd.Read().swaps.empty());
}

TEST(System, ThisMachine) {
  const TempFolder folder;
  const SystemFacts f = ReadSystem("/", folder.path() + "/not/yet/made");
  EXPECT_EQ(f.folder.path, folder.path());
  EXPECT_TRUE(f.folder.free_bytes.has_value());
  EXPECT_GT(f.memory_bytes.value_or(0), 0u);
}

TEST(System, Lists) {
  EXPECT_EQ(CountCpus("0"), 1u);
  EXPECT_EQ(CountCpus("0-3,8,10-11\n"), 7u);
  EXPECT_EQ(CountCpus("0-4294967295"), 0u);
  std::string many = "Filename Type Size Used Priority\n";
  for (int i = 0; i < 5000; ++i) many += "/s file 1 1 1\n";
  EXPECT_EQ(ParseSwaps(many).size(), kMostEntries);
}

}  // namespace
}  // namespace temper::host
