// data: what a data spec names: shape, classes with their numbers of samples or
// the targets' ranges, mean and deviation per channel, memory. data pack: the
// same as one file that is mapped (pack_file.h). data check: what is there twice,
// out of balance, or constant.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "ports/cli/cli.h"
#include "ports/cli/exit_codes.h"
#include "ports/cli/messages.h"
#include "ports/cli/report_text.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/data/duplicates.h"
#include "ports/host/data/pack_writer.h"
#include "ports/host/data/stats.h"
#include "ports/host/train/class_weights.h"

namespace temper::host {
namespace {

constexpr size_t kMostRows = 24;      // of a table in the text
constexpr size_t kMostCopies = 1000;  // that are named, also in JSON

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

// Of a table: a row for each column, and not for each of its inputs.
void AddColumns(const Dataset& data, const SampleStats& stats, Value* part,
                Report* report) {
  Value& columns = (*part)["columns"] = Value::array();
  Table& table = report->AddTable("", {{"", "column", Column::kName},
                                       {"", "kind", Column::kText},
                                       {"", "mean"},
                                       {"", "deviation"},
                                       {"", "missing"}});
  table.more = "use --json";
  size_t input = 0;
  for (size_t c = 0; c < data.columns.size(); ++c) {
    const TableColumn& column = data.columns[c];
    const bool texts = !column.values.empty();
    const Value mean = texts ? Value() : Value(stats.mean[input]);
    const Value deviation = texts ? Value() : Value(stats.std[input]);
    const Value missing =
        c < data.holes.size() ? Value(data.holes[c]) : Value();
    columns.push_back({{"column", column.name},
                       {"kind", texts ? "texts" : "numbers"},
                       {"categories", column.values},
                       {"mean", mean},
                       {"std", deviation},
                       {"missing", missing}});
    table.Add({column.name,
               texts ? fmt::format("{} texts", column.values.size())
                     : std::string("numbers"),
               mean, deviation, missing},
              c < kMostRows);
    input += column.Inputs();
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
  if (!data.columns.empty()) {
    AddColumns(data, stats, &part, report);
  } else if (constexpr size_t kMost = 8; stats.mean.size() <= kMost) {
    report->Line(
        fmt::format("mean {:.6f}, deviation {:.6f} (per channel, scaled)",
                    fmt::join(stats.mean, " "), fmt::join(stats.std, " ")));
  } else {
    report->Line(fmt::format("mean and deviation of {} channels: use --json",
                             stats.mean.size()));
  }
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
  if (const double times = Imbalance(data);
      times > kImbalanced && data.split == "train") {
    report->Note(fmt::format(
        "the largest class has {:.1f} times the samples of the smallest; train "
        "has --class-weights balanced and --sampler balanced",
        times));
  }
  return part;
}

int Show(Cli& cli, const std::string& spec) {
  Report report(cli.verb);
  const DataSpec parsed = ParseDataSpec(spec);
  Value parts = Value::array();
  if (parsed.split == "train" && parsed.HoldsOutVal()) {
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

int Pack(Cli& cli, const std::string& spec, const std::string& file,
         bool overwrite) {
  const PackResult pack = WritePack(ParseDataSpec(spec), file, {}, overwrite);
  Report report(cli.verb);
  report.Fact("pack.file", "pack", file, kVerbatim);
  report.Fact("pack.samples", "samples", pack.samples,
              fmt::format("{} of {}x{}x{}", pack.samples, pack.shape.h,
                          pack.shape.w, pack.shape.c));
  report.Fact("pack.file_bytes", "size", pack.file_bytes, kBytes);
  report.Fact("pack.left_out", pack.left_out == 0 ? "" : "left out",
              pack.left_out);
  report.Notes(pack.notes);
  report.Next({"data", "pack:" + file});
  return cli.output.Print(report);
}

// The parts of a spec that belong together: training, validation, test.
std::vector<Dataset> AllParts(const std::string& text) {
  DataSpec spec = ParseDataSpec(text);
  spec.judged = true;  // all samples, at one size
  std::vector<Dataset> parts;
  if (spec.split_given) {
    parts.push_back(LoadDataset(spec));
    return parts;
  }
  TrainingData data = LoadTrainingData(spec);
  parts.push_back(std::move(data.train));
  if (data.val) parts.push_back(std::move(*data.val));
  for (const char* const split : {"val", "test"}) {
    if (!HasSplit(spec, split) || (split[0] == 'v' && data.val)) continue;
    DataSpec other = spec;
    other.split = split;
    other.val = 0;
    const Dataset& train = parts[0];
    parts.push_back(LoadDataset(
        other, {},
        {train.Input(), train.pictures.value_or(PictureFit{}), train.columns}));
  }
  return parts;
}

// A picture of one colour. Rows of a table may well have equal values.
bool IsConstant(const Dataset& data, size_t i) {
  if (data.shape.h * data.shape.w == 1) return false;
  const uint8_t* const sample = data.Sample(i);
  const size_t unit = data.shape.type == ElementType::kU8 ? 1 : 4;
  for (size_t k = unit; k < data.SampleBytes(); ++k) {
    if (sample[k] != sample[k - unit]) return false;
  }
  return data.SampleBytes() > unit;
}

int Check(Cli& cli, const std::string& spec) {
  constexpr uint64_t kMostImbalance =
      3;  // between the largest and smallest class
  const std::vector<Dataset> parts = AllParts(spec);
  Report report(cli.verb);
  std::vector<const Dataset*> sets;
  uint64_t samples = 0, constant = 0, unreadable = 0, rare = 0;
  for (const Dataset& data : parts) {
    sets.push_back(&data);
    samples += data.size();
    unreadable += data.left_out;
    report.Notes(data.notes);
    for (size_t i = 0; i < data.size(); ++i) constant += IsConstant(data, i);
    const std::vector<uint64_t> counts = data.ClassCounts();
    if (counts.empty() || data.split != "train") continue;
    const auto [least, most] =
        std::minmax_element(counts.begin(), counts.end());
    if (*most <= kMostImbalance * *least) continue;
    ++rare;
    report.Note(fmt::format(
        "class {} has {} samples, class {} {}: rare classes are learnt last",
        Printable(data.class_names[static_cast<size_t>(most - counts.begin())]),
        *most,
        Printable(
            data.class_names[static_cast<size_t>(least - counts.begin())]),
        *least));
  }
  report.Fact("check.samples", "samples", samples,
              fmt::format("{} in {} split{}", samples, parts.size(),
                          parts.size() == 1 ? "" : "s"));
  report.Fact("check.unreadable", "unreadable", unreadable);
  report.Fact("check.constant", "constant", constant,
              fmt::format("{} whose values are all the same", constant));
  const std::vector<Duplicate> found = FindDuplicates(sets, true);
  uint64_t across = 0, otherwise = 0;
  const auto class_of = [&](const SampleRef& at) -> const std::string* {
    const int32_t c = sets[at.set]->ClassOf(at.index);
    return c < 0 ? nullptr : &sets[at.set]->class_names[static_cast<size_t>(c)];
  };
  for (const Duplicate& d : found) {
    across += d.first.set != d.copy.set;
    const std::string *const a = class_of(d.first), *const b = class_of(d.copy);
    otherwise += a != nullptr && b != nullptr && *a != *b;
  }
  report.Fact("check.across_splits", "twice", across,
              fmt::format("{} samples, {} of them across splits", found.size(),
                          across));
  Table& table = report.AddTable("check.duplicates",
                                 {{"copy", "sample", Column::kName},
                                  {"first", "is like", Column::kName},
                                  {"exact", "exact", Column::kText},
                                  {"same_class", "same class", Column::kText}});
  table.more = "use --json";
  for (size_t i = 0; i < std::min(found.size(), kMostCopies); ++i) {
    const Dataset& a = *sets[found[i].first.set];
    const Dataset& b = *sets[found[i].copy.set];
    const std::string* const ca = class_of(found[i].first);
    const std::string* const cb = class_of(found[i].copy);
    const bool known = ca != nullptr && cb != nullptr;
    table.Add(
        {b.SampleName(found[i].copy.index), a.SampleName(found[i].first.index),
         found[i].exact, known ? Value(*ca == *cb) : Value()},
        i < kMostRows);
  }
  report.Data("check.duplicate_count", found.size());
  if (found.size() > kMostCopies) {
    report.Note(fmt::format("the first {} of {} copies are named", kMostCopies,
                            found.size()));
  }
  report.Data("check.findings", rare + constant + unreadable + found.size());
  // What was found, and what to do about it.
  std::string what, remedies;
  const auto say = [&](uint64_t count, std::string_view of,
                       std::string_view remedy) {
    if (count == 0) return;
    what += fmt::format("{}{} {}", what.empty() ? "" : ", ", count, of);
    remedies += fmt::format("{}{}", remedies.empty() ? "" : ". ", remedy);
  };
  say(unreadable, "unreadable", "Remove what cannot be read, or read it again");
  say(constant, "of one colour", "Remove what shows nothing");
  say(found.size(), "twice", "Remove copies, first those across splits");
  say(otherwise, "of them with two labels",
      "Decide which label is right (same class: no)");
  say(rare, rare == 1 ? "rare class" : "rare classes",
      "Collect more of the rare class, or train with --class-weights balanced");
  if (!what.empty()) {
    report.Error(
        kExitCheckFailed,
        fmt::format("found in {}: {}\n  {}", Printable(spec), what, remedies));
  }
  return cli.output.Print(report);
}

// SPEC, pack SPEC FILE or check SPEC.
int Run(Cli& cli, const std::vector<std::string>& words, bool overwrite) {
  const bool pack = words[0] == "pack", check = words[0] == "check";
  if (overwrite && !pack) {
    Fail(ErrorKind::kUsage, "--overwrite", "", "only data pack writes a file",
         "Leave it out.");
  }
  if (pack && words.size() == 3) {
    return Pack(cli, words[1], words[2], overwrite);
  }
  if (pack) {
    Fail(ErrorKind::kUsage, "data pack takes a spec and a file", "", "",
         "temper data pack 'folder:photos?size=96x96' photos.pack");
  }
  if (check && words.size() == 2) return Check(cli, words[1]);
  if (check) {
    Fail(ErrorKind::kUsage, "data check takes one spec", "", "",
         "temper data check 'folder:photos'");
  }
  if (words.size() == 1) return Show(cli, words[0]);
  constexpr std::string_view kWords[] = {"pack", "check"};
  if (const std::string_view near = NearestName(words[0], kWords);
      !near.empty() && near != words[0]) {
    Fail(ErrorKind::kUsage, "data", Printable(words[0]),
         "there is no such word", fmt::format("Did you mean '{}'?", near));
  }
  Fail(ErrorKind::kUsage, "data takes one spec", "", "",
       "temper data SPEC, temper data pack SPEC FILE, or temper data check "
       "SPEC");
}

}  // namespace

void AddDataVerb(Cli& cli) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto overwrite = std::make_shared<bool>(false);
  Verb& verb = cli.Add(
      "data", "Show what a data spec names; pack it into a file; check it",
      [&cli, words, overwrite] { return Run(cli, *words, *overwrite); });
  verb.example = "temper data 'idx:DIR?classes=0-7&val=0.1'";
  std::string help =
      "'pack SPEC FILE' (FILE is new, or a pack that it replaces), 'check "
      "SPEC', or a spec. One of:";
  for (const DataKind* const kind : DataKinds()) {
    help += fmt::format(" {} ({})", kind->usage, kind->help);
  }
  verb.Add("spec", words.get(), "SPEC", help).Required().Group("What");
  verb.Flag("--overwrite", overwrite.get(),
            "pack: replace FILE if it is another file")
      .Group("Output");
}

}  // namespace temper::host
