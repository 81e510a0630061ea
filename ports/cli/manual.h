// The man page temper(1) as roff, made from the records of verbs and options.
// docs/temper.1 is `temper help --man`; tests/docs/pages_test.py compares them,
// and packages install that file (cross builds cannot run the command).
#ifndef TEMPER_PORTS_CLI_MANUAL_H_
#define TEMPER_PORTS_CLI_MANUAL_H_

#include <deque>
#include <string>

#include "ports/cli/option.h"

namespace temper::host {

std::string ManualPage(const std::deque<Verb>& verbs);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_MANUAL_H_
