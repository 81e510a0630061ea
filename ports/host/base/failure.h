// Failure: how the host reports that it cannot go on. Any host code may throw
// one; who called it catches. The command prints `message` and ends with the
// exit code of `kind` (ports/cli/exit_codes.h).
//
// A message has four parts: what went wrong, where (file, byte, sample), why,
// and what the user can do. What comes from a file or from the user may stand
// in it: Fail() escapes its parts, and all that is printed is escaped once more
// on its way out. Long text goes through Printable() first.
#ifndef TEMPER_PORTS_HOST_BASE_FAILURE_H_
#define TEMPER_PORTS_HOST_BASE_FAILURE_H_

#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "models/files/nearest.h"

namespace temper::host {

enum class ErrorKind : uint8_t {
  kUsage,          // wrong command line, option value or data spec
  kConfiguration,  // options contradict each other or the model
  kNotFound,       // an input does not exist
  kBadData,        // a file or its content is broken
  kUnsupported,    // valid, but not supported here
  kMismatch,       // two things that must be equal differ
  kDoesNotFit,     // it needs more memory than given
  kDiverged,       // NaN or infinity while training
  kCannotCreate,   // an output cannot be created
  kIo,             // the operating system refused to read or write
  kBug,            // a bug in temper
};

struct Failure : std::exception {
  Failure(ErrorKind error, std::string text)
      : kind(error), message(std::move(text)) {}
  const char* what() const noexcept override { return message.c_str(); }

  ErrorKind kind;
  std::string message;
};

// Throws a Failure: "WHAT: WHERE: WHY.\n  REMEDY." Empty parts are left out.
[[noreturn]] void Fail(ErrorKind kind, std::string_view what,
                       std::string_view where, std::string_view why,
                       std::string_view remedy);

// The same for a system call that failed: WHY is the text of `error` (errno).
[[noreturn]] void FailErrno(ErrorKind kind, int error, std::string_view what,
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
