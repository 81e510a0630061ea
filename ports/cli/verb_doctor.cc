// doctor: what this machine is like for training, and what should be better.
// Facts: system.h; warnings: health.h.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "ports/cli/cli.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/version.h"
#include "ports/host/machine/health.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/backend.h"
#include "ports/host/train/job.h"
#include "ports/host/train/runs.h"
#include "simd/target.h"

namespace temper::host {
namespace {

struct Arguments {
  std::string folder, target, root = "/";
};

// False also for what may not be looked at.
bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

void RequireFolder(const std::string& path, const char* what) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 && errno != ENOENT && errno != ENOTDIR) {
    FailErrno(ErrorKind::kIo, errno, what, path, "Check the permissions.");
  }
  if (IsFolder(path)) return;
  Fail(ErrorKind::kNotFound, what, path, "there is no such folder",
       "Check the path.");
}

std::string Utc(int64_t seconds) {
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm parts = {};
  char text[64] = "";
  if (gmtime_r(&time, &parts) != nullptr) {
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return text;
}

Value OrNull(const std::string& text) {
  return text.empty() ? Value() : Value(text);
}

Value MediumValue(Medium medium) {
  switch (medium) {
    case Medium::kFlashCard:
      return "mmc";
    case Medium::kCompressedMemory:
      return "zram";
    case Medium::kUnknown:
      break;
  }
  return {};
}

Value BitsValue(const Throttling::Bits& bits) {
  return {{"under_voltage", bits.under_voltage},
          {"frequency_capped", bits.capped},
          {"throttled", bits.throttled},
          {"soft_temperature_limit", bits.soft_limit}};
}

std::string Known(const std::string& text) {
  return text.empty() ? "unknown" : Printable(text);
}

std::string BytesOf(const std::optional<uint64_t>& bytes) {
  return bytes ? BytesText(*bytes) : "unknown";
}

std::string Words(const Throttling::Bits& bits) {
  std::string text;
  const auto add = [&](bool set, const char* word) {
    if (set) text += (text.empty() ? "" : ", ") + std::string(word);
  };
  add(bits.under_voltage, "under-voltage");
  add(bits.capped, "frequency capped");
  add(bits.throttled, "throttled");
  add(bits.soft_limit, "soft temperature limit");
  return text.empty() ? "nothing" : text;
}

void AddBackends(Report* report) {
  Value list = Value::array();
  std::string text;
  ForEachBackend([&](const BackendTraits& b) {
    list.push_back({{"name", b.name},
                    {"available", b.available},
                    {"exact", b.exact},
                    {"library", OrNull(b.library)}});
    text += fmt::format(
        "{}{} ({}{})", text.empty() ? "" : ", ", b.name,
        b.exact ? "exact" : "not exact: rounds as its kernels for this CPU do",
        !b.available        ? ", not part of this build"
        : b.library[0] == 0 ? ""
                            : fmt::format(", {}", b.library));
  });
  report->Fact("backends", "backends", list, text);
}

void AddProcessor(const SystemFacts& f, const HealthContext& context,
                  const std::vector<std::string>& targets, const char* machine,
                  Report* report) {
  report->Data("temper", Version());
  report->Data("os", OrNull(f.os));
  report->Data("kernel", OrNull(f.kernel));
  report->Data("machine", machine);
  report->Text("system", fmt::format("{}, kernel {}, {}", Known(f.os),
                                     Known(f.kernel), machine));
  report->Fact("board", f.board.empty() ? "" : "board", OrNull(f.board));
  report->Fact("cpu", "cpu", OrNull(f.cpu),
               fmt::format("{}, {} online, {} usable", Known(f.cpu),
                           f.cpus_online == 0 ? "unknown number"
                                              : fmt::to_string(f.cpus_online),
                           context.cpus_usable));
  report->Data("cpus_online",
               f.cpus_online == 0 ? Value() : Value(f.cpus_online));
  report->Data("cpus_usable", context.cpus_usable);
  report->Fact("target", "simd", context.target,
               fmt::format("{} ({}); there are: {}", context.target,
                           context.target_exact ? "exact" : "not exact",
                           fmt::join(targets, ", ")));
  report->Data("exact", context.target_exact);
  report->Data("targets", targets);
  AddBackends(report);
  report->Data("float_environment_exact", context.float_environment_exact);
}

void AddPower(const SystemFacts& f, Report* report) {
  std::string frequency = fmt::format("governor {}", Known(f.governor));
  if (f.hertz) frequency += fmt::format(", {} MHz", *f.hertz / 1000000);
  if (f.most_hertz) {
    frequency += fmt::format(" of {} MHz", *f.most_hertz / 1000000);
  }
  report->Fact("governor", "frequency", OrNull(f.governor), frequency);
  report->Data("governor_driver", OrNull(f.governor_driver));
  report->Data("hertz", f.hertz);
  report->Data("most_hertz", f.most_hertz);
  report->Fact(
      "celsius", "temperature", f.celsius,
      f.celsius ? fmt::format("{:.1f} C", *f.celsius) : std::string("unknown"));
  if (f.throttling) {
    report->Fact(
        "throttling", "throttling",
        {{"raw", fmt::format("0x{:x}", f.throttling->raw)},
         {"now", BitsValue(f.throttling->now)},
         {"since_boot", BitsValue(f.throttling->since_boot)}},
        fmt::format("now: {}; since boot: {} (0x{:x})",
                    Words(f.throttling->now), Words(f.throttling->since_boot),
                    f.throttling->raw));
  } else {
    report->Fact("throttling", f.under_voltage_alarm ? "" : "throttling",
                 Value(), std::string("unknown (no firmware that tells)"));
  }
  const bool told = f.under_voltage_alarm && !f.throttling;
  report->Fact("under_voltage_alarm", told ? "power" : "",
               f.under_voltage_alarm,
               f.under_voltage_alarm.value_or(false) ? "under-voltage"
                                                     : std::string("no alarm"));
}

void AddMemory(const SystemFacts& f, const HealthContext& context,
               Report* report) {
  report->Fact(
      "memory_bytes", "memory", f.memory_bytes,
      fmt::format("{} available of {}", BytesOf(f.available_bytes),
                  BytesOf(f.memory_bytes)) +
          (f.memory_limit_bytes ? " (limited by a control group)" : ""));
  report->Data("available_bytes", f.available_bytes);
  report->Data("cgroup_cpus", f.cpus_allowed);
  report->Data("cgroup_memory_bytes", f.memory_limit_bytes);
  report->Data("arena_bytes", context.arena_bytes);
  Value swaps = Value::array();
  for (const SwapArea& s : f.swaps) {
    swaps.push_back({{"path", s.path},
                     {"bytes", s.bytes},
                     {"used_bytes", s.used_bytes},
                     {"medium", MediumValue(s.medium)}});
    report->Text("swap",
                 fmt::format("{}: {}, {} used", s.path, BytesText(s.bytes),
                             BytesText(s.used_bytes)));
  }
  if (f.swaps.empty()) report->Text("swap", "none");
  report->Data("swap", swaps);
}

void AddFolder(const FolderFacts& folder, Report* report) {
  std::string text = Printable(folder.path);
  report->Data("folder.path", folder.path);
  const auto add = [&](const char* key, Value value) {
    report->Data(std::string("folder.") + key,
                 folder.mount ? std::move(value) : Value());
  };
  const Mount mount = folder.mount.value_or(Mount{});
  add("mount", mount.point);
  add("type", mount.type);
  add("source", mount.source);
  add("read_only", mount.read_only);
  if (folder.mount) text += ": " + mount.type + " on " + mount.source;
  report->Data("folder.medium", MediumValue(folder.medium));
  report->Data("folder.free_bytes", folder.free_bytes);
  if (folder.free_bytes) text += ", " + BytesText(*folder.free_bytes) + " free";
  report->Text("run folder", text);
}

int Run(Cli& cli, const Arguments& a) {
  ChooseTarget(a.target);
  RequireFolder(a.root, "cannot read a system");
  std::string folder = a.folder;
  if (folder.empty()) {
    folder = "runs";  // where train writes; made by the first run
  } else if (a.root == "/") {
    RequireFolder(folder, "cannot look at the run folder");
  }
  const SystemFacts facts = ReadSystem(a.root, folder);
  const simd::Target target = simd::CurrentTarget();
  HealthContext context;
  context.target = target.name;
  context.target_exact = target.exact;
  context.float_environment_exact = simd::FloatEnvironmentIsExact();
  // Which CPUs of another machine a process gets, its files do not tell.
  const bool here = a.root.find_first_not_of('/') == std::string::npos;
  context.cpus_usable =
      here || facts.cpus_online == 0 ? CpusOfAffinity() : facts.cpus_online;
  context.cpus_usable = std::clamp<uint32_t>(
      std::min(context.cpus_usable, facts.cpus_allowed.value_or(kMaxThreads)),
      1, kMaxThreads);
  if (!a.folder.empty()) context.arena_bytes = PlannedArena(folder);
  simd::Target all[32];
  const size_t count = std::min<size_t>(simd::SupportedTargets(all, 32), 32);
  std::vector<std::string> targets;
  for (size_t i = 0; i < count; ++i) targets.emplace_back(all[i].name);
  struct utsname names;
  const char* machine = uname(&names) == 0 ? names.machine : "unknown";
  Report report(cli.verb);
  AddProcessor(facts, context, targets, machine, &report);
  AddPower(facts, &report);
  AddMemory(facts, context, &report);
  AddFolder(facts.folder, &report);
  report.Data("clock.utc", Utc(facts.seconds));
  report.Fact("clock.synchronized", "clock", facts.clock_synchronized,
              fmt::format("{}, {}", Utc(facts.seconds),
                          !facts.clock_synchronized   ? "synchronized: unknown"
                          : *facts.clock_synchronized ? "synchronized"
                                                      : "not synchronized"));
  Value warnings = Value::array();
  for (const Warning& w : FindWarnings(facts, context)) {
    warnings.push_back(
        {{"code", w.code}, {"message", w.message}, {"hint", w.remedy}});
    report.Line("warning: " + w.message);
    report.Text("  ", w.remedy);
  }
  if (warnings.empty()) report.Line("no warnings");
  report.Data("warnings", warnings);
  return cli.output.Print(report);
}

}  // namespace

void AddDoctorVerb(Cli& cli) {
  auto a = std::make_shared<Arguments>();
  Verb& verb =
      cli.Add("doctor",
              "Show what this machine is like for training, and what is wrong",
              [&cli, a] { return Run(cli, *a); });
  verb.Add("folder", &a->folder, "FOLDER",
           "The run folder, or where runs will be written")
      .Default("runs")
      .Group("What");
  verb.Add("--target", &a->target, "NAME", "SIMD target to look at")
      .Default("the best")
      .Group("What");
  verb.Add("--root", &a->root, "DIR",
           "Read /proc, /sys, /run and /etc below this folder: another "
           "machine's files")
      .Group("What");
}

}  // namespace temper::host
