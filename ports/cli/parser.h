// From the words of the command line to a verb and the values of its options.
#ifndef TEMPER_PORTS_CLI_PARSER_H_
#define TEMPER_PORTS_CLI_PARSER_H_

#include <deque>
#include <string>

#include "ports/cli/option.h"
#include "ports/host/base/failure.h"

namespace temper::host {

struct Parsed {
  Verb* verb = nullptr;  // null: `text` is all there is to do
  std::string text;      // help or version, for stdout
};

// Sets the options that are given, in the order of their declaration. Throws
// Failure with kUsage for words that cannot be understood, with the nearest
// verb or option. CheckGiven tests later whether required options are there: a
// job file may bring them.
Parsed ParseWords(std::deque<Verb>& verbs, int argc, char** argv,
                  const std::string& version);

// Sets an option to a text; `from` says where it stands. Throws Failure with
// `kind`.
void SetOption(Option& option, const std::string& text, const std::string& from,
               ErrorKind kind);

// Fails if a required option was not given (kUsage), or two were given that
// exclude each other (kConfiguration if one of them stands in a file).
void CheckGiven(Verb& verb);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_PARSER_H_
