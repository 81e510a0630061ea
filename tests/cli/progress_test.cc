// The progress line, on a pipe and with a clock of the test's own.
#include "ports/cli/progress.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/host/count_allocations.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::allocations;

uint64_t test_now = 0;
uint64_t TestClock() { return test_now; }
void Advance(double seconds) {
  test_now += static_cast<uint64_t>(seconds * 1e9 + 0.5);
}

class ProgressTest : public ::testing::Test {
 protected:
  ProgressTest() {
    EXPECT_EQ(pipe2(pipe_, O_NONBLOCK), 0);
    test_now = 1'000'000'000;
  }
  ~ProgressTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  // What was written since the last call.
  std::string Written() {
    char buffer[8192];
    const ssize_t n = read(pipe_[0], buffer, sizeof(buffer));
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
  }
  static ProgressState State(uint64_t step) {
    ProgressState s;
    s.epoch = 3;
    s.epochs = 20;
    s.step = step;
    s.steps = 900;
    s.samples = step * 16;
    s.samples_total = 900 * 16;
    s.loss = 0.71278;
    s.accuracy = 0.7421;
    s.lr = 0.003;
    return s;
  }
  int pipe_[2];
};

TEST_F(ProgressTest, ReadingPictures) {
  Progress progress(Progress::Style::kTerminal, pipe_[1], TestClock);
  progress.Reading(100, 8000, false);
  EXPECT_EQ(Written(), "\rreads pictures: 100 of 8000");
  progress.Reading(8000, 8000, true);
  EXPECT_EQ(Written(), "\r" + std::string(27, ' ') + "\r");

  Progress plain(Progress::Style::kPlain, pipe_[1], TestClock);
  Advance(29);
  plain.Reading(100, 8000, false);
  EXPECT_EQ(Written(), "");
  Advance(1);
  plain.Reading(200, 8000, false);
  plain.Reading(201, 8000, false);
  plain.Reading(8000, 8000, true);
  EXPECT_EQ(Written(), "reads pictures: 200 of 8000\n");
}

TEST_F(ProgressTest, TerminalLineIsWrittenOver) {
  Progress progress(Progress::Style::kTerminal, pipe_[1], TestClock);
  progress.Update(State(0));
  EXPECT_EQ(Written(), "");  // not yet due
  Advance(1.0);
  progress.Update(State(100));
  EXPECT_EQ(Written(),
            "\repoch  3/20   100/900  loss 0.7128  acc 74.2 %  ETA 8s  1600 "
            "samples/s  lr 0.003");
  EXPECT_EQ(progress.SamplesPerSecond(), 1600.0);
  // A shorter line blanks the rest of the longer one; the text then goes away.
  ProgressState state = State(101);
  state.accuracy = -1;
  Advance(0.2);
  progress.Update(state);
  const std::string text =
      "epoch  3/20   101/900  loss 0.7128  ETA 9s  1448 samples/s  lr 0.003";
  EXPECT_EQ(Written(), fmt::format("\r{}{:12}", text, ""));
  progress.Line("a note");
  EXPECT_EQ(Written(), fmt::format("\r{:{}}\ra note\n", "", text.size()));
  progress.Clear();
  EXPECT_EQ(Written(), "");
}

// A line that wrapped could not be written over.
TEST_F(ProgressTest, TerminalLineIsCutToTheWindow) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(grantpt(terminal), 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  const int window = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(window, 0);
  winsize size = {};
  size.ws_row = 10;
  size.ws_col = 40;
  ASSERT_EQ(ioctl(window, TIOCSWINSZ, &size), 0);
  Progress progress(Progress::Style::kAuto, window, TestClock);
  Advance(1.0);
  progress.Update(State(100));
  char buffer[1000];
  const ssize_t n = read(terminal, buffer, sizeof(buffer));
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0))),
            "\repoch  3/20   100/900  loss 0.7128  acc");
  close(window);
  close(terminal);
}

TEST_F(ProgressTest, TerminalIsUpdatedFiveTimesASecond) {
  Progress progress(Progress::Style::kTerminal, pipe_[1], TestClock);
  int lines = 0;
  for (uint64_t step = 0; step < 1000; ++step) {
    progress.Update(State(step));
    if (!Written().empty()) ++lines;
    Advance(0.01);
  }
  EXPECT_GE(lines, 45);
  EXPECT_LE(lines, 50);
}

TEST_F(ProgressTest, PlainLinesAreRare) {
  Progress progress(Progress::Style::kAuto, pipe_[1], TestClock);  // a pipe
  std::string text;
  for (uint64_t step = 0; step <= 100; ++step) {
    progress.Update(State(step));
    text += Written();
    Advance(1.0);
  }
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  progress.EndEpoch(State(900), 0.5, 0.8);
  EXPECT_NE(Written().find("  val loss 0.5000  val acc 80.0 %  lr 0.003\n"),
            std::string::npos);
  progress.EndEpoch(State(900));
  EXPECT_EQ(Written().find("val"), std::string::npos);
}

TEST_F(ProgressTest, QuietIsQuiet) {
  Progress progress(Progress::Style::kQuiet, pipe_[1], TestClock);
  Advance(100);
  progress.Update(State(1));
  progress.EndEpoch(State(2));
  progress.Line("note");
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressTest, OddNumbersFit) {
  Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
  ProgressState state = State(1);
  state.loss = std::numeric_limits<double>::quiet_NaN();
  state.accuracy = std::numeric_limits<double>::infinity();  // below 0: none
  state.lr = 1e300;
  progress.EndEpoch(state, std::nan(""), 0.0);
  const std::string text = Written();
  EXPECT_NE(text.find("loss nan"), std::string::npos) << text;
  EXPECT_NE(text.find("acc inf %  val loss nan  val acc 0.0 %  lr 1e+300"),
            std::string::npos)
      << text;
  state.loss = 1e308;  // 309 digits each: cut, not overrun
  progress.EndEpoch(state, 1e308, 0.0);
  EXPECT_EQ(Written().size(), 513u);
}

TEST_F(ProgressTest, LinesFitATerminal) {
  Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
  ProgressState state = State(100);
  state.epoch = 150, state.epochs = 200;
  state.lr = 1.53e-5;
  state.samples_total = 1000000000;
  progress.Update(state);
  Advance(40);
  state.samples += 48000;
  progress.Update(state);
  const std::string line = Written();
  EXPECT_LE(line.size(), 81u) << line;
  EXPECT_NE(line.find("ETA 9d"), std::string::npos) << line;
  progress.EndEpoch(state, 0.5, 0.8);
  const std::string end = Written();
  EXPECT_LE(end.size(), 81u) << end;
  EXPECT_NE(end.find("val acc 80.0 %"), std::string::npos) << end;
  EXPECT_EQ(end.find("  lr "), std::string::npos) << end;  // no room for it
}

TEST_F(ProgressTest, NoAccuracyWithoutClasses) {
  Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
  ProgressState state = State(1);
  state.accuracy = -1.0;
  progress.EndEpoch(state, 0.5, -1.0);
  const std::string text = Written();
  EXPECT_EQ(text.find("acc"), std::string::npos) << text;
  EXPECT_NE(text.find("val loss 0.5"), std::string::npos) << text;
  EXPECT_EQ(text.find("mae"), std::string::npos) << text;
  progress.EndEpoch(state, 0.5, -1.0, 0.375);
  EXPECT_NE(Written().find("  val loss 0.5000  val mae 0.375  "),
            std::string::npos);
}

TEST_F(ProgressTest, LinesSteerNoTerminal) {
  Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
  progress.Line("a\x1b]0;b\xc2\x9b\xc3\xa9");
  EXPECT_EQ(Written(), "a\\x1b]0;b\\xc2\\x9b\xc3\xa9\n");
}

TEST_F(ProgressTest, LongLinesAreWhole) {
  Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
  const std::string text(1500, 'x');
  progress.Line(text);
  EXPECT_EQ(Written(), text + "\n");
}

TEST_F(ProgressTest, EtaIsReadable) {
  const struct {
    uint64_t left;  // seconds at 1 sample per second
    const char* text;
  } cases[] = {{59, "ETA 59s"},
               {372, "ETA 6m12s"},
               {3660, "ETA 1h01m"},
               {93600, "ETA 1d02h"}};
  for (const auto& c : cases) {
    Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
    ProgressState state = State(1);
    state.samples = 0;
    progress.Update(state);
    Advance(10);
    state.samples = 10;
    state.samples_total = 10 + c.left;
    progress.EndEpoch(state);
    const std::string text = Written();
    EXPECT_NE(text.find(c.text), std::string::npos) << text;
  }
}

TEST_F(ProgressTest, SpeedIsForgotten) {
  Progress progress(Progress::Style::kPlain, pipe_[1], TestClock);
  progress.Update(State(0));
  Advance(1);
  progress.Update(State(100));
  EXPECT_EQ(progress.SamplesPerSecond(), 1600.0);
  progress.ResetSpeed();
  EXPECT_EQ(progress.SamplesPerSecond(), 0.0);
  progress.Update(State(100));
  Advance(1);
  progress.Update(State(150));
  EXPECT_EQ(progress.SamplesPerSecond(), 800.0);
}

TEST_F(ProgressTest, UpdatesAllocateNothing) {
  for (const auto style :
       {Progress::Style::kTerminal, Progress::Style::kPlain}) {
    Progress progress(style, pipe_[1], TestClock);
    ProgressState state = State(0);
    const uint64_t before = allocations.load();
    for (int i = 0; i < 200; ++i) {
      Advance(31);
      state.samples += 7;
      state.loss = 1.0 / (i + 1);
      state.lr = i * 1.234567890123e-5;
      progress.Update(state);
      progress.EndEpoch(state, state.loss, 0.5);
    }
    EXPECT_EQ(allocations.load(), before);
    while (!Written().empty()) {
    }
  }
}

TEST_F(ProgressTest, AClosedTerminalIsNoError) {
  Progress progress(Progress::Style::kPlain, -1, TestClock);
  progress.EndEpoch(State(1));
}

}  // namespace
}  // namespace temper::host
