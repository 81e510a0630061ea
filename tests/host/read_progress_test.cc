// ReadProgress tells seldom, from any thread, and says when it is over.
#include "ports/host/data/read_progress.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace temper::host {
namespace {

std::atomic<int> told, ended;
std::atomic<uint64_t> last;

void Told(uint64_t done, uint64_t total, bool over) {
  EXPECT_EQ(total, 4000u);
  EXPECT_LE(done, total);
  if (over) last = done;
  ++(over ? ended : told);
}

TEST(ReadProgress, TellsSeldomAndOfTheEnd) {
  ReadProgress::Tell(Told);
  {
    ReadProgress progress(4000);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          progress.Add();
          if (i % 2 == 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_GE(told, 1);
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(last, 4000u);
}

TEST(ReadProgress, WhatIsQuickIsNotTold) {
  ReadProgress::Tell(Told);
  told = ended = 0;
  { ReadProgress(4000).Add(); }
  EXPECT_EQ(told + ended, 0);
  ReadProgress::Tell(nullptr);
}

}  // namespace
}  // namespace temper::host
