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
// Failure with kUsage for what cannot be understood, with the nearest verb
// or option; whether what is required is there is asked later (CheckRequired):
// a job file may bring it.
Parsed ParseWords(std::deque<Verb>& verbs, int argc, char** argv,
                  const std::string& version);

// Sets an option to a text; `from` says where it stands. Throws Failure with
// `kind`.
void SetOption(Option& option, const std::string& text, const std::string& from,
               ErrorKind kind);

// kUsage if what is required was not given, or what excludes each other was.
void CheckGiven(Verb& verb);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_PARSER_H_
