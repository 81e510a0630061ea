// The thread pool: every index once, any count, and no allocation in a call.
#include "ports/host/threads.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/host/count_allocations.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::allocations;
using ::temper::testing::ExpectFailure;

TEST(Threads, RunEveryIndexOnce) {
  for (const uint32_t threads : {2u, 3u, 4u, 64u}) {
    const auto pool = MakeThreadPool(threads);
    const ParallelRunner& runner = pool->runner();
    EXPECT_EQ(runner.threads, threads);
    ASSERT_NE(runner.run, nullptr);
    for (const uint32_t count : {0u, 1u, 2u, 7u, 64u, 1000u}) {
      std::vector<int> hits(count, 0);
      runner.run(
          runner.pool,
          [](void* context, uint32_t i) { ++static_cast<int*>(context)[i]; },
          hits.data(), count);
      EXPECT_EQ(hits, std::vector<int>(count, 1));
    }
  }
}

// Calls as short and as many as those of a training step, with more threads than
// most machines have: every call is complete when it returns.
TEST(Threads, ManyShortCalls) {
  for (const uint32_t threads : {2u, 5u}) {
    const auto pool = MakeThreadPool(threads);
    std::vector<uint64_t> sums(threads * 16, 0);
    for (uint32_t round = 0; round < 20'000; ++round) {
      ParallelFor(pool->runner(), sums.size(), 16,
                  [&](size_t begin, size_t end, size_t) {
                    for (size_t i = begin; i < end; ++i) sums[i] += round;
                  });
      ASSERT_EQ(sums[0], sums.back()) << "round " << round;
    }
    EXPECT_EQ(sums, std::vector<uint64_t>(sums.size(), 199'990'000));
  }
}

// A worker that sleeps wakes up, or the caller does its piece.
TEST(Threads, WorkAfterAPause) {
  const auto pool = MakeThreadPool(3);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::vector<int> hits(3, 0);
    pool->runner().run(
        pool->runner().pool,
        [](void* context, uint32_t i) { ++static_cast<int*>(context)[i]; },
        hits.data(), 3);
    ASSERT_EQ(hits, std::vector<int>(3, 1));
  }
}

// Who is early takes what nobody has begun: the caller, in piece 0, waits for
// piece 2 of 3, which an absent worker cannot hold up.
TEST(Threads, NobodyWaitsForWhoHasNotBegun) {
  const auto pool = MakeThreadPool(4);
  for (int round = 0; round < 200; ++round) {
    std::atomic<uint32_t> done{0};
    pool->runner().run(
        pool->runner().pool,
        [](void* context, uint32_t i) {
          auto& count = *static_cast<std::atomic<uint32_t>*>(context);
          count.fetch_add(1);
          // Piece 1 ends only when all others have been done by somebody else.
          if (i == 1) {
            while (count.load() != 4) std::this_thread::yield();
          }
        },
        &done, 4);
    ASSERT_EQ(done.load(), 4u);
  }
}

TEST(Threads, OneThreadNeedsNoPool) {
  const auto pool = MakeThreadPool(1);
  EXPECT_EQ(pool->runner().threads, 1u);
  size_t sum = 0;
  ParallelFor(pool->runner(), 100, 1,
              [&](size_t begin, size_t end, size_t slot) {
                EXPECT_EQ(slot, 0u);
                sum += end - begin;
              });
  EXPECT_EQ(sum, 100u);
}

TEST(Threads, WorkAsParallelForAndAllocateNothing) {
  const auto pool = MakeThreadPool(2);
  std::vector<uint32_t> out(10'000, 0);
  const auto work = [&](uint32_t round) {
    ParallelFor(pool->runner(), out.size(), 16,
                [&](size_t begin, size_t end, size_t) {
                  for (size_t i = begin; i < end; ++i) out[i] += round;
                });
  };
  work(1);
  const uint64_t before = allocations.load();
  for (uint32_t round = 2; round <= 20; ++round) work(round);
  EXPECT_EQ(allocations.load(), before);
  EXPECT_EQ(out, std::vector<uint32_t>(out.size(), 210));
}

TEST(Threads, RefuseWrongCounts) {
  ExpectFailure(kExitUsage, {"--threads: 0 is out of range", "1 to 64"},
                [] { (void)MakeThreadPool(0); });
  ExpectFailure(kExitUsage, {"65 is out of range"},
                [] { (void)MakeThreadPool(65); });
  EXPECT_GE(DefaultThreads(), 1u);
  EXPECT_LE(DefaultThreads(), kMaxThreads);
}

}  // namespace
}  // namespace temper::host
