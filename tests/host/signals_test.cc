// Stop signals: the first is a question, the second an order.
#include "ports/host/signals.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "ports/host/failure.h"

namespace temper::host {
namespace {

TEST(Signals, TheFirstSetsTheFlag) {
  for (const int number : {SIGINT, SIGTERM}) {
    InstallStopHandler();
    EXPECT_FALSE(StopRequested());
    EXPECT_EQ(StopExitCode(), kExitOk);
    ASSERT_EQ(raise(number), 0);
    EXPECT_EQ(StopSignal(), number);
    EXPECT_EQ(StopExitCode(),
              number == SIGINT ? kExitInterrupted : kExitResumable);
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

}  // namespace
}  // namespace temper::host
