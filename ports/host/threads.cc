// The thread pools. Why there are two: threads.h.
#include "ports/host/threads.h"

#include <fmt/format.h>
#include <pthreadpool.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "ports/host/failure.h"

namespace temper::host {
namespace {

class Sequential final : public ThreadPool {};

class PthreadPool final : public ThreadPool {
 public:
  explicit PthreadPool(uint32_t threads) : pool_(pthreadpool_create(threads)) {
    if (pool_ == nullptr || pthreadpool_get_threads_count(pool_) != threads) {
      pthreadpool_destroy(pool_);
      Fail(kExitUnsupported, "cannot start the threads", "--threads",
           fmt::format("the system refuses {}", threads), "Use fewer.");
    }
    runner_ = {&Run, pool_, threads};
  }
  ~PthreadPool() override { pthreadpool_destroy(pool_); }

 private:
  static void Run(void* pool, ParallelRunner::Task task, void* context,
                  uint32_t count) {
    struct Call {
      ParallelRunner::Task task;
      void* context;
    } call{task, context};
    // Flags 0. Never DISABLE_DENORMALS: it would change bits.
    pthreadpool_parallelize_1d(
        static_cast<pthreadpool_t>(pool),
        [](void* opaque, size_t i) {
          const Call& c = *static_cast<const Call*>(opaque);
          c.task(c.context, static_cast<uint32_t>(i));
        },
        &call, count, /*flags=*/0);
  }

  pthreadpool_t pool_;
};

// Slow and simple: one mutex, indices handed out by a counter.
class StdThreadPool final : public ThreadPool {
 public:
  explicit StdThreadPool(uint32_t threads) {
    for (uint32_t i = 1; i < threads; ++i) {
      workers_.emplace_back([this] { Work(); });
    }
    runner_ = {&Run, this, threads};
  }
  ~StdThreadPool() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

 private:
  static void Run(void* pool, ParallelRunner::Task task, void* context,
                  uint32_t count) {
    auto& self = *static_cast<StdThreadPool*>(pool);
    {
      std::lock_guard lock(self.mutex_);
      self.task_ = task;
      self.context_ = context;
      self.count_ = count;
      self.next_.store(0, std::memory_order_relaxed);
      self.busy_ = self.workers_.size();
      ++self.job_;
    }
    self.changed_.notify_all();
    self.Drain(task, context, count);
    std::unique_lock lock(self.mutex_);
    self.changed_.wait(lock, [&self] { return self.busy_ == 0; });
  }

  void Drain(ParallelRunner::Task task, void* context, uint32_t count) {
    for (;;) {
      const uint32_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      task(context, i);
    }
  }

  void Work() {
    std::unique_lock lock(mutex_);
    for (uint64_t done = 0;;) {
      changed_.wait(lock, [&] { return stop_ || job_ != done; });
      if (stop_) return;
      done = job_;
      const ParallelRunner::Task task = task_;
      void* const context = context_;
      const uint32_t count = count_;
      lock.unlock();
      Drain(task, context, count);
      lock.lock();
      if (--busy_ == 0) changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  ParallelRunner::Task task_ = nullptr;
  void* context_ = nullptr;
  uint32_t count_ = 0;
  std::atomic<uint32_t> next_{0};
  size_t busy_ = 0;
  uint64_t job_ = 0;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace

PoolKind DefaultPoolKind() {
#if defined(__SANITIZE_THREAD__)
  return PoolKind::kStdThread;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return PoolKind::kStdThread;
#else
  return PoolKind::kPthreadpool;
#endif
#else
  return PoolKind::kPthreadpool;
#endif
}

uint32_t DefaultThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::clamp<uint32_t>(static_cast<uint32_t>(CPU_COUNT(&set)), 1,
                              kMaxThreads);
}

std::unique_ptr<ThreadPool> MakeThreadPool(uint32_t threads, PoolKind kind) {
  if (threads < 1 || threads > kMaxThreads) {
    Fail(kExitUsage, "cannot start the threads", "--threads",
         fmt::format("{} is out of range", threads),
         fmt::format("Use 1 to {}.", kMaxThreads));
  }
  if (threads == 1) return std::make_unique<Sequential>();
  if (kind == PoolKind::kStdThread) {
    return std::make_unique<StdThreadPool>(threads);
  }
  return std::make_unique<PthreadPool>(threads);
}

}  // namespace temper::host
