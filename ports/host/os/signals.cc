// The signal handler. Behaviour: signals.h. It may only do what POSIX calls
// async-signal-safe: a lock-free store and sigaction.
#include "ports/host/os/signals.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <initializer_list>

namespace temper::host {
namespace {

// A sig_atomic_t that threads may read as well.
std::atomic<sig_atomic_t> stop_signal{0};
static_assert(std::atomic<sig_atomic_t>::is_always_lock_free);

void SetAction(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // no write or read of ours is cut short
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

void OnSignal(int number) {
  const int saved = errno;
  sig_atomic_t none = 0;
  stop_signal.compare_exchange_strong(none, number, std::memory_order_relaxed);
  if (number != SIGHUP) {
    SetAction(SIGINT, SIG_DFL);
    SetAction(SIGTERM, SIG_DFL);
  }
  errno = saved;
}

}  // namespace

void InstallStopHandler() {
  stop_signal.store(0, std::memory_order_relaxed);
  SetAction(SIGINT, &OnSignal);
  SetAction(SIGTERM, &OnSignal);
  struct sigaction hangup = {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) SetAction(SIGHUP, &OnSignal);
  SetAction(SIGPIPE, SIG_IGN);
  // A parent may have blocked them for itself, and children inherit that.
  sigset_t stops;
  sigemptyset(&stops);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&stops, number);
  pthread_sigmask(SIG_UNBLOCK, &stops, nullptr);
}

void RemoveStopHandler(bool stopped) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now = {};
    sigaction(number, nullptr, &now);
    if (now.sa_handler == &OnSignal) SetAction(number, SIG_DFL);
  }
  if (!stopped && StopSignal() != 0) raise(StopSignal());
}

int StopSignal() { return stop_signal.load(std::memory_order_relaxed); }

}  // namespace temper::host
