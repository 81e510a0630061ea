// Runners of several threads for tests.
#ifndef TEMPER_TESTS_TESTING_THREAD_RUNNER_H_
#define TEMPER_TESTS_TESTING_THREAD_RUNNER_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "temper/parallel.h"

namespace temper::testing {

// Threads that take indices in a random order, each with its own slot.
// They stay: an emulator keeps memory of every thread that was ever started.
// ThreadSanitizer must not see an order between tasks that a pool would not
// give: all begin at once, each with an index of its own, and what they take
// turns by is relaxed.
class StandingThreads {
 public:
  ~StandingThreads() {
    Post([](StandingThreads& t) { t.stop_ = true; });
    for (std::thread& t : threads_) t.join();
  }
  void Run(ParallelRunner::Task task, void* context, uint32_t count,
           uint32_t threads) {
    const uint32_t wanted = std::min(threads, count);
    while (threads_.size() < wanted) {
      const auto slot = static_cast<uint32_t>(threads_.size());
      threads_.emplace_back([this, slot, seen = calls_] { Work(slot, seen); });
    }
    Post([&](StandingThreads& t) {
      t.task_ = task, t.context_ = context;
      t.count_ = count, t.busy_ = t.wanted_ = wanted;
      t.arrived_.store(0, std::memory_order_relaxed);
      t.next_.store(wanted, std::memory_order_relaxed);
      ++t.calls_;
    });
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  template <class F>
  void Post(F&& change) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      change(*this);
    }
    begin_.notify_all();
  }
  void Work(uint32_t slot, uint64_t seen) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      begin_.wait(lock, [&] { return stop_ || calls_ != seen; });
      if (stop_) return;
      seen = calls_;
      if (slot >= wanted_) continue;
      const uint32_t wanted = wanted_, count = count_;
      uint32_t i = static_cast<uint32_t>((slot + seen) % wanted);
      lock.unlock();
      arrived_.fetch_add(1, std::memory_order_relaxed);
      while (arrived_.load(std::memory_order_relaxed) != wanted)
        std::this_thread::yield();
      for (; i < count; i = next_.fetch_add(1, std::memory_order_relaxed))
        task_(context_, i, slot);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable begin_, done_;
  bool stop_ = false;
  uint64_t calls_ = 0;
  uint32_t count_ = 0, wanted_ = 0, busy_ = 0;
  ParallelRunner::Task task_ = nullptr;
  void* context_ = nullptr;
  std::atomic<uint32_t> arrived_{0}, next_{0};
};

// What a runner's pool points at.
struct TestPool {
  uint32_t most_parts = 0;
  uint32_t* noted = &most_parts;
};

inline ParallelRunner RunnerOn(TestPool* pool, uint32_t threads) {
  // Now and then a share comes in parts, however small: every kernel must stand
  // that.
  static uint32_t number = 0;
  if (threads > 1) ++number;
  ParallelRunner runner;
  runner.threads = threads;
  runner.parts_from = number * 0x9e3779b1u >> 31 ? 1 : 32;
  runner.pool = pool;
  runner.run = [](void* opaque, ParallelRunner::Task task, void* context,
                  uint32_t count, uint32_t slots) {
    static StandingThreads standing;
    const TestPool& p = *static_cast<const TestPool*>(opaque);
    *p.noted = std::max(*p.noted, std::min(count, slots));
    standing.Run(task, context, count, slots);
  };
  return runner;
}

inline ParallelRunner ThreadRunner(uint32_t threads) {
  static std::array<TestPool, kMaxThreads + 1> pools;
  return RunnerOn(&pools.at(threads), threads);
}

// A runner that notes how many threads were given work at most: a test whose
// every case is too small to split tests no threads. Valid until the next one
// with the same number of threads.
inline ParallelRunner CountedRunner(uint32_t threads, uint32_t* most_parts) {
  static std::array<TestPool, kMaxThreads + 1> pools;
  pools.at(threads).noted = most_parts;
  return RunnerOn(&pools[threads], threads);
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_THREAD_RUNNER_H_
