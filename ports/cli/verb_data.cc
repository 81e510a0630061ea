// data: what a data spec names: shape, classes with their numbers of samples or
// the targets' ranges, mean and deviation per channel, memory.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/files/text.h"
#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/stats.h"

namespace temper::host {
namespace {

// Of targets that are not one class a sample.
nlohmann::ordered_json DescribeTargets(const Dataset& data) {
  nlohmann::ordered_json columns = nlohmann::ordered_json::array();
  for (uint32_t k = 0;
       data.targets.kind == TargetKind::kValues && k < data.targets.width;
       ++k) {
    double sum = 0, squares = 0;
    float least = data.Values(0)[k], most = least;
    for (size_t i = 0; i < data.size(); ++i) {
      const float v = data.Values(i)[k];
      sum += double{v};
      least = std::min(least, v), most = std::max(most, v);
    }
    const double n = static_cast<double>(data.size()), mean = sum / n;
    for (size_t i = 0; i < data.size(); ++i) {
      const double away = double{data.Values(i)[k]} - mean;
      squares += away * away;
    }
    columns.push_back({{"mean", mean},
                       {"std", std::sqrt(squares / n)},
                       {"min", least},
                       {"max", most}});
  }
  return {{"kind", TargetKindName(data.targets.kind)},
          {"width", data.targets.width},
          {"values", columns}};
}

nlohmann::ordered_json Describe(const Dataset& data) {
  const std::vector<uint64_t> counts = data.ClassCounts();
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (size_t i = 0; i < data.class_names.size(); ++i) {
    classes.push_back({{"class", data.class_names[i]}, {"samples", counts[i]}});
  }
  const SampleStats stats = ChannelStats(data);
  nlohmann::ordered_json d = {
      {"split", data.split},
      {"samples", data.size()},
      {"shape", {data.shape.h, data.shape.w, data.shape.c}},
      {"type", data.shape.type == ElementType::kU8 ? "u8" : "f32"},
      {"mean", stats.mean},
      {"std", stats.std},
      {"memory_bytes", data.MemoryBytes()},
      {"fingerprint", fmt::format("{:016x}", Fingerprint(data))},
      {"notes", data.notes},
      {"classes", classes}};
  if (data.targets.kind != TargetKind::kClasses) {
    d["targets"] = DescribeTargets(data);
  }
  return d;
}

void PrintTargets(const nlohmann::ordered_json& targets) {
  constexpr size_t kMost = 24;
  Result("targets: {}, {} a sample\n", targets["kind"].get<std::string>(),
         targets["width"].get<uint32_t>());
  const auto& values = targets["values"];
  for (size_t k = 0; k < std::min(kMost, values.size()); ++k) {
    const auto number = [&](const char* name) {
      return values[k][name].get<double>();
    };
    Result("  {:>6}  mean {:.6g}, deviation {:.6g}, {:.6g} to {:.6g}\n", k,
           number("mean"), number("std"), number("min"), number("max"));
  }
  if (values.size() > kMost) {
    Result("  ({} more: use --json)\n", values.size() - kMost);
  }
}

void Print(const nlohmann::ordered_json& d) {
  Result("{} split: {} samples of {}x{}x{} {}, {:.1f} MiB in memory\n",
         d["split"].get<std::string>(), d["samples"].get<uint64_t>(),
         d["shape"][0].get<uint32_t>(), d["shape"][1].get<uint32_t>(),
         d["shape"][2].get<uint32_t>(), d["type"].get<std::string>(),
         static_cast<double>(d["memory_bytes"].get<uint64_t>()) / 1048576.0);
  const std::vector<float> mean = d["mean"], std = d["std"];
  Result("mean {:.6f}, deviation {:.6f} (per channel, scaled)\n",
         fmt::join(mean, " "), fmt::join(std, " "));
  for (const auto& c : d["classes"]) {
    Result("  {} {:>8}\n", LeftCell(c["class"].get<std::string>(), 20, 40),
           c["samples"].get<uint64_t>());
  }
  if (d.contains("targets")) PrintTargets(d["targets"]);
  for (const auto& note : d["notes"])
    Result("note: {}\n", note.get<std::string>());
}

}  // namespace

void AddDataVerb(Cli& cli) {
  auto spec = std::make_shared<std::string>();
  Verb& verb = cli.Add("data", "Show what a data spec names", [&cli, spec] {
    const DataSpec parsed = ParseDataSpec(*spec);
    nlohmann::ordered_json parts = nlohmann::ordered_json::array();
    if (parsed.split == "train" && parsed.val > 0) {
      const TrainingData data = LoadTrainingData(*spec);
      parts.push_back(Describe(data.train));
      if (data.val) parts.push_back(Describe(*data.val));
    } else {
      parts.push_back(Describe(LoadDataset(*spec)));
    }
    if (cli.json) {
      PrintJson(parts);
    } else {
      for (const auto& part : parts) Print(part);
    }
    return static_cast<int>(kExitOk);
  });
  verb.example = "temper data 'idx:DIR?classes=0-7&val=0.1'";
  std::string help = "One of:";
  for (const DataKind* const kind : DataKinds()) {
    help += fmt::format(" {} ({})", kind->usage, kind->help);
  }
  verb.Add("spec", spec.get(), "SPEC", help).Required().Group("What");
}

}  // namespace temper::host
