// doctor: what this machine is like for training, and what should be better.
// Facts: system.h; warnings: health.h.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/files/files.h"
#include "ports/host/base/failure.h"
#include "ports/host/base/json_text.h"
#include "ports/host/base/version.h"
#include "ports/host/machine/health.h"
#include "ports/host/os/threads.h"
#include "ports/host/train/job.h"
#include "simd/target.h"

namespace temper::host {
namespace {

using Json = nlohmann::ordered_json;

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

// What a run's plan.json says it needs; nothing if there is no run yet.
std::optional<uint64_t> ArenaOf(const std::string& folder) {
  constexpr uint64_t kMostBytes = uint64_t{16} << 20;
  std::vector<uint8_t> text;
  if (!ReadWholeFile(folder + "/plan.json", kMostBytes, &text).ok()) return {};
  return JsonMember({reinterpret_cast<const char*>(text.data()), text.size()},
                    "arena_bytes");
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

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
Json OrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json MediumJson(Medium medium) {
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

Json BitsJson(const Throttling::Bits& bits) {
  return {{"under_voltage", bits.under_voltage},
          {"frequency_capped", bits.capped},
          {"throttled", bits.throttled},
          {"soft_temperature_limit", bits.soft_limit}};
}

Json Document(const SystemFacts& f, const HealthContext& context,
              const std::vector<std::string>& targets, const char* machine,
              const std::vector<Warning>& warnings) {
  Json throttling;
  if (f.throttling) {
    throttling = {{"raw", fmt::format("0x{:x}", f.throttling->raw)},
                  {"now", BitsJson(f.throttling->now)},
                  {"since_boot", BitsJson(f.throttling->since_boot)}};
  }
  Json swaps = Json::array();
  for (const SwapArea& s : f.swaps) {
    swaps.push_back({{"path", s.path},
                     {"bytes", s.bytes},
                     {"used_bytes", s.used_bytes},
                     {"medium", MediumJson(s.medium)}});
  }
  Json folder = {{"path", f.folder.path},
                 {"mount", Json()},
                 {"type", Json()},
                 {"source", Json()},
                 {"read_only", Json()}};
  if (f.folder.mount) {
    folder["mount"] = f.folder.mount->point;
    folder["type"] = f.folder.mount->type;
    folder["source"] = f.folder.mount->source;
    folder["read_only"] = f.folder.mount->read_only;
  }
  folder["medium"] = MediumJson(f.folder.medium);
  folder["free_bytes"] = OrNull(f.folder.free_bytes);
  Json warned = Json::array();
  for (const Warning& w : warnings) {
    warned.push_back(
        {{"code", w.code}, {"message", w.message}, {"remedy", w.remedy}});
  }
  return {{"temper", Version()},
          {"target", context.target},
          {"exact", context.target_exact},
          {"targets", targets},
          {"float_environment_exact", context.float_environment_exact},
          {"os", OrNull(f.os)},
          {"kernel", OrNull(f.kernel)},
          {"machine", machine},
          {"board", OrNull(f.board)},
          {"cpu", OrNull(f.cpu)},
          {"cpus_online", f.cpus_online == 0 ? Json() : Json(f.cpus_online)},
          {"cpus_usable", context.cpus_usable},
          {"governor", OrNull(f.governor)},
          {"governor_driver", OrNull(f.governor_driver)},
          {"hertz", OrNull(f.hertz)},
          {"most_hertz", OrNull(f.most_hertz)},
          {"celsius", OrNull(f.celsius)},
          {"throttling", throttling},
          {"under_voltage_alarm", OrNull(f.under_voltage_alarm)},
          {"memory_bytes", OrNull(f.memory_bytes)},
          {"available_bytes", OrNull(f.available_bytes)},
          {"cgroup_cpus", OrNull(f.cpus_allowed)},
          {"cgroup_memory_bytes", OrNull(f.memory_limit_bytes)},
          {"arena_bytes", OrNull(context.arena_bytes)},
          {"swap", swaps},
          {"folder", folder},
          {"clock",
           {{"utc", Utc(f.seconds)},
            {"synchronized", OrNull(f.clock_synchronized)}}},
          {"warnings", warned}};
}

std::string Known(const std::string& text) {
  return text.empty() ? "unknown" : Printable(text);
}

std::string MiB(const std::optional<uint64_t>& bytes) {
  if (!bytes) return "unknown";
  return fmt::format("{:.0f} MiB", static_cast<double>(*bytes) / 1048576.0);
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

void Print(const SystemFacts& f, const HealthContext& context,
           const std::vector<std::string>& targets, const char* machine,
           const std::vector<Warning>& warnings) {
  const auto line = [](const char* name, const std::string& text) {
    Result("{:<12}{}\n", name, text);
  };
  line("system",
       fmt::format("{}, kernel {}, {}", Known(f.os), Known(f.kernel), machine));
  if (!f.board.empty()) line("board", Printable(f.board));
  line("cpu", fmt::format("{}, {} online, {} usable", Known(f.cpu),
                          f.cpus_online == 0 ? "unknown number"
                                             : fmt::to_string(f.cpus_online),
                          context.cpus_usable));
  line("simd", fmt::format("{} ({}); there are: {}", context.target,
                           context.target_exact ? "exact" : "not exact",
                           fmt::join(targets, ", ")));
  std::string frequency = fmt::format("governor {}", Known(f.governor));
  if (f.hertz) frequency += fmt::format(", {} MHz", *f.hertz / 1000000);
  if (f.most_hertz) {
    frequency += fmt::format(" of {} MHz", *f.most_hertz / 1000000);
  }
  line("frequency", frequency);
  line("temperature", f.celsius ? fmt::format("{:.1f} C", *f.celsius)
                                : std::string("unknown"));
  if (f.throttling) {
    line("throttling",
         fmt::format("now: {}; since boot: {} (0x{:x})",
                     Words(f.throttling->now), Words(f.throttling->since_boot),
                     f.throttling->raw));
  } else if (f.under_voltage_alarm) {
    line("power", *f.under_voltage_alarm ? "under-voltage" : "no alarm");
  } else {
    line("throttling", "unknown (no firmware that tells)");
  }
  line("memory",
       fmt::format("{} available of {}", MiB(f.available_bytes),
                   MiB(f.memory_bytes)) +
           (f.memory_limit_bytes ? " (limited by a control group)" : ""));
  for (const SwapArea& s : f.swaps) {
    line("swap", fmt::format("{}: {}, {} used", Printable(s.path), MiB(s.bytes),
                             MiB(s.used_bytes)));
  }
  if (f.swaps.empty()) line("swap", "none");
  std::string folder = Printable(f.folder.path);
  if (f.folder.mount) {
    folder += fmt::format(": {} on {}", Printable(f.folder.mount->type),
                          Printable(f.folder.mount->source));
  }
  if (f.folder.free_bytes) folder += ", " + MiB(f.folder.free_bytes) + " free";
  line("run folder", folder);
  line("clock", fmt::format("{}, {}", Utc(f.seconds),
                            !f.clock_synchronized   ? "synchronized: unknown"
                            : *f.clock_synchronized ? "synchronized"
                                                    : "not synchronized"));
  for (const Warning& w : warnings) {
    Result("warning: {}\n  {}\n", w.message, w.remedy);
  }
  if (warnings.empty()) Result("no warnings\n");
}

int Run(const Cli& cli, const Arguments& a) {
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
  if (!a.folder.empty()) context.arena_bytes = ArenaOf(folder);
  simd::Target all[32];
  const size_t count = std::min<size_t>(simd::SupportedTargets(all, 32), 32);
  std::vector<std::string> targets;
  for (size_t i = 0; i < count; ++i) targets.emplace_back(all[i].name);
  struct utsname names;
  const char* machine = uname(&names) == 0 ? names.machine : "unknown";
  const std::vector<Warning> warnings = FindWarnings(facts, context);
  if (cli.json) {
    const Json json = Document(facts, context, targets, machine, warnings);
    PrintJson(json);
  } else {
    Print(facts, context, targets, machine, warnings);
  }
  return kExitOk;
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
