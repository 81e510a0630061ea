// Limits of control groups, in trees of files: both versions, containers with
// and without a namespace of their own, groups above, and nonsense.
#include "ports/host/os/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "ports/host/machine/system.h"
#include "ports/host/os/threads.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using testing::TempFolder;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class Tree {
 public:
  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(tree_.path() + path).parent_path());
    tree_.Write(path.substr(1), text);
  }
  CgroupLimits Read() const { return ReadCgroupLimits(tree_.path()); }
  const std::string& path() const { return tree_.path(); }

 private:
  TempFolder tree_;
};

TEST(Cgroup, NoneIsNoLimit) {
  const CgroupLimits limits = Tree().Read();
  EXPECT_FALSE(limits.cpus || limits.memory_bytes || limits.available_bytes);
}

TEST(Cgroup, AContainerOfVersion2) {
  Tree tree;
  tree.Put("/proc/self/cgroup", "0::/\n");
  tree.Put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  tree.Put("/sys/fs/cgroup/memory.max", "67108864\n");
  EXPECT_EQ(tree.Read().cpus, 1u);
  EXPECT_EQ(tree.Read().memory_bytes, 64 * kMiB);
  EXPECT_EQ(tree.Read().available_bytes, 64 * kMiB);
  tree.Put("/sys/fs/cgroup/cpu.max", "250000 100000\n");
  tree.Put("/sys/fs/cgroup/memory.current", "41943040\n");
  EXPECT_EQ(tree.Read().cpus, 3u);  // rounded up
  EXPECT_EQ(tree.Read().available_bytes, 24 * kMiB);
  tree.Put("/sys/fs/cgroup/memory.stat",
           "anon 1\nfile 5\ninactive_file 31457280\nactive_file 7\n");
  EXPECT_EQ(tree.Read().available_bytes, 54 * kMiB);
  EXPECT_EQ(tree.Read().memory_bytes, 64 * kMiB);
  tree.Put("/sys/fs/cgroup/memory.current", "99999999999\n");  // over it
  EXPECT_EQ(tree.Read().available_bytes, 0u);
  tree.Put("/sys/fs/cgroup/cpu.max", "max 100000\n");
  tree.Put("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_FALSE(tree.Read().cpus || tree.Read().memory_bytes);
}

TEST(Cgroup, TheSmallestOfAllGroupsAbove) {
  Tree tree;
  tree.Put("/proc/self/cgroup", "0::/system.slice/a.service/b\n");
  const std::string top = "/sys/fs/cgroup/";
  tree.Put(top + "system.slice/cpu.max", "200000 100000\n");
  tree.Put(top + "system.slice/a.service/cpu.max", "400000 100000\n");
  tree.Put(top + "system.slice/a.service/b/cpu.max", "max 100000\n");
  tree.Put(top + "system.slice/a.service/memory.max", "1000000\n");
  tree.Put(top + "system.slice/memory.max", "3000000\n");
  tree.Put(top + "system.slice/memory.current", "2500000\n");
  // Another process's.
  tree.Put(top + "user.slice/cpu.max", "1000 100000\n");
  tree.Put(top + "user.slice/memory.max", "1000\n");
  EXPECT_EQ(tree.Read().cpus, 2u);
  EXPECT_EQ(tree.Read().memory_bytes, 1000000u);
  EXPECT_EQ(tree.Read().available_bytes, 500000u);
}

TEST(Cgroup, Version1) {
  Tree tree;
  tree.Put("/proc/self/cgroup",
           "12:freezer:/\n4:cpu,cpuacct:/docker/ab\n3:memory:/docker/cd\n"
           "1:name=systemd:/x\n");
  const std::string cpu = "/sys/fs/cgroup/cpu,cpuacct/docker/ab/";
  tree.Put(cpu + "cpu.cfs_quota_us", "150000\n");
  tree.Put(cpu + "cpu.cfs_period_us", "100000\n");
  const std::string memory = "/sys/fs/cgroup/memory/docker/cd/";
  tree.Put(memory + "memory.limit_in_bytes", "2097152\n");
  tree.Put(memory + "memory.usage_in_bytes", "1048576\n");
  tree.Put(memory + "memory.stat", "inactive_file 9\ntotal_inactive_file 10\n");
  tree.Put("/sys/fs/cgroup/memory/memory.limit_in_bytes",
           "9223372036854771712\n");
  EXPECT_EQ(tree.Read().cpus, 2u);
  EXPECT_EQ(tree.Read().memory_bytes, 2 * kMiB);
  EXPECT_EQ(tree.Read().available_bytes, kMiB + 10);
  tree.Put(cpu + "cpu.cfs_quota_us", "-1\n");
  EXPECT_FALSE(tree.Read().cpus);
  // The own group mounted as the root, under its name on the host.
  tree.Put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  tree.Put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(tree.Read().cpus, 3u);
}

TEST(Cgroup, MountedElsewhere) {
  Tree tree;
  tree.Put("/proc/self/cgroup", "0::/a\n");
  tree.Put("/proc/self/mountinfo",
           "40 1 0:30 / /groups rw,nosuid - cgroup2 none rw\n");
  tree.Put("/groups/a/cpu.max", "100000 100000\n");
  EXPECT_EQ(tree.Read().cpus, 1u);
}

TEST(Cgroup, NonsenseIsNoLimit) {
  for (const std::string& text :
       {std::string(), std::string("x\n"), std::string("0 0\n"),
        std::string("-5 100000\n"), std::string("5\n\n7"),
        std::string("99999999999999999999 1\n"), std::string(300, '\0'),
        std::string("1 "), std::string(1 << 16, '9')}) {
    Tree tree;
    tree.Put("/proc/self/cgroup", "0::/" + std::string(9000, '/') +
                                      "\n:\n::\n" + std::string(300, ':') +
                                      "\n" + text);
    tree.Put("/sys/fs/cgroup/cpu.max", text);
    const std::optional<uint32_t> cpus = tree.Read().cpus;
    EXPECT_GE(cpus.value_or(1), 1u);
    tree.Put("/sys/fs/cgroup/memory.max", "x" + text);
    EXPECT_FALSE(tree.Read().memory_bytes);
    tree.Put("/proc/self/cgroup", text + "0::/../../x\n");
    tree.Read();
  }
}

TEST(Cgroup, DoctorAndThreadsHeedIt) {
  Tree tree;
  tree.Put("/proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n");
  tree.Put("/sys/fs/cgroup/memory.max", "67108864\n");
  tree.Put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  const SystemFacts facts = ReadSystem(tree.path(), "/runs");
  EXPECT_EQ(facts.available_bytes, 64 * kMiB);
  EXPECT_EQ(facts.memory_bytes, 64 * kMiB);
  EXPECT_EQ(facts.cpus_allowed, 2u);
  tree.Put("/sys/fs/cgroup/memory.max", "67108864000\n");  // more than there is
  EXPECT_EQ(ReadSystem(tree.path(), "/runs").available_bytes, 4000000u * 1024);
  EXPECT_LE(DefaultThreads(), CpusOfAffinity());
}

}  // namespace
}  // namespace temper::host
