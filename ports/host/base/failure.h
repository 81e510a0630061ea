// Failure: how the host reports that it cannot go on. Any host code may throw
// one; only main() catches, prints `message` and ends with `exit_code`.
//
// A message has four parts: what went wrong, where (file, byte, sample), why,
// and what the user can do. What comes from a file or from the user may stand
// in it: Fail() escapes its parts, and all that is printed is escaped once more
// on its way out. Long text goes through Printable() first.
#ifndef TEMPER_PORTS_HOST_BASE_FAILURE_H_
#define TEMPER_PORTS_HOST_BASE_FAILURE_H_

#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "models/files/nearest.h"

namespace temper::host {

// Process exit codes: a promise to scripts, never renumbered. 64 and up follow
// BSD's sysexits.h.
enum ExitCode : int {
  kExitOk = 0,
  kExitCheckFailed = 10,    // a check of the recipe failed
  kExitDoesNotFit = 11,     // the plan needs more memory than given
  kExitDiverged = 12,       // NaN or infinity while training
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

struct Failure : std::exception {
  Failure(int code, std::string text)
      : exit_code(code), message(std::move(text)) {}
  const char* what() const noexcept override { return message.c_str(); }

  int exit_code;
  std::string message;
};

// Throws a Failure: "WHAT: WHERE: WHY.\n  REMEDY." Empty parts are left out.
[[noreturn]] void Fail(ExitCode code, std::string_view what,
                       std::string_view where, std::string_view why,
                       std::string_view remedy);

// The same for a system call that failed: WHY is the text of `error` (errno).
[[noreturn]] void FailErrno(ExitCode code, int error, std::string_view what,
                            std::string_view where, std::string_view remedy);

// `text` as it may be printed (models/files/text.h: UTF-8 stays, controls become
// \xNN), cut after 64 columns.
std::string Printable(std::string_view text);

using temper::NearestName;

// "Did you mean 'x'?" or, if nothing is near, "Known: a, b, c".
std::string Suggest(std::string_view word,
                    std::span<const std::string_view> candidates);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_BASE_FAILURE_H_
