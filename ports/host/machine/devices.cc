// See devices.h.
#include "ports/host/machine/devices.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/base/version.h"
#include "ports/host/data/text_file.h"
#include "ports/host/machine/machine.h"
#include "ports/host/machine/system.h"
#include "ports/host/os/arena.h"
#include "ports/host/os/file_io.h"
#include "ports/host/os/threads.h"
#include "ports/sim/measure.h"
#include "simd/target.h"

namespace temper::host {
namespace {

using Clock = std::chrono::steady_clock;

#if defined(__x86_64__)
constexpr const char* kArch = "x86_64";
#elif defined(__aarch64__)
constexpr const char* kArch = "aarch64";
#else
constexpr const char* kArch = "armv7";
#endif

void ReadCaches(sim::DeviceProfile::Memory* m) {
  m->l1 = m->l2 = m->l3 = 0;
  for (int i = 0; i < 8; ++i) {
    const std::string folder =
        fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", i);
    const std::string type = FirstLine(ReadText(folder + "type"));
    if (type != "Data" && type != "Unified") continue;
    const std::string level = FirstLine(ReadText(folder + "level"));
    const std::string size = FirstLine(ReadText(folder + "size"));  // 1024K
    const uint64_t bytes = std::strtoull(size.c_str(), nullptr, 10)
                           << (size.find('M') != std::string::npos ? 20 : 10);
    if (level == "1") m->l1 = bytes;
    if (level == "3") m->l3 = bytes;
    if (level != "2") continue;
    m->l2 = bytes;
    m->l2_shared =
        FirstLine(ReadText(folder + "shared_cpu_list")).find_first_of(",-") !=
        std::string::npos;
  }
  // Kernels that do not tell: what nearly every core has.
  if (m->l1 == 0) m->l1 = 32768;
  if (m->l2 == 0) m->l2 = 524288;
}

// A file in the current folder that is gone afterwards.
void MeasureStorage(sim::DeviceProfile::Storage* s) {
  constexpr size_t kBytes = size_t{32} << 20;
  char path[] = "temper-profile-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) {
    FailErrno(ErrorKind::kCannotCreate, errno, "cannot measure the storage",
              "a file in the current folder",
              "Run it in a folder that can be written");
  }
  unlink(path);
  const std::vector<char> block(size_t{1} << 20, 'x');
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const auto put = [&](size_t bytes) {
    if (write(file, block.data(), bytes) != static_cast<ssize_t>(bytes)) {
      FailErrno(ErrorKind::kIo, errno, "cannot measure the storage", path,
                "Free space on it");
    }
  };
  const auto begin = Clock::now();
  for (size_t done = 0; done < kBytes; done += block.size()) put(block.size());
  fsync(file);
  const double all = since(begin);
  std::vector<double> syncs;
  for (int i = 0; i < 9; ++i) {
    put(4096);
    const auto start = Clock::now();
    fsync(file);
    syncs.push_back(since(start));
  }
  close(file);
  std::sort(syncs.begin(), syncs.end());
  s->fsync_ms = 1e3 * syncs[4];
  s->write_mbytes = 1e-6 * kBytes / std::max(1e-9, all - syncs[4]);
}

std::string BuiltInNames() {
  std::string names;
  for (const sim::BuiltInProfile& p : sim::BuiltInProfiles()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
  }
  return names;
}

}  // namespace

sim::DeviceProfile LoadDevice(const std::string& name_or_file) {
  sim::DeviceProfile profile;
  std::string text, error;
  const bool file = name_or_file.find('/') != std::string::npos ||
                    name_or_file.ends_with(".toml");
  if (file) {
    text = ReadTextFile(name_or_file, 1u << 20);
  } else {
    std::vector<std::string_view> names;
    for (const sim::BuiltInProfile& p : sim::BuiltInProfiles()) {
      names.push_back(p.name);
      if (name_or_file == p.name) text = p.text;
    }
    if (text.empty()) {
      Fail(ErrorKind::kUsage, "no such device", Printable(name_or_file),
           fmt::format("built in are {}; another is a file, NAME.toml",
                       BuiltInNames()),
           Suggest(name_or_file, names));
    }
  }
  error = sim::ParseProfile(text, &profile);
  if (!error.empty()) {
    Fail(ErrorKind::kBadData, "not a device profile", Printable(name_or_file),
         error, "docs/simulation.md describes the format");
  }
  return profile;
}

sim::DeviceProfile MeasureThisMachine(
    uint32_t threads, const std::function<void(const char*)>& progress) {
  sim::DeviceProfile p;
  p.name = CpuName();
  std::erase_if(p.name, [](char c) { return c == '"' || c == '\\'; });
  if (p.name.empty()) p.name = "this machine";
  const simd::Target target = simd::CurrentTarget();
  p.cpu.arch = kArch;
  p.cpu.target = target.name;
  p.cpu.cores = threads;
  const std::string memory_text = ReadText("/proc/meminfo");
  const uint64_t total = MemInfoBytes(memory_text, "MemTotal").value_or(0);
  const uint64_t available =
      MemInfoBytes(memory_text, "MemAvailable").value_or(0);
  p.memory.bytes = available != 0 ? available : uint64_t{1} << 30;
  p.memory.reserved = total > available ? total - available : 0;
  ReadCaches(&p.memory);
  MeasureStorage(&p.storage);
  const HostArena memory(sim::MeasureBytes(p.memory.bytes));
  const std::unique_ptr<ThreadPool> pool = MakeThreadPool(threads);
  sim::MeasureKernels(pool->runner(), memory.data(), memory.size(), progress,
                      &p);
  const sim::Provenance measured = {
      sim::Origin::kMeasured,
      fmt::format("temper bench --profile, temper {}, {}, target {}", Version(),
                  Compiler(), target.name)};
  p.cpu.provenance = p.overhead.provenance = p.threads.provenance = measured;
  p.memory.provenance = {sim::Origin::kMeasured,
                         "/proc/meminfo and /sys/devices/system/cpu"};
  p.storage.provenance = {sim::Origin::kMeasured,
                          "temper bench --profile, the folder it ran in"};
  for (auto& rate : p.rates) rate.provenance = measured;
  return p;
}

}  // namespace temper::host
