// See messages.h.
#include "ports/cli/messages.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

#include "models/files/text.h"

namespace temper::host {
namespace {

// Control characters that a text may contain.
constexpr std::string_view kAllowed = "\n\t";

bool ends_with_reader = true;

}  // namespace

void EndWithReader(bool on) { ends_with_reader = on; }

bool FlushResults() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  if (errno == EPIPE && ends_with_reader) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  return false;
}

void WriteMessage(int fd, std::string_view text, int wait_ms) {
  while (!text.empty()) {
    // A pipe that polls as writable takes this much without blocking.
    constexpr size_t kPart = 4096;
    pollfd ready = {fd, POLLOUT, 0};
    const int polled = poll(&ready, 1, wait_ms);
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) return;
    const ssize_t done =
        write(fd, text.data(), text.size() < kPart ? text.size() : kPart);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    text.remove_prefix(static_cast<size_t>(done));
  }
}

void MessageLine(std::string_view text) {
  // A message may have several lines, but steers no terminal.
  if (!IsShowable(text, kAllowed)) {
    MessageLine(Shown(text, kAllowed));
    return;
  }
  // In one piece, so that two processes with one log do not mix their words.
  char line[4097];
  while (text.size() >= sizeof(line)) {
    WriteMessage(2, text.substr(0, sizeof(line) - 1), 1000);
    text.remove_prefix(sizeof(line) - 1);
  }
  text.copy(line, text.size());
  line[text.size()] = '\n';
  WriteMessage(2, {line, text.size() + 1}, 1000);
}

void PrintResult(std::string_view text) {
  if (!IsShowable(text, kAllowed)) {
    PrintResult(Shown(text, kAllowed));
    return;
  }
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    FlushResults();
  }
}

void OpenStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // open() gives the lowest number that is free: this one. Without /dev any
    // other file holds the place; writing to it fails.
    if (open("/dev/null", O_RDWR) < 0) open("/", O_RDONLY | O_DIRECTORY);
  }
}

}  // namespace temper::host
