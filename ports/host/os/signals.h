// Ctrl-C, SIGTERM and SIGHUP as a question that a program asks between steps. A
// tool for programs: the host library never installs the handlers, the command
// does (ports/cli/run_reporter.h).
// The first signal only sets a flag, so that the run can save its state.
// The next Ctrl-C or SIGTERM ends the process at once; a SIGHUP never does: a
// terminal that goes away sends several, and SIGTERM may follow.
#ifndef TEMPER_PORTS_HOST_OS_SIGNALS_H_
#define TEMPER_PORTS_HOST_OS_SIGNALS_H_

namespace temper::host {

// Installs the handlers and clears the flag. A SIGHUP that is ignored (nohup)
// stays ignored. Before that, all signals have their default effect: there
// is nothing to save yet.
void InstallStopHandler();
// Signals end the process again: all is saved, only printing remains.
// `stopped`: the first one was answered, the run stopped for it. One that came
// after the last question was not, and ends the process now.
void RemoveStopHandler(bool stopped);

// 0, or the number of the first signal: SIGINT, SIGTERM or SIGHUP.
int StopSignal();

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_SIGNALS_H_
