// ReadProgress tells seldom, from any thread, and says when it is over. The clock is
// the test's own.
#include "ports/host/data/read_progress.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace temper::host {
namespace {

std::atomic<uint64_t> now, last;
std::atomic<int> told, ended;
uint64_t Clock() { return now; }

void Told(uint64_t done, uint64_t total, bool over) {
  EXPECT_EQ(total, 4000u);
  EXPECT_LE(done, total);
  last = done;
  ++(over ? ended : told);
}

class ReadProgressTest : public ::testing::Test {
 protected:
  ReadProgressTest() {
    now = 1'000'000'000;
    told = ended = 0;
    ReadProgress::Tell(Told, Clock);
  }
  ~ReadProgressTest() override { ReadProgress::Tell(nullptr); }
};

TEST_F(ReadProgressTest, TellsFiveTimesASecondAndOfTheEnd) {
  {
    ReadProgress progress(4000);
    for (int i = 0; i < 4000; ++i) {
      now += 1'000'000;  // 4 seconds in all
      progress.Add();
    }
    EXPECT_EQ(told, 20);
    EXPECT_EQ(ended, 0);
  }
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(last, 4000u);
}

TEST_F(ReadProgressTest, ManyThreads) {
  {
    ReadProgress progress(4000);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          now += 1'000'000;
          progress.Add();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_GE(told, 1);
    EXPECT_LE(told, 20);
  }
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(last, 4000u);
}

TEST_F(ReadProgressTest, WhatIsQuickIsNotTold) {
  {
    ReadProgress progress(4000);
    now += 199'999'999;
    progress.Add();
  }
  EXPECT_EQ(told + ended, 0);
}

}  // namespace
}  // namespace temper::host
