// The thread pool: every index once, any count, and no allocation in a call.
#include "ports/host/os/threads.h"

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "temper/temper.h"
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
    for (const uint32_t count : {0u, 1u, 2u, 7u, 64u, 1000u, 140'000u}) {
      std::vector<int> hits(count, 0);
      runner.run(
          runner.pool,
          [](void* context, uint32_t i, uint32_t) {
            ++static_cast<int*>(context)[i];
          },
          hits.data(), count, threads);
      EXPECT_EQ(hits, std::vector<int>(count, 1));
    }
  }
}

// Calls as short and as many as those of a training step, with more threads
// than most machines have: every call is complete when it returns.
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
        [](void* context, uint32_t i, uint32_t) {
          ++static_cast<int*>(context)[i];
        },
        hits.data(), 3, 3);
    ASSERT_EQ(hits, std::vector<int>(3, 1));
  }
}

// A thread that is early takes indices that have not begun: the caller, in
// piece 0, waits for piece 2 of 3, which an absent worker cannot hold up.
TEST(Threads, NobodyWaitsForWhoHasNotBegun) {
  const auto pool = MakeThreadPool(4);
  for (int round = 0; round < 200; ++round) {
    std::atomic<uint32_t> done{0};
    pool->runner().run(
        pool->runner().pool,
        [](void* context, uint32_t i, uint32_t) {
          auto& count = *static_cast<std::atomic<uint32_t>*>(context);
          count.fetch_add(1);
          // Piece 1 ends only when another thread has done all others.
          if (i == 1) {
            while (count.load() != 4) std::this_thread::yield();
          }
        },
        &done, 4, 4);
    ASSERT_EQ(done.load(), 4u);
  }
}

// An idle thread takes the rest of a slow one, also of the caller: index
// `slow`, the first of its owner, ends when all others are done.
TEST(Threads, TheRestOfTheSlowIsTaken) {
  struct Context {
    std::atomic<uint32_t> done{0};
    uint32_t slow = 0, others = 0;
  };
  for (const uint32_t threads : {2u, 3u}) {
    const auto pool = MakeThreadPool(threads);
    const uint32_t count = 4 * threads;
    for (uint32_t round = 0; round < 200; ++round) {
      Context context;
      context.slow = round % threads * 4;
      context.others = count - 1;
      pool->runner().run(
          pool->runner().pool,
          [](void* opaque, uint32_t i, uint32_t) {
            auto& c = *static_cast<Context*>(opaque);
            while (i == c.slow && c.done.load() != c.others)
              std::this_thread::yield();
            c.done.fetch_add(1);
          },
          &context, count, threads);
      ASSERT_EQ(context.done.load(), count);
    }
  }
}

// A slot picks a scratch buffer: two tasks at one time never have the same one.
TEST(Threads, SlotsAreNotShared) {
  struct Context {
    std::atomic<uint32_t> users[kMaxThreads] = {};
    std::atomic<uint32_t> wrong{0};
    uint32_t slots = 0;
  };
  for (const uint32_t threads : {2u, 5u}) {
    const auto pool = MakeThreadPool(threads);
    for (uint32_t round = 0; round < 2'000; ++round) {
      Context context;
      const uint32_t count = 1 + round % (4 * threads);
      context.slots = std::min(count, threads);
      pool->runner().run(
          pool->runner().pool,
          [](void* opaque, uint32_t, uint32_t slot) {
            auto& c = *static_cast<Context*>(opaque);
            if (slot >= c.slots || c.users[slot].fetch_add(1) != 0) ++c.wrong;
            for (int i = 0; i < 50; ++i) (void)c.users[slot].load();
            c.users[slot].fetch_sub(1);
          },
          &context, count, threads);
      ASSERT_EQ(context.wrong.load(), 0u);
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

// A runner with fewer threads than its pool has: scratch buffers
// are planned for those.
TEST(Threads, FewerThanThePoolHas) {
  const auto pool = MakeThreadPool(4);
  ParallelRunner some = pool->runner();
  some.threads = 2;
  std::atomic<uint32_t> most{0}, running{0}, most_running{0};
  const auto raise = [](std::atomic<uint32_t>& to, uint32_t value) {
    uint32_t old = to.load();
    while (old < value && !to.compare_exchange_weak(old, value)) {
    }
  };
  for (int round = 0; round < 500; ++round) {
    ParallelFor(some, 64, 1, [&](size_t, size_t, size_t slot) {
      raise(most_running, running.fetch_add(1) + 1);
      raise(most, static_cast<uint32_t>(slot));
      std::this_thread::yield();
      running.fetch_sub(1);
    });
  }
  EXPECT_LE(most.load(), 1u);
  EXPECT_LE(most_running.load(), 2u);
}

// The ranges that ParallelFor makes, in the order of their numbers.
std::vector<std::pair<size_t, size_t>> Ranges(uint32_t threads, size_t items,
                                              size_t grain, Split split,
                                              uint32_t parts_from = 32) {
  ParallelRunner runner;
  runner.parts_from = parts_from;
  runner.threads = threads;
  runner.run = [](void*, ParallelRunner::Task task, void* context,
                  uint32_t count, uint32_t) {
    for (uint32_t i = 0; i < count; ++i) task(context, i, 0);
  };
  std::vector<std::pair<size_t, size_t>> ranges;
  ParallelFor(runner, items, grain, split,
              [&](size_t begin, size_t end, size_t) {
                ranges.emplace_back(begin, end);
              });
  return ranges;
}

TEST(ParallelForRanges, PartsWhereThereIsMuchToDo) {
  using Expected = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(Ranges(2, 63, 1, Split::kParts), (Expected{{0, 31}, {31, 63}}));
  EXPECT_EQ(Ranges(2, 64, 1, Split::kParts), (Expected{{0, 16},
                                                       {16, 24},
                                                       {24, 28},
                                                       {28, 32},
                                                       {32, 48},
                                                       {48, 56},
                                                       {56, 60},
                                                       {60, 64}}));
  EXPECT_EQ(Ranges(2, 64, 1, Split::kWhole), (Expected{{0, 32}, {32, 64}}));
  EXPECT_EQ(Ranges(3, 10, 5, Split::kParts), (Expected{{0, 5}, {5, 10}}));
  EXPECT_EQ(Ranges(3, 9, 5, Split::kParts), (Expected{{0, 9}}));
  EXPECT_EQ(Ranges(3, 0, 5, Split::kParts), Expected());
  EXPECT_EQ(Ranges(2, 2, 0, Split::kParts), (Expected{{0, 1}, {1, 2}}));
  // Nothing of an empty part.
  EXPECT_EQ(Ranges(2, 5, 1, Split::kParts, 1),
            (Expected{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}}));
  for (const uint32_t threads : {2u, 3u, 64u}) {
    for (const size_t items : {size_t{4097}, size_t{100'003}}) {
      size_t at = 0;
      for (const auto& [begin, end] :
           Ranges(threads, items, 2, Split::kParts)) {
        EXPECT_EQ(begin, at);
        EXPECT_GE(end - begin, 2u);
        at = end;
      }
      EXPECT_EQ(at, items);
    }
  }
}

TEST(Threads, RefuseWrongCounts) {
  ExpectFailure(ErrorKind::kUsage, {"--threads: 0 is out of range", "1 to 64"},
                [] { (void)MakeThreadPool(0); });
  ExpectFailure(ErrorKind::kUsage, {"65 is out of range"},
                [] { (void)MakeThreadPool(65); });
  EXPECT_GE(DefaultThreads(), 1u);
  EXPECT_LE(DefaultThreads(), kMaxThreads);
}

// Each thread once, however quick some of them are.
TEST(Threads, EachReachesEveryThread) {
  for (const uint32_t threads : {2u, 3u, 5u, 64u}) {
    const auto pool = MakeThreadPool(threads);
    for (const uint32_t slots : {threads, 1u, (threads + 1) / 2}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::thread::id> ids(slots);
        pool->runner().each(
            pool->runner().pool,
            [](void* context, uint32_t i, uint32_t slot) {
              EXPECT_EQ(i, slot);
              static_cast<std::thread::id*>(context)[i] =
                  std::this_thread::get_id();
            },
            ids.data(), slots);
        ASSERT_EQ(ids[0], std::this_thread::get_id());
        std::sort(ids.begin(), ids.end());
        ASSERT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
        ASSERT_NE(ids[0], std::thread::id());
      }
    }
  }
}

// A worker that rounds in another way, as a library may leave it, is found
// every time: not only when the others leave it something to do.
TEST(Threads, TheTrainerFindsAThreadThatRoundsDown) {
  Graph graph;
  uint32_t x = graph.Add("input", InputParams{4, 4, 1});
  x = graph.Add("normalize", NormalizeParams{}, x);
  x = graph.Add("fc", DenseParams{3}, x);
  graph.Add("loss", SoftmaxCrossEntropyParams{}, x);
  for (const uint32_t threads : {2u, 4u}) {
    PlanOptions options;
    options.threads = threads;
    Plan plan;
    ASSERT_TRUE(MakePlan(graph, options, &plan).ok());
    const std::unique_ptr<void, void (*)(void*)> memory(
        std::aligned_alloc(64, plan.arena_bytes), std::free);
    const auto pool = MakeThreadPool(threads);
    const ParallelRunner& runner = pool->runner();
    const auto set = [&](int mode) {
      runner.each(
          runner.pool,
          [](void* context, uint32_t i, uint32_t) {
            if (i == 1) std::fesetround(*static_cast<int*>(context));
          },
          &mode, threads);
    };
    Trainer trainer;
    for (int round = 0; round < 300; ++round) {
      set(FE_DOWNWARD);
      ASSERT_EQ(
          trainer.Create(plan, memory.get(), plan.arena_bytes, runner).code,
          StatusCode::kUnsupported)
          << round;
      set(FE_TONEAREST);
      ASSERT_TRUE(
          trainer.Create(plan, memory.get(), plan.arena_bytes, runner).ok());
    }
  }
}

}  // namespace
}  // namespace temper::host
