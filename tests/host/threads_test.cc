// The thread pools: every index once, any count, and no allocation in a call.
#include "ports/host/threads.h"

#include <atomic>
#include <vector>

#include "tests/host/count_allocations.h"
#include "tests/host/host_test.h"

namespace temper::host {
namespace {

using ::temper::testing::allocations;
using ::temper::testing::ExpectFailure;

std::vector<PoolKind> Kinds() {
  // ThreadSanitizer cannot see into the installed pthreadpool.
  if (DefaultPoolKind() == PoolKind::kStdThread) return {PoolKind::kStdThread};
  return {PoolKind::kPthreadpool, PoolKind::kStdThread};
}

TEST(Threads, RunEveryIndexOnce) {
  for (const PoolKind kind : Kinds()) {
    for (const uint32_t threads : {2u, 3u, 4u}) {
      const auto pool = MakeThreadPool(threads, kind);
      const ParallelRunner& runner = pool->runner();
      EXPECT_EQ(runner.threads, threads);
      ASSERT_NE(runner.run, nullptr);
      for (const uint32_t count : {1u, 2u, 7u, 64u, 1000u}) {
        std::vector<int> hits(count, 0);
        runner.run(
            runner.pool,
            [](void* context, uint32_t i) { ++static_cast<int*>(context)[i]; },
            hits.data(), count);
        EXPECT_EQ(hits, std::vector<int>(count, 1));
      }
    }
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
  for (const PoolKind kind : Kinds()) {
    const auto pool = MakeThreadPool(2, kind);
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
