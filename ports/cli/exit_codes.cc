// The table of exit codes. See exit_codes.h.
#include "ports/cli/exit_codes.h"

#include <signal.h>

#include "ports/host/os/signals.h"

namespace temper::host {

ExitCode ExitCodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kDoesNotFit:
      return kExitDoesNotFit;
    case ErrorKind::kDiverged:
      return kExitDiverged;
    case ErrorKind::kMismatch:
      return kExitMismatch;
    case ErrorKind::kUsage:
      return kExitUsage;
    case ErrorKind::kBadData:
      return kExitBadData;
    case ErrorKind::kNotFound:
      return kExitNotFound;
    case ErrorKind::kUnsupported:
      return kExitUnsupported;
    case ErrorKind::kBug:
      return kExitBug;
    case ErrorKind::kCannotCreate:
      return kExitCannotCreate;
    case ErrorKind::kIo:
      return kExitIo;
    case ErrorKind::kConfiguration:
      return kExitConfiguration;
  }
  return kExitBug;
}

ExitCode ExitCodeOf(SessionEnd end) {
  switch (end) {
    case SessionEnd::kFinished:
      return kExitOk;
    case SessionEnd::kStopped:
      return StopSignal() == SIGINT ? kExitInterrupted : kExitResumable;
    case SessionEnd::kDiverged:
      return kExitDiverged;
  }
  return kExitBug;
}

}  // namespace temper::host
