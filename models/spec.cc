// See spec.h.
#include "models/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <span>

#include "models/files/error.h"
#include "models/files/limits.h"
#include "models/files/nearest.h"
#include "models/files/text.h"

namespace temper {
namespace {

constexpr size_t kMostSpecBytes = 64 * 1024;

// The shortest decimal that reads back as the same number: 0.0005, 1e-07.
template <class T>
std::string Number(T value) {
  char buffer[64];
  const double size = std::fabs(static_cast<double>(value));
  const bool fixed = size == 0 || (size >= 1e-5 && size < 1e9);
  const auto end = std::to_chars(
      buffer, buffer + sizeof(buffer), value,
      fixed ? std::chars_format::fixed : std::chars_format::scientific);
  return {buffer, end.ptr};
}
// A float's decimal, not that of the double it becomes.
std::string ValueText(const Field& field, double value) {
  return field.type == Field::Type::kF32 ? Number(static_cast<float>(value))
                                         : Number(value);
}
std::string SizesText(const SizeList& sizes) {
  std::string text;
  for (uint32_t i = 0; i < sizes.count; ++i) {
    AppendText(&text, i == 0 ? "" : ",");
    AppendText(&text, sizes.values[i]);
  }
  return text;
}
std::vector<std::string_view> NamesOf(const Field& field) {
  std::vector<std::string_view> names;
  for (uint32_t i = 0; !ChoiceName(field, i).empty(); ++i) {
    names.push_back(ChoiceName(field, i));
  }
  return names;
}
char SuffixOf(const Field& field) {
  return std::string_view(field.unit) == "epochs" ? 'e' : 's';
}

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

// As messages about specs quote what the user typed.
std::string InQuotes(std::string_view typed) {
  return Text("'", Shown(typed, {}, limits::kShownCharacters), "'");
}

std::string Unknown(std::string_view what, std::string_view name,
                    const std::vector<std::string_view>& known) {
  std::string text = Text("unknown ", what, " ", InQuotes(name));
  if (known.empty()) return text + "; there are none";
  const std::string_view near = NearestName(name, known);
  if (!near.empty()) return text + Text("; did you mean ", InQuotes(near), "?");
  text += "; there are";
  const char* before = " ";
  for (const std::string_view one : known) {
    text += Text(before, one);
    before = ", ";
  }
  return text;
}

// "5e" in steps: the value in the field's own unit, or with a suffix.
std::optional<double> ParseTime(const Field& field, std::string_view text,
                                uint64_t steps_per_epoch) {
  char unit = SuffixOf(field);
  if (!text.empty() && (text.back() == 'e' || text.back() == 's')) {
    unit = text.back();
    text.remove_suffix(1);
  }
  const std::optional<double> value = ParseNumber(text);
  if (!value || unit == 's') return value;
  // Half an epoch of 15 steps is 8 steps. Never 0 of something.
  const double steps =
      std::floor(*value * static_cast<double>(steps_per_epoch) + 0.5);
  return *value > 0 && steps < 1 ? 1.0 : steps;
}

// "256,128"; the empty text is the empty list.
bool ReadSizeList(const Field& field, std::string_view text, SizeList* sizes) {
  SizeList read;
  while (!text.empty()) {
    if (read.count == SizeList::kMost) return false;
    const size_t end = std::min(text.find(','), text.size());
    uint32_t& size = read.values[read.count++];
    const auto [at, error] =
        std::from_chars(text.data(), text.data() + end, size);
    if (error != std::errc() || at != text.data() + end ||
        !InFieldRange(field, size)) {
      return false;
    }
    if (end + 1 == text.size()) return false;  // a comma at the end
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  *sizes = read;
  return true;
}

// Reads one value; an error says what is wrong with it.
std::string ReadValue(const Field& field, const SpecText::Option& option,
                      uint64_t steps_per_epoch, void* params) {
  if (option.alone && !field.IsFlag()) {
    return Text("'", field.name, "' needs a value: ", field.name, "=...");
  }
  const auto wrong = [&] {
    return Text("'", field.name, "' must be ", RangeText(field), ", not ",
                InQuotes(option.value), field.why[0] == '\0' ? "" : ": ",
                field.why);
  };
  if (field.type == Field::Type::kSizes) {
    SizeList sizes;
    if (!ReadSizeList(field, option.value, &sizes)) return wrong();
    WriteSizes(field, sizes, params);
    return {};
  }
  std::optional<double> value;
  if (field.IsChoice()) {
    const uint32_t i = ChoiceByName(field, option.value);
    if (ChoiceName(field, i).empty()) {
      return Unknown(Text("value of '", field.name, "'"), option.value,
                     NamesOf(field));
    }
    WriteField(field, i, params);
    return {};
  }
  if (option.alone || (field.IsFlag() && option.value == "true")) {
    value = 1;
  } else if (field.IsFlag() && option.value == "false") {
    value = 0;
  } else if (field.IsTime()) {
    value = ParseTime(field, option.value, steps_per_epoch);
  } else {
    value = ParseNumber(option.value);
  }
  // Written so that NaN fails. What is typed is exact: no slack, as
  // InFieldRange has.
  if (!value || !(*value >= field.min && *value <= field.max) ||
      (field.IsWhole() && *value != std::floor(*value))) {
    return wrong();
  }
  WriteField(field, *value, params);
  return {};
}

// Defaults of times are in the field's unit.
void SettleTimes(FieldList fields, uint64_t steps_per_epoch, void* params) {
  for (const Field& field : fields) {
    if (!field.IsTime() || SuffixOf(field) == 's') continue;
    WriteField(field,
               ReadField(field, params) * static_cast<double>(steps_per_epoch),
               params);
  }
}

std::string FindEntry(const SpecText& spec, const Catalogue& catalogue,
                      uint32_t* kind) {
  *kind = catalogue.Find(spec.name);
  if (*kind != catalogue.count) return {};
  std::vector<std::string_view> known;
  for (uint32_t i = 0; i < catalogue.count; ++i) {
    known.push_back(catalogue.entry(i).name);
  }
  return Unknown(catalogue.singular, spec.name, known);
}

}  // namespace

std::string SpecText::Text() const {
  std::string text = name;
  char before = '?';
  for (const Option& option : options) {
    text += before;
    text += option.name;
    if (!option.alone) text += "=" + option.value;
    before = '&';
  }
  return text;
}

const std::string* SpecText::Find(std::string_view option) const {
  for (const Option& one : options) {
    if (one.name == option) return &one.value;
  }
  return nullptr;
}

std::string SplitSpec(std::string_view text, SpecText* spec) {
  if (text.size() > kMostSpecBytes) return "it is longer than 64 KiB";
  SpecText read;
  const size_t question = text.find('?');
  read.name = text.substr(0, question);
  std::string_view rest =
      question == std::string_view::npos ? "" : text.substr(question + 1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = part.find('=');
    SpecText::Option option;
    option.name = part.substr(0, equals);
    option.alone = equals == std::string_view::npos;
    if (!option.alone) option.value = part.substr(equals + 1);
    if (read.Find(option.name) != nullptr) {
      return Text("option ", InQuotes(option.name), " is given twice");
    }
    read.options.push_back(std::move(option));
  }
  *spec = std::move(read);
  return {};
}

std::string ReadSpec(std::string_view text, const Catalogue& catalogue,
                     uint64_t steps_per_epoch, Choice* choice, void* common) {
  SpecText spec;
  if (std::string wrong = SplitSpec(text, &spec); !wrong.empty()) return wrong;
  Choice read;
  std::string wrong = FindEntry(spec, catalogue, &read.kind);
  if (!wrong.empty()) return wrong;
  const Entry entry = catalogue.entry(read.kind);
  if (entry.defaults != nullptr) entry.defaults(read.params);
  const uint64_t epoch = steps_per_epoch == 0 ? 1 : steps_per_epoch;
  SettleTimes(entry.fields, epoch, read.params);
  for (const SpecText::Option& option : spec.options) {
    const Field* field = entry.fields.Find(option.name);
    void* params = read.params;
    if (field == nullptr) {
      field = catalogue.common.Find(option.name);
      params = common;
    }
    if (field == nullptr) {
      std::vector<std::string_view> known;
      for (const Field& one : entry.fields) known.push_back(one.name);
      for (const Field& one : catalogue.common) known.push_back(one.name);
      return Unknown(Text("option of ", entry.name), option.name, known);
    }
    wrong = ReadValue(*field, option, epoch, params);
    if (!wrong.empty()) return Text(entry.name, ": ", wrong);
  }
  *choice = read;
  return {};
}

std::string CompleteSpec(std::string_view text, const Catalogue& catalogue) {
  SpecText spec;
  uint32_t kind = 0;
  if (!SplitSpec(text, &spec).empty() ||
      !FindEntry(spec, catalogue, &kind).empty()) {
    return std::string(text);
  }
  const Entry entry = catalogue.entry(kind);
  SpecText complete;
  complete.name = spec.name;
  const auto add = [&](FieldList fields, const Entry& of) {
    for (const Field& field : fields) {
      SpecText::Option option = {field.name, DefaultText(of, field)};
      for (const SpecText::Option& given : spec.options) {
        if (given.name != field.name) continue;
        option.value = given.alone || given.value == "true" ? "1"
                       : given.value == "false"             ? "0"
                                                            : given.value;
      }
      complete.options.push_back(std::move(option));
    }
  };
  add(entry.fields, entry);
  add(catalogue.common, catalogue.Common());
  return complete.Text();
}

std::string BriefSpec(std::string_view text, const Catalogue& catalogue) {
  const std::string complete = CompleteSpec(text, catalogue);
  const std::string name(text.substr(0, text.find('?')));
  return complete == CompleteSpec(name, catalogue) ? name : complete;
}

std::string RangeText(const Field& field) {
  if (field.IsFlag()) return "0 or 1";
  if (field.IsChoice()) {
    std::string text;
    for (const std::string_view name : NamesOf(field)) {
      text += text.empty() ? "" : " or ";
      text += name;
    }
    return text;
  }
  if (field.type == Field::Type::kSizes) {
    return Text("at most ", SizeList::kMost, " whole numbers from ",
                ValueText(field, field.min), " to ",
                ValueText(field, field.max), ", separated by commas");
  }
  const std::string range =
      Text(ValueText(field, field.min), " to ", ValueText(field, field.max));
  if (field.IsTime()) {
    return Text(
        "a time such as 5e (epochs) or 100s (steps), without a suffix "
        "in ",
        field.unit);
  }
  return field.IsWhole() ? Text("a whole number from ", range) : range;
}

std::string DefaultText(const Entry& entry, const Field& field) {
  alignas(8) uint8_t params[kMaxParams] = {};
  if (entry.defaults != nullptr) entry.defaults(params);
  if (field.type == Field::Type::kSizes) {
    return SizesText(ReadSizes(field, params));
  }
  if (field.IsChoice()) {
    return std::string(
        ChoiceName(field, static_cast<uint32_t>(ReadField(field, params))));
  }
  std::string text = ValueText(field, ReadField(field, params));
  if (field.IsTime()) text += SuffixOf(field);
  return text;
}

}  // namespace temper
