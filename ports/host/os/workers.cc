// See workers.h.
#include "ports/host/os/workers.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "ports/host/base/failure.h"

namespace temper::host {
namespace {

struct Worker {
  uint32_t item = 0;
  pid_t process = -1;
  int pipe = -1;
  std::string text;    // what it has said
  bool again = false;  // one before it was killed
};

// First character of what a worker says: a result, or the number of a kind of
// error as a letter and its message.
constexpr char kDone = '=';

void WriteAll(int to, const std::string& text) {
  size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = write(to, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody waits for it any more
    at += static_cast<size_t>(n);
  }
}

[[noreturn]] void Work(uint32_t item, int to,
                       const std::function<std::string(uint32_t)>& work) {
  std::string text;
  try {
    text = kDone + work(item);
  } catch (const Failure& failure) {
    text = static_cast<char>('a' + static_cast<int>(failure.kind)) +
           failure.message;
  } catch (const std::bad_alloc&) {
    text = static_cast<char>('a' + static_cast<int>(ErrorKind::kDoesNotFit)) +
           std::string("out of memory in a trial");
  } catch (const std::exception& error) {
    text = static_cast<char>('a' + static_cast<int>(ErrorKind::kBug)) +
           std::string(error.what());
  }
  WriteAll(to, text);
  _exit(0);  // without the caller's buffers and destructors
}

// Workers end with a caller that is killed.
void EndWith([[maybe_unused]] pid_t caller) {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != caller) _exit(0);  // it has ended already
#endif
}

Worker Start(uint32_t item, bool again, const std::vector<Worker>& others,
             const std::function<std::string(uint32_t)>& work) {
  int ends[2];
  if (pipe(ends) != 0) {
    Fail(ErrorKind::kIo, "cannot make a pipe", "", std::strerror(errno), "");
  }
  const pid_t caller = getpid();
  const pid_t process = fork();
  if (process < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    Fail(ErrorKind::kIo, "cannot make a process", "", std::strerror(error),
         "Use --workers 1");
  }
  if (process == 0) {
    EndWith(caller);
    close(ends[0]);
    for (const Worker& other : others) close(other.pipe);
    Work(item, ends[1], work);
  }
  close(ends[1]);
  return {item, process, ends[0], "", again};
}

// Returns the signal that ended it, or 0.
int End(Worker& worker, bool kill_it) {
  if (kill_it) kill(worker.process, SIGKILL);
  close(worker.pipe);
  int status = 0;
  while (waitpid(worker.process, &status, 0) < 0) {
    if (errno != EINTR) return 0;
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

// A fault of the program, where others mean that somebody ended it.
bool IsCrash(int signal) {
  return signal == 0 || signal == SIGSEGV || signal == SIGBUS ||
         signal == SIGILL || signal == SIGFPE || signal == SIGABRT ||
         signal == SIGSYS;
}

}  // namespace

bool RunInProcesses(uint32_t count, uint32_t workers,
                    const std::function<std::string(uint32_t)>& work,
                    const std::function<void(uint32_t, std::string)>& done,
                    const std::function<bool()>& stop,
                    const std::function<void(uint32_t)>& lost) {
  std::vector<Worker> active;
  const auto end_all = [&] {
    for (Worker& worker : active) End(worker, true);
    active.clear();
  };
  std::exception_ptr failed;
  uint32_t next = 0;
  try {
    while (next < count || !active.empty()) {
      if (stop && stop()) {
        end_all();
        return false;
      }
      while (!failed && next < count && active.size() < workers) {
        active.push_back(Start(next, false, active, work));
        ++next;
      }
      if (active.empty()) break;
      std::vector<pollfd> waiting;
      for (const Worker& worker : active) {
        waiting.push_back({worker.pipe, POLLIN, 0});
      }
      if (poll(waiting.data(), waiting.size(), 200) < 0 && errno != EINTR) {
        Fail(ErrorKind::kIo, "cannot wait for a process", "",
             std::strerror(errno), "");
      }
      for (size_t i = waiting.size(); i-- > 0;) {
        if (waiting[i].revents == 0) continue;
        char buffer[4096];
        const ssize_t n = read(waiting[i].fd, buffer, sizeof(buffer));
        if (n > 0) active[i].text.append(buffer, static_cast<size_t>(n));
        if (n > 0 || (n < 0 && errno == EINTR)) continue;
        Worker worker = std::move(active[i]);
        active.erase(active.begin() + static_cast<ptrdiff_t>(i));
        const int signal = End(worker, false);
        // A text without its end is of one that was killed while it wrote.
        const bool killed = signal != 0 && !IsCrash(signal);
        if (killed && !worker.again) {
          if (!failed) {
            active.push_back(Start(worker.item, true, active, work));
          }
        } else if (killed && lost) {
          lost(worker.item);
        } else if (!killed && !worker.text.empty() && worker.text[0] == kDone) {
          done(worker.item, worker.text.substr(1));
        } else if (!failed) {
          failed = std::make_exception_ptr(
              killed ? Failure(ErrorKind::kDoesNotFit,
                               "a worker was killed twice: for want of memory? "
                               "Use fewer --workers")
              : worker.text.empty()
                  ? Failure(ErrorKind::kBug,
                            fmt::format("a worker ended without a result "
                                        "(signal {})",
                                        signal))
                  : Failure(static_cast<ErrorKind>(worker.text[0] - 'a'),
                            worker.text.substr(1)));
        }
      }
      if (failed && active.empty()) break;
    }
  } catch (...) {
    end_all();
    throw;
  }
  if (failed) std::rethrow_exception(failed);
  return true;
}

}  // namespace temper::host
