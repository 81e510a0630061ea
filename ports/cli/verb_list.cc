// list: what a job can name, from the registry and the lists of models, data
// kinds and devices.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/files/text.h"
#include "models/graphs/models.h"
#include "models/spec.h"
#include "ports/cli/cli.h"
#include "ports/cli/help.h"
#include "ports/cli/list_runs.h"
#include "ports/cli/messages.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/data_kind.h"
#include "ports/host/train/presets/preset.h"
#include "ports/sim/profile.h"
#include "temper/registry.h"

namespace temper::host {
namespace {

using Json = Value;

const char* TypeOf(const Field& field) {
  return field.type == Field::Type::kSizes ? "whole numbers"
         : field.IsChoice()                ? "choice"
         : field.IsFlag()                  ? "flag"
         : field.IsWhole()                 ? "whole number"
                                           : "number";
}

// A field whose default is no valid value must be given.
bool IsRequired(const Entry& entry, const Field& field) {
  if (field.type == Field::Type::kSizes || field.IsTime()) return false;
  alignas(8) uint8_t params[kMaxParams] = {};
  if (entry.defaults != nullptr) entry.defaults(params);
  return !InFieldRange(field, ReadField(field, params));
}

Json FieldJson(const Entry& entry, const Field& field) {
  Json json = {{"name", field.name}, {"type", TypeOf(field)}};
  if (IsRequired(entry, field)) {
    json["default"] = Value();
  } else {
    json["default"] = DefaultText(entry, field);
  }
  if (field.IsChoice()) {
    json["choices"] = field.names;
  } else {
    json["min"] = field.min;
    json["max"] = field.max;
  }
  json["help"] = field.help;
  if (field.unit[0] != '\0') json["unit"] = field.unit;
  return json;
}

Json EntriesOf(const Catalogue& catalogue) {
  Json list = Json::array();
  for (uint32_t i = 0; i < catalogue.count; ++i) {
    const Entry entry = catalogue.entry(i);
    Json fields = Json::array();
    for (const Field& field : entry.fields) {
      fields.push_back(FieldJson(entry, field));
    }
    for (const Field& field : catalogue.common) {
      fields.push_back(FieldJson({}, field));
    }
    Json json = {{"name", entry.name}, {"help", entry.help}};
    if (entry.shapes[0] != '\0') json["shapes"] = entry.shapes;
    json["fields"] = fields;
    list.push_back(json);
  }
  return list;
}

Json ModelsJson() {
  Json list = Json::array();
  size_t i = 0;
  for (Json entry : EntriesOf(models::ModelCatalogue())) {
    const Shape& input = models::Models()[i++]->input;
    entry["input"] = fmt::format("{}x{}x{}", input.h, input.w, input.c);
    list.push_back(entry);
  }
  return list;
}

Json DataJson() {
  constexpr std::string_view kTypes[] = {"flag", "whole number", "number",
                                         "choice", "text"};
  Json list = Json::array();
  for (const DataKind* const kind : DataKinds()) {
    Json fields = Json::array();
    for (const auto table : {kind->options, CommonDataOptions()}) {
      for (const DataOption& option : table) {
        fields.push_back({{"name", option.name},
                          {"type", kTypes[static_cast<size_t>(option.type)]},
                          {"default", option.normal},
                          {"choices", option.values},
                          {"help", option.help}});
      }
    }
    list.push_back({{"name", kind->name},
                    {"help", kind->help},
                    {"usage", kind->usage},
                    {"fields", fields}});
  }
  return list;
}

Json DevicesJson() {
  Json list = Json::array();
  for (const sim::BuiltInProfile& device : sim::BuiltInProfiles()) {
    list.push_back({{"name", device.name},
                    {"help", "device of `temper simulate`"},
                    {"fields", Json::array()}});
  }
  return list;
}

struct List {
  std::string name;
  std::function<Json()> entries;
};
std::vector<List> Lists() {
  std::vector<List> lists = {{"models", ModelsJson}};
  for (const auto catalogue : kCatalogues) {
    lists.push_back({catalogue().name, [=] { return EntriesOf(catalogue()); }});
  }
  lists.push_back({"presets", [] { return EntriesOf(PresetCatalogue()); }});
  lists.push_back({"data", DataJson});
  lists.push_back({"devices", DevicesJson});
  return lists;
}

std::string RangeOf(const Json& field) {
  const std::string type = field.at("type").AsText();
  if (field.contains("choices")) {
    // With blanks, where lines can be broken.
    std::string text;
    for (const char c : field.at("choices").AsText()) {
      text += c;
      if (c == '|') text += ' ';
    }
    return text;
  }
  if (type == "flag") return "on or off";
  const Json* const given = field.Find("unit");
  const std::string unit = given == nullptr ? "" : given->AsText();
  if (unit == "steps" || unit == "epochs") return "a time in " + unit;
  return fmt::format("{} to {}{}", field.at("min").get<double>(),
                     field.at("max").get<double>(),
                     unit.empty() ? "" : " " + unit);
}

void Print(const Json& entries) {
  for (const Json& entry : entries) {
    const std::string help = entry.contains("usage")
                                 ? entry.at("usage").get<std::string>() + ": " +
                                       entry.at("help").get<std::string>()
                                 : entry.at("help").get<std::string>();
    const Json* const shapes = entry.Find("shapes");
    Result(
        "{}",
        Wrapped("  " + entry.at("name").AsText(),
                shapes == nullptr ? help : help + "; " + shapes->AsText(), 24));
    for (const Json& field : entry.at("fields")) {
      const Json& absent = field.at("default");
      const std::string about = fmt::format(
          "{} [{}, {}]", field.at("help").get<std::string>(), RangeOf(field),
          absent.is_null() ? "required" : "default: " + absent.AsText());
      Result("{}",
             Wrapped("    " + field.at("name").get<std::string>(), about, 26));
    }
  }
}

int Run(Cli& cli, const std::string& wanted, const std::string& folder) {
  if (wanted == "runs") return PrintRuns(cli, folder);
  if (!folder.empty()) {
    Fail(ErrorKind::kUsage, "one list at a time", Printable(folder), "",
         "Only `temper list runs` takes a folder");
  }
  const std::vector<List> lists = Lists();
  std::vector<std::string_view> names;
  for (const List& list : lists) names.push_back(list.name);
  names.push_back("runs");
  bool found = wanted.empty();
  for (const List& list : lists) found |= list.name == wanted;
  if (!found) {
    Fail(ErrorKind::kUsage, "there is no such list", Printable(wanted), "",
         Suggest(wanted, names));
  }
  Report report(cli.verb);
  for (const List& list : lists) {
    if (!wanted.empty() && list.name != wanted) continue;
    const Json entries = list.entries();
    report.Data(list.name, entries);
    if (cli.output.json) continue;
    if (wanted.empty()) {
      std::string line;
      for (const Json& entry : entries) {
        line +=
            (line.empty() ? "" : ", ") + entry.at("name").get<std::string>();
      }
      Result("{}", Wrapped(list.name, line, 16));
    } else {
      Print(entries);
    }
  }
  if (wanted.empty()) {
    report.Line("");
    report.Line("`temper list optimizers` shows fields, ranges and defaults.");
  }
  return cli.output.Print(report);
}

}  // namespace

void AddListVerb(Cli& cli) {
  auto wanted = std::make_shared<std::string>();
  auto folder = std::make_shared<std::string>();
  Verb& verb =
      cli.Add("list", "List models, layers, optimizers, schedules, ...",
              [&cli, wanted, folder] { return Run(cli, *wanted, *folder); });
  verb.example = "temper list optimizers";
  std::string names;
  for (const List& list : Lists()) {
    if (!names.empty()) names += ", ";
    names += list.name;
  }
  verb.Add("what", wanted.get(), "WHAT", names + ", runs")
      .Default("all")
      .Group("What");
  verb.Add("folder", folder.get(), "DIR", "Of runs: the folder they are in")
      .Default("runs")
      .Group("What");
}

}  // namespace temper::host
