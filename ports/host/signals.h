// Ctrl-C and SIGTERM as a question that the training loop asks between steps:
// the first signal only sets a flag, so that the run can save its state; the
// next one, of either kind, ends the process at once.
#ifndef TEMPER_PORTS_HOST_SIGNALS_H_
#define TEMPER_PORTS_HOST_SIGNALS_H_

namespace temper::host {

// Installs the handlers and clears the flag. Call once, from main().
void InstallStopHandler();

// 0, or the number of the first signal: SIGINT (exit 130) or SIGTERM (exit 75).
int StopSignal();
inline bool StopRequested() { return StopSignal() != 0; }

// kExitInterrupted or kExitResumable; kExitOk without a signal.
int StopExitCode();

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SIGNALS_H_
