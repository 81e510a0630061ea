// See workers.h.
#include "ports/host/os/workers.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
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
  std::string text;  // what it has said
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

Worker Start(uint32_t item, const std::vector<Worker>& others,
             const std::function<std::string(uint32_t)>& work) {
  int ends[2];
  if (pipe(ends) != 0) {
    Fail(ErrorKind::kIo, "cannot make a pipe", "", std::strerror(errno), "");
  }
  const pid_t process = fork();
  if (process < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    Fail(ErrorKind::kIo, "cannot make a process", "", std::strerror(error),
         "Use --workers 1");
  }
  if (process == 0) {
    close(ends[0]);
    for (const Worker& other : others) close(other.pipe);
    Work(item, ends[1], work);
  }
  close(ends[1]);
  return {item, process, ends[0], ""};
}

void End(Worker& worker, bool kill_it) {
  if (kill_it) kill(worker.process, SIGKILL);
  close(worker.pipe);
  while (waitpid(worker.process, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

bool RunInProcesses(uint32_t count, uint32_t workers,
                    const std::function<std::string(uint32_t)>& work,
                    const std::function<void(uint32_t, std::string)>& done,
                    const std::function<bool()>& stop) {
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
        active.push_back(Start(next, active, work));
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
        End(worker, false);
        if (!worker.text.empty() && worker.text[0] == kDone) {
          done(worker.item, worker.text.substr(1));
        } else if (!failed) {
          failed = std::make_exception_ptr(
              worker.text.empty()
                  ? Failure(ErrorKind::kBug,
                            "a worker ended without a result: was it killed "
                            "for want of memory? Use fewer --workers")
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
