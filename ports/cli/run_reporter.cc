// See run_reporter.h.
#include "ports/cli/run_reporter.h"

#include "ports/cli/messages.h"
#include "ports/host/os/signals.h"

namespace temper::host {

RunReporter::RunReporter(bool quiet)
    : progress_(quiet ? Progress::Style::kQuiet : Progress::Style::kAuto) {
  InstallStopHandler();
  EndWithReader(false);
}

void RunReporter::Release(SessionEnd end) {
  RemoveStopHandler(end == SessionEnd::kStopped);
}

bool RunReporter::StopRequested() { return StopSignal() != 0; }

void RunReporter::OnWarning(std::string_view text) {
  progress_.Clear();
  Message("warning: {}", text);
}

}  // namespace temper::host
