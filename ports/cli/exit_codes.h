// Exit codes of the command: a promise to scripts, never renumbered. 64 and up
// follow BSD's sysexits.h. The host library knows kinds of errors instead
// (ports/host/base/failure.h); the table from one to the other is in
// exit_codes.cc, and docs/command-line.md quotes it.
#ifndef TEMPER_PORTS_CLI_EXIT_CODES_H_
#define TEMPER_PORTS_CLI_EXIT_CODES_H_

#include "ports/host/base/failure.h"
#include "ports/host/train/session.h"

namespace temper::host {

enum ExitCode : int {
  kExitOk = 0,
  kExitCheckFailed = 10,    // a check of the recipe failed
  kExitDoesNotFit = 11,     // the plan needs more memory than given
  kExitDiverged = 12,       // NaN or infinity
  kExitMismatch = 13,       // two things that must be equal differ
  kExitUsage = 64,          // wrong command line or data spec
  kExitBadData = 65,        // a file or its content is broken
  kExitNotFound = 66,       // an input does not exist
  kExitUnsupported = 69,    // valid, but not supported here
  kExitBug = 70,            // a bug in temper
  kExitCannotCreate = 73,   // an output cannot be created
  kExitIo = 74,             // the operating system refused to read or write
  kExitResumable = 75,      // stopped early, state saved
  kExitConfiguration = 78,  // options contradict each other or the model
  kExitInterrupted = 130,   // Ctrl-C, state saved
};

ExitCode ExitCodeOf(ErrorKind kind);

// Of a run that ended without a Failure; for a stopped one the signal decides
// (ports/host/os/signals.h): kExitInterrupted after Ctrl-C, else
// kExitResumable.
ExitCode ExitCodeOf(SessionEnd end);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_EXIT_CODES_H_
