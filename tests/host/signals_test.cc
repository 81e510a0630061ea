// Stop signals: the first is a question, the second an order.
#include "ports/host/os/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace temper::host {
namespace {

// The tests may run under nohup.
[[maybe_unused]] const auto hangup_before = signal(SIGHUP, SIG_DFL);

TEST(Signals, TheFirstSetsTheFlag) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    InstallStopHandler();
    EXPECT_EQ(StopSignal(), 0);
    ASSERT_EQ(raise(number), 0);
    EXPECT_EQ(StopSignal(), number);
  }
}

TEST(SignalsDeathTest, TheSecondEndsTheProcess) {
  for (const int second : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(
        {
          InstallStopHandler();
          raise(SIGINT);
          raise(second);
        },
        ::testing::KilledBySignal(second), "");
  }
}

// A terminal that goes away sends several, and a shutdown SIGTERM besides.
TEST(SignalsDeathTest, AHangupIsNeverTheSecond) {
  EXPECT_EXIT(
      {
        InstallStopHandler();
        raise(SIGTERM);
        raise(SIGHUP);
        raise(SIGHUP);
        _exit(StopSignal());
      },
      ::testing::ExitedWithCode(SIGTERM), "");
  EXPECT_EXIT(
      {
        InstallStopHandler();
        raise(SIGHUP);
        raise(SIGHUP);
        raise(SIGTERM);
        _exit(StopSignal());
      },
      ::testing::ExitedWithCode(SIGHUP), "");
  EXPECT_EXIT(
      {
        InstallStopHandler();
        raise(SIGHUP);
        raise(SIGTERM);
        raise(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

// It is too late for the run to stop: it ends the process as a later one does,
// and nothing waits for a reader of the results.
TEST(SignalsDeathTest, AnUnansweredOneEndsTheProcess) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          InstallStopHandler();
          raise(number);
          RemoveStopHandler(false);
        },
        ::testing::KilledBySignal(number), "");
    EXPECT_EXIT(
        {
          InstallStopHandler();
          raise(number);
          RemoveStopHandler(true);
          _exit(StopSignal());
        },
        ::testing::ExitedWithCode(number), "");
  }
}

TEST(SignalsDeathTest, NohupStays) {
  EXPECT_EXIT(
      {
        signal(SIGHUP, SIG_IGN);
        InstallStopHandler();
        raise(SIGHUP);
        _exit(StopSignal());
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(SignalsDeathTest, AReaderThatIsGoneIsNoEnd) {
  EXPECT_EXIT(
      {
        signal(SIGPIPE, SIG_DFL);
        InstallStopHandler();
        int ends[2];
        const bool made = pipe(ends) == 0;
        close(ends[0]);
        _exit(made && write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace temper::host
