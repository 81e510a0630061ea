// Ctrl-C, SIGTERM and SIGHUP as a question that the training loop asks between
// steps: the first signal only sets a flag, so that the run can save its state.
// The next Ctrl-C or SIGTERM ends the process at once; a SIGHUP never does: a
// terminal that goes away sends several, and SIGTERM may follow.
#ifndef TEMPER_PORTS_HOST_OS_SIGNALS_H_
#define TEMPER_PORTS_HOST_OS_SIGNALS_H_

#include <cstdint>

namespace temper::host {

// Installs the handlers and clears the flag. A SIGHUP that is ignored (nohup)
// stays ignored. Before that, all signals do what they do to any program: there
// is nothing yet to be saved.
void InstallStopHandler();
// Signals end the process again: all is saved, and what is left is to print.
// `stopped`: the first one was answered, the run stopped for it. One that came
// after the last question was not, and ends the process now.
void RemoveStopHandler(bool stopped);

// 0, or the number of the first signal: SIGINT , SIGTERM or SIGHUP.
int StopSignal();
// The question, once before every batch; asked by one thread.
bool StopRequested();
// For tests: the n-th question from now on meets a SIGTERM.
void StopAtQuestion(uint64_t n);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_SIGNALS_H_
