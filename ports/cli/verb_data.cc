// data: what a data spec names: shape, classes with their numbers of samples or
// the targets' ranges, mean and deviation per channel, memory.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "ports/cli/cli.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/stats.h"

namespace temper::host {
namespace {

constexpr size_t kMostRows = 24;  // of a table in the text

// Of targets that are numbers, one after the other.
Value TargetColumns(const Dataset& data) {
  Value columns = Value::array();
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
  return columns;
}

void AddTargets(const Dataset& data, Value* part, Report* report) {
  if (data.targets.kind == TargetKind::kClasses) return;
  const Value columns = TargetColumns(data);
  (*part)["targets"] = {{"kind", TargetKindName(data.targets.kind)},
                        {"width", data.targets.width},
                        {"values", columns}};
  report->Line(fmt::format("targets: {}, {} a sample",
                           TargetKindName(data.targets.kind),
                           data.targets.width));
  if (columns.empty()) return;
  Table& table = report->AddTable("", {{"", "target"},
                                       {"", "mean"},
                                       {"", "deviation"},
                                       {"", "least"},
                                       {"", "most"}});
  table.more = "use --json";
  for (size_t k = 0; k < columns.size(); ++k) {
    const Value& c = columns.at(k);
    table.Add({k, c.at("mean"), c.at("std"), c.at("min"), c.at("max")},
              k < kMostRows);
  }
}

// A part of the data: in JSON an object of "parts".
Value AddPart(const Dataset& data, Report* report) {
  const SampleStats stats = ChannelStats(data);
  const char* const type = data.shape.type == ElementType::kU8 ? "u8" : "f32";
  Value part = {{"split", data.split},
                {"samples", data.size()},
                {"shape", Value::array()},
                {"type", type},
                {"mean", stats.mean},
                {"std", stats.std},
                {"data_bytes", data.MemoryBytes()},
                {"fingerprint", fmt::format("{:016x}", Fingerprint(data))}};
  for (const uint32_t size : {data.shape.h, data.shape.w, data.shape.c}) {
    part["shape"].push_back(size);
  }
  report->Line(fmt::format("{} split: {} samples of {}x{}x{} {}, {} in memory",
                           data.split, data.size(), data.shape.h, data.shape.w,
                           data.shape.c, type, BytesText(data.MemoryBytes())));
  report->Line(
      fmt::format("mean {:.6f}, deviation {:.6f} (per channel, scaled)",
                  fmt::join(stats.mean, " "), fmt::join(stats.std, " ")));
  Value& classes = part["classes"] = Value::array();
  const std::vector<uint64_t> counts = data.ClassCounts();
  if (!counts.empty()) {
    Table& table =
        report->AddTable("", {{"", "class", Column::kName}, {"", "samples"}});
    for (size_t i = 0; i < data.class_names.size(); ++i) {
      classes.push_back(
          {{"class", data.class_names[i]}, {"samples", counts[i]}});
      table.Add({data.class_names[i], counts[i]});
    }
  }
  AddTargets(data, &part, report);
  report->Notes(data.notes);
  return part;
}

int Run(Cli& cli, const std::string& spec) {
  Report report(cli.verb);
  const DataSpec parsed = ParseDataSpec(spec);
  Value parts = Value::array();
  if (parsed.split == "train" && parsed.val > 0) {
    const TrainingData data = LoadTrainingData(spec);
    parts.push_back(AddPart(data.train, &report));
    if (data.val) {
      report.Line("");
      parts.push_back(AddPart(*data.val, &report));
    }
  } else {
    parts.push_back(AddPart(LoadDataset(spec), &report));
  }
  report.Data("parts", parts);
  return cli.output.Print(report);
}

}  // namespace

void AddDataVerb(Cli& cli) {
  auto spec = std::make_shared<std::string>();
  Verb& verb = cli.Add("data", "Show what a data spec names",
                       [&cli, spec] { return Run(cli, *spec); });
  verb.example = "temper data 'idx:DIR?classes=0-7&val=0.1'";
  std::string help = "One of:";
  for (const DataKind* const kind : DataKinds()) {
    help += fmt::format(" {} ({})", kind->usage, kind->help);
  }
  verb.Add("spec", spec.get(), "SPEC", help).Required().Group("What");
}

}  // namespace temper::host
