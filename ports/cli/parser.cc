// The command line, taken apart by CLI11; values are read by the options
// themselves. See parser.h.
#include "ports/cli/parser.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <vector>

#include "ports/cli/help.h"
#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

// What CLI11 collects for one option.
struct Words {
  Option* option;
  CLI::Option* parsed;
  std::vector<std::string> values;
};

void Declare(Option& option, CLI::App& app, std::deque<Words>* words) {
  Words& w = words->emplace_back();
  w.option = &option;
  std::string names;
  for (const std::string& one : option.names) {
    if (!names.empty()) names += ',';
    names += one;
  }
  if (option.IsFlag()) {
    w.parsed = app.add_flag(names);
    w.parsed->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    return;
  }
  w.parsed = app.add_option(names, w.values);
  w.parsed->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (option.many) return;
  w.parsed->expected(option.alone.empty() ? 1 : 0, 1)->allow_extra_args(false);
}

[[noreturn]] void Usage(const std::string& text) {
  throw Failure(ErrorKind::kUsage, text);
}

// Words without an option in front of them, where a verb takes none: perhaps the
// option was forgotten. Returns if that is not what `message` says.
void FailExtraWords(const std::string& message, Verb* verb, int argc,
                    char** argv) {
  constexpr std::string_view kExtras = "not expected: ";
  const size_t at = message.find(kExtras);
  if (verb == nullptr || at == std::string::npos) return;
  // CLI11 tells them last first.
  const std::string extras = " " + message.substr(at + kExtras.size()) + " ";
  std::string words, remedy;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-') || extras.find(" " + word + " ") == extras.npos) {
      continue;
    }
    words += (words.empty() ? "" : " ") + Printable(word);
    const char* const option =
        word.find(':') != word.npos ? "--data" : "--model";
    const bool given = std::any_of(argv, argv + argc, [&](const char* one) {
      return std::string_view(one).starts_with(option);
    });
    if (given || verb->Find(option) == nullptr) continue;
    remedy += fmt::format(" {} {}", option, Printable(word));
  }
  if (words.empty()) return;
  Usage(fmt::format(
      "not expected: {}\n  {}", words,
      remedy.empty()
          ? fmt::format("`temper {} --help` lists what there is.", verb->name)
          : "Did you mean" + remedy + "?"));
}

// What CLI11 says of a word it does not know, with the nearest one we do.
[[noreturn]] void FailWords(const std::string& message, std::deque<Verb>& verbs,
                            Verb* verb, int argc, char** argv) {
  std::vector<std::string> known;
  if (verb != nullptr) {
    for (const Option& option : verb->options) {
      for (const std::string& one : option.names) {
        if (one.starts_with("--")) known.push_back(one);
      }
    }
    known.push_back("--help");
  } else {
    for (const Verb& one : verbs) known.push_back(one.name);
  }
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string help = fmt::format("`temper {}--help` lists ",
                                       verb != nullptr ? verb->name + " " : "");
  if (verb == nullptr && argc > 1 && argv[1][0] == '-' && argv[1][1] != '\0') {
    known = {"--help", "--version"};
    const std::vector<std::string_view> own(known.begin(), known.end());
    const std::string near(NearestName(argv[1], own));
    const bool version = argv[1][1] == 'V' || argv[1][1] == 'v';
    Usage(fmt::format(
        "unknown option {}\n  {}", Printable(argv[1]),
        near.empty() && !version
            ? "Before a verb there are --help and --version."
            : fmt::format("Did you mean '{}'?", version ? "--version" : near)));
  }
  // CLI11 only says that a verb is missing; the user has typed one.
  if (verb == nullptr && argc > 1 && argv[1][0] != '-') {
    Usage(fmt::format("unknown verb '{}'\n  {}", Printable(argv[1]),
                      Suggest(argv[1], names)));
  }
  // A misspelt option is reported before a required one that is missing.
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::string_view stem = word.substr(0, word.find('='));
    if (stem.size() < 3 || stem.substr(0, 2) != "--" ||
        std::find(names.begin(), names.end(), stem) != names.end()) {
      continue;
    }
    const std::string_view near = NearestName(stem, names);
    if (near.empty() && verb != nullptr && verb->name == "resume") {
      Usage(fmt::format(
          "resume takes no {}: a run keeps the options that it began with\n  "
          "To train on, begin a new run with its weights: temper train --model "
          "RUN/weights/last.safetensors ...",
          Printable(stem)));
    }
    Usage(fmt::format("unknown option {}\n  {}", Printable(stem),
                      near.empty() ? help + "them."
                                   : fmt::format("Did you mean '{}'?", near)));
  }
  FailExtraWords(message, verb, argc, argv);
  Usage(fmt::format("{}\n  {}what there is.", message, help));
}

}  // namespace

void SetOption(Option& option, const std::string& text, const std::string& from,
               ErrorKind kind) {
  const std::string wrong = option.set(text);
  if (!wrong.empty()) {
    // "job.toml:3: lr must be ..." or "--lr must be ...".
    const bool file = kind != ErrorKind::kUsage;
    const bool goes_on = wrong.starts_with("must ") || wrong.starts_with("is ");
    const bool ended = wrong.ends_with('.') || wrong.ends_with('?');
    throw Failure(kind,
                  fmt::format("{}{}{}{}{}", file ? from + ": " : "",
                              file ? option.Key() : option.Name(),
                              goes_on ? " " : ": ", wrong, ended ? "" : "."));
  }
  option.from = from;
}

void CheckGiven(Verb& verb) {
  for (const Option& option : verb.options) {
    if (option.required && !option.given()) {
      Usage(fmt::format(
          "{} is missing: {}\n  {}`temper {} --help` lists what "
          "there is.",
          option.IsPositional() ? option.value : option.Name(), option.help,
          verb.example.empty()
              ? ""
              : fmt::format("For example: {}\n  ", verb.example),
          verb.name));
    }
    if (!option.given()) continue;
    for (const std::string& name : option.excludes) {
      const Option& other = verb.At(name);
      if (!other.given()) continue;
      const bool typed = option.Wrong() == ErrorKind::kUsage &&
                         other.Wrong() == ErrorKind::kUsage;
      const std::string places =
          typed ? "" : fmt::format(" ({}, {})", option.from, other.from);
      throw Failure(
          typed ? ErrorKind::kUsage : ErrorKind::kConfiguration,
          fmt::format("{} excludes {}{}", option.Name(), name, places));
    }
  }
}

Parsed ParseWords(std::deque<Verb>& verbs, int argc, char** argv,
                  const std::string& version) {
  CLI::App app;
  app.set_help_flag();
  app.require_subcommand(1);
  bool help = false, show_version = false;
  app.add_flag("-h,--help", help);
  app.add_flag("--version", show_version);
  struct Scope {
    Verb* verb;
    CLI::App* app;
    std::deque<Words> words;
  };
  std::deque<Scope> scopes;
  for (Verb& verb : verbs) {
    CLI::App* const sub = app.add_subcommand(verb.name);
    sub->set_help_flag();
    sub->add_flag("-h,--help", help);
    Scope& scope = scopes.emplace_back(Scope{&verb, sub, {}});
    for (Option& option : verb.options) Declare(option, *sub, &scope.words);
  }
  std::string message;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    message = error.what();
  }
  const auto used = std::find_if(scopes.begin(), scopes.end(),
                                 [](Scope& s) { return s.app->parsed(); });
  Verb* const verb = used == scopes.end() ? nullptr : used->verb;
  Parsed parsed;
  if (help || show_version) {
    parsed.text = help ? HelpText(verbs, verb) : version + "\n";
    return parsed;
  }
  if (!message.empty()) FailWords(message, verbs, verb, argc, argv);
  for (const Words& w : used->words) {
    Option& option = *w.option;
    if (w.parsed->count() == 0) continue;
    std::vector<std::string> values =
        option.IsFlag() ? std::vector<std::string>{"true"} : w.values;
    if (!option.alone.empty()) {
      // CLI11 says "" where nothing follows.
      std::replace(values.begin(), values.end(), std::string(), option.alone);
    }
    for (size_t i = 1; option.repeats && i < values.size(); ++i) {
      values[0] += "," + values[i];
    }
    if (option.repeats) values.resize(1);
    if (!option.many && !option.IsFlag() && values.size() != 1) {
      Usage(fmt::format("{} is given twice\n  Give it once.", option.Name()));
    }
    for (const std::string& value : values) {
      SetOption(option, value, kCommandLine, ErrorKind::kUsage);
    }
  }
  parsed.verb = verb;
  return parsed;
}

}  // namespace temper::host
