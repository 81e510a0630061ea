// See job_file.h.
#include "ports/cli/job_file.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "ports/cli/parser.h"
#include "ports/host/base/failure.h"
#include "ports/host/data/text_file.h"
#include "ports/host/train/phases.h"
#include "ports/sim/toml.h"
#include "ports/sim/toml_nesting.h"

namespace temper::host {
namespace {

constexpr uint64_t kMostBytes = 1u << 20;
constexpr uint32_t kMostNesting = 4;

// A phase becomes a part of the text of --phases: marks of that text would cut
// it into others. A '?' belongs to the spec of a schedule or an optimizer.
std::string WrongPhaseText(std::string_view field, std::string_view text) {
  const bool layers = field == "train";
  const size_t at = text.find_first_of(layers ? ",?;:" : ",;");
  if (at == std::string_view::npos) return "";
  return fmt::format("'{}' has a '{}': {}", Printable(field), text[at],
                     Printable(text));
}

// A scalar as one would type it; nothing for a table, an array or a date.
std::optional<std::string> Scalar(const toml::node& node) {
  if (const auto text = node.as_string()) return text->get();
  if (const auto number = node.as_integer())
    return fmt::to_string(number->get());
  if (const auto number = node.as_floating_point()) {
    return fmt::to_string(number->get());
  }
  if (const auto flag = node.as_boolean()) {
    return std::string(flag->get() ? "true" : "false");
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(Verb& verb, std::string path) : verb_(verb), path_(std::move(path)) {}

  void Read() {
    const std::string text = ReadTextFile(path_, kMostBytes);
    if (const uint32_t line = sim::LineNestedDeeperThan(text, kMostNesting)) {
      Refuse(line, "too many levels", "Keys are option names, without tables");
    }
    const toml::parse_result result = toml::parse(text);
    if (!result) {
      const toml::parse_error& error = result.error();
      Refuse(error.source().begin.line, Printable(error.description()), "");
    }
    for (const auto& [key, value] : result.table()) {
      Take(std::string(key.str()), value, value.source().begin.line);
    }
  }

 private:
  [[noreturn]] void Refuse(uint32_t line, std::string_view why,
                           std::string_view remedy) const {
    Fail(ErrorKind::kConfiguration, "not a job file", Place(line), why, remedy);
  }
  std::string Place(uint32_t line) const {
    return fmt::format("{}:{}", Printable(path_), line);
  }

  // [[phase]] tables, in their order: the option --phases.
  void TakePhases(const toml::array& tables, uint32_t line) {
    std::vector<PhaseOptions> phases;
    for (const toml::node& element : tables) {
      const toml::table* const table = element.as_table();
      if (table == nullptr) {
        Refuse(line, "'phase' is no table", "Write [[phase]], then its keys");
      }
      PhaseOptions& phase = phases.emplace_back();
      for (const auto& [key, value] : *table) {
        const std::optional<std::string> text = Scalar(value);
        const std::string wrong =
            text ? SetPhaseField(key.str(), *text, &phase)
                 : fmt::format("'{}' is neither a text nor a number",
                               Printable(key.str()));
        const uint32_t at = value.source().begin.line;
        if (!wrong.empty()) Refuse(at, wrong, "");
        if (const std::string marks = WrongPhaseText(key.str(), *text);
            !marks.empty()) {
          Refuse(at, marks,
                 key.str() == "train"
                     ? "Join several patterns with +; epochs, lr and others "
                       "are keys of their own"
                     : "Give each field as a key of its own");
        }
      }
    }
    Option* const option = verb_.Find("phases");
    if (option == nullptr) {
      Refuse(line, fmt::format("{} has no phases", verb_.name),
             "Leave them out");
    }
    if (option->given()) return;
    SetOption(*option, PhasesText(phases), Place(line),
              ErrorKind::kConfiguration);
  }

  void Take(const std::string& key, const toml::node& value, uint32_t line) {
    if (key == "phase" && value.is_array()) {
      return TakePhases(*value.as_array(), line);
    }
    Option* const option = verb_.Find(key);
    if (option == nullptr || option->Key() != key || !option->in_files) {
      std::vector<std::string_view> known;
      for (const Option& one : verb_.options) {
        if (one.in_files) known.push_back(one.Key());
      }
      const bool only_words = option != nullptr && !option->in_files;
      Refuse(line,
             only_words ? fmt::format("'{}' is only for the command line", key)
                        : fmt::format("{} has no option '{}'", verb_.name,
                                      Printable(key)),
             only_words ? "Leave it out" : Suggest(key, known));
    }
    std::optional<std::string> text = Scalar(value);
    if (const toml::array* const array = value.as_array()) {
      std::string joined;
      for (const toml::node& element : *array) {
        const std::optional<std::string> one = Scalar(element);
        if (!one || one->find(',') != std::string::npos) {
          Refuse(line,
                 fmt::format("'{}': an item that is no text or number", key),
                 "Write [\"a\", \"b\"]");
        }
        joined += (joined.empty() ? "" : ",") + *one;
      }
      text = joined;
    }
    if (!text) {
      Refuse(line, fmt::format("'{}' is neither a text nor a number", key),
             "Write the value as on the command line, in quotes");
    }
    if (option->given()) return;              // the command line decides
    if (value.is_array() && text->empty()) {  // a list of nothing
      option->from = Place(line);
      return;
    }
    if (option->IsFlag() != value.is_boolean()) {
      Refuse(line,
             option->IsFlag()
                 ? fmt::format("'{}' must be true or false", key)
                 : fmt::format("'{}' needs a value, not true or false", key),
             "");
    }
    SetOption(*option, *text, Place(line), ErrorKind::kConfiguration);
  }

  Verb& verb_;
  const std::string path_;
};

}  // namespace

void ReadJobFile(Verb& verb, const std::string& path) {
  Reader(verb, path).Read();
}

}  // namespace temper::host
