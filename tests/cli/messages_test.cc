// Messages: dropped where they cannot be written, never an end or a wait.
#include "ports/cli/messages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>

namespace temper::host {
namespace {

// Descriptor 2 for the time of a test.
class Stderr {
 public:
  explicit Stderr(int fd) : saved_(dup(2)) {
    fflush(stderr);
    fd >= 0 ? dup2(fd, 2) : close(2);
  }
  ~Stderr() {
    dup2(saved_, 2);
    close(saved_);
  }

 private:
  int saved_;
};

TEST(Messages, AreWholeLines) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  {
    Stderr to(ends[1]);
    Message("step {} of {}", 3, "four");
    MessageLine(std::string(5000, 'x'));
    Message("{}", std::string(5000, 'y'));  // cut
  }
  close(ends[1]);
  std::string text(20000, '\0');
  size_t size = 0;
  for (ssize_t n; (n = read(ends[0], &text[size], text.size() - size)) > 0;) {
    size += static_cast<size_t>(n);
  }
  close(ends[0]);
  text.resize(size);
  EXPECT_EQ(text, "step 3 of four\n" + std::string(5000, 'x') + "\n" +
                      std::string(4096, 'y') + "\n");
}

TEST(Messages, AreDroppedWhereNobodyTakesThem) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int full = open("/dev/full", O_WRONLY);
  {
    Stderr to(full);
    Message("lost");
  }
  {
    Stderr to(-1);
    Message("lost");
  }
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {  // 64 KiB fit, and nothing is read
    WriteMessage(ends[1], std::string(4000, 'x'), 0);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  close(ends[0]);
  {
    Stderr to(ends[1]);  // a reader that is gone
    Message("lost");
  }
  close(ends[1]);
  close(full);
  signal(SIGPIPE, SIG_DFL);
}

// Otherwise the next file would be descriptor 2, and messages its content.
TEST(Messages, ClosedDescriptorsAreTaken) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // All that this process was given, so that the next one is known.
    for (int fd = 0; fd < 256; ++fd) close(fd);
    OpenStandardDescriptors();
    const int next = open("/dev/zero", O_RDONLY);
    const bool written = write(1, "x", 1) == 1 && write(2, "x", 1) == 1;
    OpenStandardDescriptors();  // nothing is left to be done
    _exit(next == 3 && written && open("/dev/zero", O_RDONLY) == 4 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace temper::host
