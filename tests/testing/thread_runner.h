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

// Threads that take indices in an order nobody controls, each its own slot.
// They stay: an emulator keeps memory of every thread that was ever started.
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
      t.next_.store(0);
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
      lock.unlock();
      for (uint32_t i; (i = next_.fetch_add(1)) < count_;)
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
  std::atomic<uint32_t> next_{0};
};

// What a runner's pool points at.
struct TestPool {
  uint32_t threads = 0;
  uint32_t most_parts = 0;
  uint32_t* noted = &most_parts;
};

inline ParallelRunner RunnerOn(TestPool* pool, uint32_t threads) {
  pool->threads = threads;
  ParallelRunner runner;
  runner.threads = threads;
  runner.pool = pool;
  runner.run = [](void* opaque, ParallelRunner::Task task, void* context,
                  uint32_t count) {
    static StandingThreads standing;
    const TestPool& p = *static_cast<const TestPool*>(opaque);
    *p.noted = std::max(*p.noted, count);
    standing.Run(task, context, count, p.threads);
  };
  return runner;
}

inline ParallelRunner ThreadRunner(uint32_t threads) {
  static std::array<TestPool, kMaxThreads + 1> pools;
  return RunnerOn(&pools.at(threads), threads);
}

// A runner that notes into how many parts work was split at most: a test whose
// every case is too small to split tests no threads. Valid until the next one
// with the same number of threads.
inline ParallelRunner CountedRunner(uint32_t threads, uint32_t* most_parts) {
  static std::array<TestPool, kMaxThreads + 1> pools;
  pools.at(threads).noted = most_parts;
  return RunnerOn(&pools[threads], threads);
}

}  // namespace temper::testing

#endif  // TEMPER_TESTS_TESTING_THREAD_RUNNER_H_
