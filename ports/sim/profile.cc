// Reading and writing profiles. See profile.h; the format is described in
// docs/simulation.md. A profile comes from anywhere: every value is checked.
#include "ports/sim/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "models/files/json.h"
#include "models/files/nearest.h"
#include "ports/sim/toml.h"
#include "ports/sim/toml_nesting.h"

namespace temper::sim {
namespace {

constexpr size_t kMostText = 1 << 20;
constexpr uint32_t kMostNesting = 32;  // a profile has 3 levels
constexpr size_t kMostName = 100;
constexpr size_t kMostPoints = 100000;
constexpr const char* kOrigins[] = {"measured", "published", "estimated"};

struct Wrong {
  std::string text;
};
[[noreturn]] void Refuse(const toml::node* at, const std::string& text) {
  if (at != nullptr && at->source().begin.line != 0) {
    throw Wrong{fmt::format("line {}: {}", at->source().begin.line, text)};
  }
  throw Wrong{text};
}

// What the user wrote, without what could reach the terminal.
std::string Plain(std::string_view text) {
  std::string plain;
  for (const char c : text.substr(0, 64)) {
    plain += c >= ' ' && c <= '~' ? c : '?';
  }
  return plain;
}

// One table. Every key must be asked for; Close refuses the others.
class Table {
 public:
  Table(const toml::table& table, std::string name)
      : table_(table), name_(std::move(name)) {}

  Table Sub(const char* key) {
    const toml::node* node = Find(key);
    if (node == nullptr || !node->is_table()) {
      Refuse(node != nullptr ? node : &table_,
             fmt::format("{} must be a table", Path(key)));
    }
    return Table(*node->as_table(), Path(key));
  }
  bool Has(const char* key) const { return table_.contains(key); }

  double Number(const char* key, double min, double max) {
    return NumberOf(Need(key), Path(key), min, max);
  }
  uint64_t Whole(const char* key, uint64_t min, uint64_t max) {
    const toml::node* node = Need(key);
    const auto value = node->value<int64_t>();
    if (!node->is_integer() || !value || *value < 0 ||
        static_cast<uint64_t>(*value) < min ||
        static_cast<uint64_t>(*value) > max) {
      Refuse(node, fmt::format("{} must be a whole number from {} to {}",
                               Path(key), min, max));
    }
    return static_cast<uint64_t>(*value);
  }
  bool Flag(const char* key) {
    const toml::node* node = Need(key);
    if (!node->is_boolean()) {
      Refuse(node, fmt::format("{} must be true or false", Path(key)));
    }
    return node->as_boolean()->get();
  }
  std::string Text(const char* key, size_t most) {
    const toml::node* node = Need(key);
    const auto value = node->value<std::string_view>();
    bool good =
        node->is_string() && value && !value->empty() && value->size() <= most;
    for (size_t i = 0; good && i < value->size(); ++i) {
      good = (*value)[i] >= ' ' && (*value)[i] <= '~';
    }
    if (!good) {
      Refuse(node, fmt::format("{} must be text of 1 to {} ASCII characters",
                               Path(key), most));
    }
    return std::string(*value);
  }
  std::string Word(const char* key, std::initializer_list<const char*> words) {
    const std::string word = Text(key, kMostName);
    for (const char* known : words) {
      if (word == known) return word;
    }
    Refuse(Need(key), fmt::format("{} must be one of {}", Path(key),
                                  fmt::join(words, ", ")));
  }
  std::vector<double> Numbers(const char* key, double min, double max) {
    const toml::node* node = Need(key);
    const toml::array* array = node->as_array();
    if (array == nullptr || array->empty() || array->size() > kMostPoints) {
      Refuse(node, fmt::format("{} must be a list of numbers", Path(key)));
    }
    std::vector<double> numbers;
    for (const toml::node& element : *array) {
      numbers.push_back(NumberOf(&element, Path(key), min, max));
    }
    return numbers;
  }
  Provenance Origins() {
    Provenance p;
    const std::string origin =
        Word("provenance", {kOrigins[0], kOrigins[1], kOrigins[2]});
    for (uint32_t i = 0; i < 3; ++i) {
      if (origin == kOrigins[i]) p.origin = static_cast<Origin>(i);
    }
    p.source = Text("source", 600);
    return p;
  }

  // The tables that were not read: they have no meaning here and are no error.
  std::vector<std::string> IgnoreTables() {
    std::vector<std::string> names;
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (!node.is_table() || !asked_.insert(name).second) continue;
      names.push_back(Plain(name));
    }
    return names;
  }

  void Close() const {
    for (const auto& [key, node] : table_) {
      if (asked_.count(std::string(key.str())) != 0) continue;
      std::vector<std::string_view> known(asked_.begin(), asked_.end());
      const std::string_view near = NearestName(key.str(), known);
      Refuse(
          &node,
          fmt::format(
              "unknown key {}{}", Path(Plain(key.str())),
              near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
    }
  }
  const toml::table& table() const { return table_; }
  std::string Path(std::string_view key) const {
    return name_.empty() ? std::string(key) : fmt::format("{}.{}", name_, key);
  }

 private:
  const toml::node* Find(const char* key) {
    asked_.insert(key);
    return table_.get(key);
  }
  const toml::node* Need(const char* key) {
    const toml::node* node = Find(key);
    if (node == nullptr) {
      Close();  // a misspelt key says more than a missing one
      Refuse(&table_, fmt::format("{} is missing", Path(key)));
    }
    return node;
  }
  static double NumberOf(const toml::node* node, const std::string& path,
                         double min, double max) {
    const auto value = node->value<double>();
    if (!node->is_number() || !value || !(*value >= min) || !(*value <= max)) {
      Refuse(node,
             fmt::format("{} must be a number from {} to {}", path, min, max));
    }
    return *value;
  }

  const toml::table& table_;
  std::string name_;
  std::set<std::string> asked_;
};

void ReadGrid(Table& table, const KernelAxes& axes, DeviceProfile::Rate* rate) {
  Grid* const grid = &rate->grid;
  for (uint32_t d = 0; d < axes.count; ++d) {
    if (!table.Has(axes.names[d])) continue;  // the speed does not depend on it
    grid->axes[d] = table.Numbers(axes.names[d], 1, 1e15);
    for (size_t i = 1; i < grid->axes[d].size(); ++i) {
      if (!(grid->axes[d][i - 1] < grid->axes[d][i])) {
        Refuse(table.table().get(axes.names[d]),
               table.Path(axes.names[d]) + " must ascend");
      }
    }
    if (grid->Points() > kMostPoints) {
      Refuse(&table.table(), table.Path("") + " has too many points");
    }
  }
  const auto values = [&](const std::string& key) {
    std::vector<double> numbers = table.Numbers(key.c_str(), 1e-6, 1e6);
    if (numbers.size() != grid->Points()) {
      Refuse(table.table().get(key),
             fmt::format("{} has {} numbers, its axes make {}", table.Path(key),
                         numbers.size(), grid->Points()));
    }
    return numbers;
  };
  grid->values = values(axes.unit);
  const std::string all = std::string(axes.unit) + "_all";
  if (!table.Has(all.c_str())) return;
  rate->all = *grid;
  rate->all.values = values(all);
}

// A few names of a list that may be long.
std::string Some(const std::vector<std::string>& names) {
  constexpr size_t kMost = 6;
  const size_t n = std::min(names.size(), kMost);
  const std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + n, ", "));
  if (names.size() <= kMost) return text;
  return fmt::format("{} and {} more", text, names.size() - kMost);
}

// A profile may be older or newer than the list of classes: one that it does
// not have gets the speed of the most similar one, an unknown one is ignored.
// Notes say so.
void ReadKernels(Table kernels, DeviceProfile* p) {
  for (uint32_t k = 0; k < kKernels; ++k) {
    DeviceProfile::Rate& rate = p->rates[k];
    rate.stand_in = !kernels.Has(kKernelInfo[k].name);
    if (rate.stand_in) continue;
    Table t = kernels.Sub(kKernelInfo[k].name);
    ReadGrid(t, AxesOf(kKernelInfo[k].kind), &rate);
    rate.provenance = t.Origins();
    t.Close();
  }
  const std::vector<std::string> unknown = kernels.IgnoreTables();
  kernels.Close();
  std::vector<std::string> missing;
  for (uint32_t k = 0; k < kKernels; ++k) {
    DeviceProfile::Rate& rate = p->rates[k];
    if (!rate.stand_in) continue;
    Kernel like = kKernelInfo[k].like;
    for (uint32_t i = 0; i < kKernels && p->RateOf(like).stand_in; ++i) {
      like = InfoOf(like).like;
    }
    const DeviceProfile::Rate& from = p->RateOf(like);
    if (from.stand_in) {
      Refuse(&kernels.table(),
             fmt::format("{} is missing, and so is what could stand for it: "
                         "kernels.{} is the nearest",
                         kernels.Path(kKernelInfo[k].name),
                         InfoOf(kKernelInfo[k].like).name));
    }
    rate.grid = from.grid;
    rate.all = from.all;
    rate.provenance = {Origin::kEstimated,
                       fmt::format("not known: as {}", InfoOf(like).name)};
    missing.push_back(
        fmt::format("{} (as {})", kKernelInfo[k].name, InfoOf(like).name));
  }
  if (!missing.empty()) {
    p->notes.push_back(fmt::format(
        "the profile does not have the speed of {}: measure it again (temper "
        "bench --profile) for better estimates",
        Some(missing)));
  }
  if (!unknown.empty()) {
    p->notes.push_back(fmt::format(
        "the profile has classes of kernels that this version does not know; "
        "they are ignored: {}",
        Some(unknown)));
  }
}

void Read(const toml::table& root, DeviceProfile* profile) {
  Table top(root, "");
  if (top.Whole("version", 1, 1) != 1) return;
  DeviceProfile p;
  p.name = top.Text("name", kMostName);
  {
    Table t = top.Sub("cpu");
    p.cpu.arch = t.Word("arch", {"x86_64", "aarch64", "armv7"});
    p.cpu.target =
        t.Word("target", {"avx3", "avx2", "sse4", "neon", "sve", "scalar"});
    p.cpu.cores = static_cast<uint32_t>(t.Whole("cores", 1, 64));
    p.cpu.peak_gflops = t.Number("peak_gflops", 1e-6, 1e6);
    p.cpu.provenance = t.Origins();
    t.Close();
  }
  {
    Table t = top.Sub("memory");
    constexpr uint64_t kMost = uint64_t{1} << 50;
    p.memory.bytes = t.Whole("bytes", 1, kMost);
    p.memory.reserved = t.Whole("reserved", 0, kMost);
    p.memory.l1 = t.Whole("l1", 1, kMost);
    p.memory.l2 = t.Whole("l2", 0, kMost);
    p.memory.l3 = t.Whole("l3", 0, kMost);
    p.memory.l2_shared = t.Flag("l2_shared");
    p.memory.provenance = t.Origins();
    t.Close();
  }
  {
    Table t = top.Sub("storage");
    p.storage.write_mbytes = t.Number("write_mbytes", 1e-6, 1e9);
    p.storage.fsync_ms = t.Number("fsync_ms", 0, 1e6);
    p.storage.provenance = t.Origins();
    t.Close();
  }
  {
    Table t = top.Sub("overhead");
    p.overhead.call_us = t.Number("call_us", 0, 1e6);
    p.overhead.region_us = t.Number("region_us", 0, 1e6);
    p.overhead.provenance = t.Origins();
    t.Close();
  }
  {
    Table t = top.Sub("threads");
    p.threads.compute = t.Numbers("compute", 1, 64);
    p.threads.memory = t.Numbers("memory", 1, 64);
    for (const char* key : {"compute", "memory"}) {
      const auto& list = key[0] == 'c' ? p.threads.compute : p.threads.memory;
      if (list.size() != p.cpu.cores || list[0] != 1) {
        Refuse(t.table().get(key),
               fmt::format("{} must have one number per core, the first 1",
                           t.Path(key)));
      }
    }
    p.threads.transfer_gbytes = t.Number("transfer_gbytes", 1e-3, 1e6);
    p.threads.provenance = t.Origins();
    t.Close();
  }
  ReadKernels(top.Sub("kernels"), &p);
  top.Close();
  *profile = std::move(p);
}

std::string Origins(const Provenance& p) {
  std::string source;
  for (const char c : p.source) {
    if (c == '"' || c == '\\') source += '\\';
    source += c;
  }
  return fmt::format("provenance = \"{}\"\nsource = \"{}\"\n",
                     OriginName(p.origin), source);
}

std::string List(const std::vector<double>& numbers, size_t per_line) {
  std::string text = "[";
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) text += i % per_line == 0 ? ",\n  " : ", ";
    text += fmt::format("{:.4g}", numbers[i]);
  }
  return text + "]";
}

// What a profile is made of: tables, lists, numbers and text.
void AppendJson(const toml::node& node, std::string* out) {
  const auto list = [&](char open, char close, const auto& items,
                        const auto& append) {
    *out += open;
    bool first = true;
    for (auto&& item : items) {
      if (!first) *out += ',';
      first = false;
      append(item);
    }
    *out += close;
  };
  if (const toml::table* table = node.as_table()) {
    list('{', '}', *table, [&](const auto& entry) {
      AppendJsonString(out, entry.first.str());
      *out += ':';
      AppendJson(entry.second, out);
    });
  } else if (const toml::array* array = node.as_array()) {
    list('[', ']', *array,
         [&](const toml::node& item) { AppendJson(item, out); });
  } else if (const auto* text = node.as_string()) {
    AppendJsonString(out, text->get());
  } else if (const auto* boolean = node.as_boolean()) {
    *out += boolean->get() ? "true" : "false";
  } else if (const auto* integer = node.as_integer()) {
    *out += fmt::format("{}", integer->get());
  } else if (const auto* number = node.as_floating_point()) {
    *out += fmt::format("{}", number->get());
  }
}

}  // namespace

const char* OriginName(Origin origin) {
  return kOrigins[static_cast<uint32_t>(origin)];
}

bool DeviceProfile::Exact() const {
  return cpu.arch != "armv7" && cpu.target != "sse4" && cpu.target != "scalar";
}

std::string ParseProfile(std::string_view text, DeviceProfile* profile) {
  if (text.size() > kMostText) return "larger than 1 MiB";
  if (const uint32_t line = LineNestedDeeperThan(text, kMostNesting)) {
    return fmt::format("line {}: nested deeper than {} levels", line,
                       kMostNesting);
  }
  const toml::parse_result result = toml::parse(text);
  if (!result) {
    const toml::parse_error& error = result.error();
    return fmt::format("line {}: {}", error.source().begin.line,
                       Plain(error.description()));
  }
  try {
    Read(result.table(), profile);
  } catch (const Wrong& wrong) {
    return wrong.text;
  }
  return "";
}

std::string ProfileToml(const DeviceProfile& p) {
  std::string s = "version = 1\n";
  s += fmt::format("name = \"{}\"\n\n", p.name);
  s += fmt::format(
      "[cpu]\narch = \"{}\"\ntarget = \"{}\"\ncores = {}\npeak_gflops = "
      "{:.4g}\n{}\n",
      p.cpu.arch, p.cpu.target, p.cpu.cores, p.cpu.peak_gflops,
      Origins(p.cpu.provenance));
  s += fmt::format(
      "[memory]\nbytes = {}\nreserved = {}\nl1 = {}\nl2 = {}\nl3 = "
      "{}\nl2_shared = {}\n{}\n",
      p.memory.bytes, p.memory.reserved, p.memory.l1, p.memory.l2, p.memory.l3,
      p.memory.l2_shared, Origins(p.memory.provenance));
  s += fmt::format("[storage]\nwrite_mbytes = {:.4g}\nfsync_ms = {:.4g}\n{}\n",
                   p.storage.write_mbytes, p.storage.fsync_ms,
                   Origins(p.storage.provenance));
  s += fmt::format("[overhead]\ncall_us = {:.4g}\nregion_us = {:.4g}\n{}\n",
                   p.overhead.call_us, p.overhead.region_us,
                   Origins(p.overhead.provenance));
  s += fmt::format(
      "[threads]\ncompute = {}\nmemory = {}\ntransfer_gbytes = {:.4g}\n{}",
      List(p.threads.compute, 16), List(p.threads.memory, 16),
      p.threads.transfer_gbytes, Origins(p.threads.provenance));
  for (uint32_t k = 0; k < kKernels; ++k) {
    const DeviceProfile::Rate& rate = p.rates[k];
    if (rate.stand_in) continue;
    const KernelAxes axes = AxesOf(kKernelInfo[k].kind);
    s += fmt::format("\n[kernels.{}]\n", kKernelInfo[k].name);
    size_t row = 16;
    for (uint32_t d = 0; d < axes.count; ++d) {
      if (rate.grid.axes[d].empty()) continue;
      s += fmt::format("{} = {}\n", axes.names[d], List(rate.grid.axes[d], 16));
      row = rate.grid.axes[d].size();
    }
    s += fmt::format("{} = {}\n", axes.unit, List(rate.grid.values, row));
    if (!rate.all.empty()) {
      s += fmt::format("{}_all = {}\n", axes.unit, List(rate.all.values, row));
    }
    s += Origins(rate.provenance);
  }
  return s;
}

std::string ProfileJson(const DeviceProfile& p) {
  const toml::parse_result result = toml::parse(ProfileToml(p));
  std::string text;
  AppendJson(result.table(), &text);
  return text;
}

}  // namespace temper::sim
