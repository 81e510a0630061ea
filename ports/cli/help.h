// The help texts, made from the records of verbs and options: 80 columns,
// options in groups, defaults and ranges.
#ifndef TEMPER_PORTS_CLI_HELP_H_
#define TEMPER_PORTS_CLI_HELP_H_

#include <deque>
#include <string>

#include "ports/cli/option.h"

namespace temper::host {

// Of one verb; null: of all, a line each.
std::string HelpText(const std::deque<Verb>& verbs, const Verb* verb);

// The help of an option with its range and default: "Samples per step [1 to
// 65536, default: 32]".
std::string AboutOption(const Option& option);

// `text` in lines of at most 80 columns, each after `indent` blanks; the first
// line follows `head`, which takes at least those columns too.
std::string Wrapped(const std::string& head, const std::string& text,
                    size_t indent);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_HELP_H_
