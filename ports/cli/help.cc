// See help.h.
#include "ports/cli/help.h"

#include <fmt/format.h>

#include <algorithm>

namespace temper::host {
namespace {

constexpr size_t kColumns = 80, kIndent = 24;
constexpr const char* kAbout =
    "temper trains and fine-tunes neural networks on this CPU, inside one "
    "block "
    "of memory of fixed size.";

std::string Head(const Option& option) {
  std::string head = "  ";
  if (option.IsPositional()) return head + option.value;
  for (size_t i = option.names.size(); i-- > 0;) {
    head += option.names[i] + (i == 0 ? "" : ", ");
  }
  return option.IsFlag() ? head : head + " " + option.value;
}

std::string Usage(const Verb& verb) {
  std::string usage = "Usage: temper " + verb.name + " [OPTIONS]";
  for (const Option& option : verb.options) {
    if (!option.IsPositional()) continue;
    const std::string word = option.value + (option.many ? "..." : "");
    usage += option.required ? " " + word : " [" + word + "]";
  }
  return usage;
}

}  // namespace

std::string AboutOption(const Option& option) {
  std::string notes;
  const auto note = [&](const std::string& one) {
    if (!notes.empty()) notes += ", ";
    notes += one;
  };
  if (option.required) note("required");
  if (!option.range.empty()) note(option.range);
  if (!option.alone.empty()) note("alone: " + option.alone);
  if (!option.default_text.empty()) note("default: " + option.default_text);
  return notes.empty() ? option.help : option.help + " [" + notes + "]";
}

std::string Wrapped(const std::string& head, const std::string& text,
                    size_t indent) {
  std::string out = head, line;
  size_t column = head.size();
  if (column + 2 > indent && !text.empty()) {
    out += '\n';
    out.append(indent, ' ');
  } else {
    out.append(indent - column, ' ');
  }
  column = indent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    size_t length = end - begin;
    // A long list of names is broken after a comma.
    bool part = false;
    if (indent + length > kColumns) {
      const size_t comma = text.rfind(',', begin + kColumns - indent - 1);
      part = comma != std::string::npos && comma >= begin;
      if (part) length = comma + 1 - begin;
    }
    if (column > indent && column + 1 + length > kColumns) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out.append(text, begin, length);
    column += length;
    begin = part ? begin + length : end + 1;
  }
  return out + "\n";
}

std::string HelpText(const std::deque<Verb>& verbs, const Verb* verb) {
  if (verb == nullptr) {
    std::string text =
        Wrapped("", kAbout, 0) + "\nUsage: temper VERB [OPTIONS]\n\nVerbs:\n";
    for (const Verb& one : verbs) {
      text += Wrapped("  " + one.name, one.help, 13);
    }
    return text +
           "\n`temper VERB --help` lists the options of a verb, `temper list` "
           "the models,\nlayers, optimizers, ... that they can name. --version "
           "prints the version.\n";
  }
  std::string text = Wrapped("", verb->help + ".", 0) + "\n";
  if (!verb->example.empty()) text += "  " + verb->example + "\n\n";
  text += Usage(*verb) + "\n";
  std::vector<std::string> groups;
  for (const Option& option : verb->options) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) {
      groups.push_back(option.group);
    }
  }
  for (const std::string& group : groups) {
    text += fmt::format("\n{}:\n", group.empty() ? "Options" : group);
    for (const Option& option : verb->options) {
      if (option.group != group) continue;
      text += Wrapped(Head(option), AboutOption(option), kIndent);
    }
  }
  return text;
}

}  // namespace temper::host
