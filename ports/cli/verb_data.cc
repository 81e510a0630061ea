// data: what a data spec names: shape, classes with their numbers of samples,
// mean and deviation per channel, memory.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "models/text.h"
#include "ports/cli/cli.h"
#include "ports/host/failure.h"
#include "ports/host/messages.h"
#include "ports/host/stats.h"

namespace temper::host {
namespace {

nlohmann::ordered_json Describe(const Dataset& data) {
  const std::vector<uint64_t> counts = data.ClassCounts();
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (size_t i = 0; i < data.class_names.size(); ++i) {
    classes.push_back({{"class", data.class_names[i]}, {"samples", counts[i]}});
  }
  const SampleStats stats = ChannelStats(data);
  return {{"split", data.split},
          {"samples", data.size()},
          {"shape", {data.shape.h, data.shape.w, data.shape.c}},
          {"type", data.shape.type == ElementType::kU8 ? "u8" : "f32"},
          {"mean", stats.mean},
          {"std", stats.std},
          {"memory_bytes", data.MemoryBytes()},
          {"fingerprint", fmt::format("{:016x}", Fingerprint(data))},
          {"notes", data.notes},
          {"classes", classes}};
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
  for (const DataKindHelp& kind : DataKinds()) {
    help += fmt::format(" {} ({})", kind.usage, kind.meaning);
  }
  verb.Add("spec", spec.get(), "SPEC", help).Required().Group("What");
}

}  // namespace temper::host
