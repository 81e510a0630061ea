// The thread pool. Behaviour: threads.h.
#include "ports/host/threads.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <system_error>
#include <thread>
#include <vector>

#include "ports/host/failure.h"

namespace temper::host {
namespace {

class Sequential final : public ThreadPool {};

inline void Relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ __volatile__("yield");
#endif
}

using Clock = std::chrono::steady_clock;

// Waits until `word` is not `old`: spins, for that is how soon the next layer
// needs its threads; then offers the core to others until the thread has been
// idle for a while; then sleeps.
void Await(const std::atomic<uint32_t>& word, uint32_t old,
           Clock::time_point idle_since) {
  constexpr int kSpins = 512;
  constexpr std::chrono::microseconds kAwake{200};
  for (int i = 0; i < kSpins; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    Relax();
  }
  while (Clock::now() < idle_since + kAwake) {
    sched_yield();
    if (word.load(std::memory_order_acquire) != old) return;
  }
  word.wait(old);
}

class Pool final : public ThreadPool {
 public:
  explicit Pool(uint32_t threads)
      : threads_(threads), begun_(static_cast<ptrdiff_t>(threads) - 1) {
    workers_.reserve(threads - 1);
    try {
      for (uint32_t i = 1; i < threads; ++i) {
        workers_.emplace_back([this, i] { Work(i); });
      }
    } catch (const std::system_error&) {
      Stop();
      Fail(kExitUnsupported, "cannot start the threads", "--threads",
           fmt::format("the system refuses {}", threads), "Use fewer.");
    }
    begun_.wait();
    runner_ = {&Run, this, threads};
  }
  ~Pool() override { Stop(); }

 private:
  struct Call {
    ParallelRunner::Task task;
    void* context;
    uint32_t count, pieces;
    uint32_t ticket;  // the state of its open pieces
  };
  // A piece has cache lines of its own, with all that its worker must know: it
  // waits there, and what a call costs is lines that go from core to core.
  struct alignas(128) Piece {
    // 2 * call: open; 2 * call + 1: taken (or never offered).
    std::atomic<uint32_t> state{1};
    Call call{};
  };

  static void Run(void* pool, ParallelRunner::Task task, void* context,
                  uint32_t count) {
    static_cast<Pool*>(pool)->Run({task, context, count, 0, 0});
  }

  void Run(Call call) {
    call.pieces = std::min(call.count, threads_);
    if (call.pieces == 0) return;
    call.ticket = ticket_ += 2;
    left_.store(call.pieces - 1, std::memory_order_relaxed);
    for (uint32_t i = 1; i < call.pieces; ++i) {
      pieces_[i].call = call;
      // Sequentially consistent, as notify requires: it looks for sleepers only
      // after the store can be seen.
      pieces_[i].state.store(call.ticket);
      pieces_[i].state.notify_one();
    }
    Do(call, 0);
    if (left_.load(std::memory_order_acquire) == 0) return;
    for (uint32_t i = 1; i < call.pieces; ++i) (void)Take(i, call.ticket);
    for (uint32_t left; (left = left_.load(std::memory_order_acquire)) != 0;) {
      Await(left_, left, Clock::now());
    }
  }

  static void Do(const Call& call, uint32_t piece) {
    const uint64_t count = call.count;
    const auto begin = static_cast<uint32_t>(count * piece / call.pieces);
    const auto end = static_cast<uint32_t>(count * (piece + 1) / call.pieces);
    for (uint32_t i = begin; i < end; ++i) call.task(call.context, i);
  }

  // Does piece i if it is still open under this ticket. While a piece is taken
  // and not done, its call is not over: the piece stays what it is.
  bool Take(uint32_t i, uint32_t ticket) {
    uint32_t open = ticket;
    if (!pieces_[i].state.compare_exchange_strong(open, ticket + 1,
                                                  std::memory_order_acq_rel,
                                                  std::memory_order_relaxed)) {
      return false;
    }
    Do(pieces_[i].call, i);
    if (left_.fetch_sub(1) == 1) left_.notify_one();
    return true;
  }

  void Work(uint32_t own) {
    begun_.count_down();
    std::atomic<uint32_t>& state = pieces_[own].state;
    // A worker that comes too late again and again counts as idle: probably it
    // shares a core with the caller, and the system finds it a better one when
    // it wakes up.
    Clock::time_point idle_since = Clock::now();
    for (;;) {
      const uint32_t seen = state.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_relaxed)) return;
      if (seen & 1) {
        Await(state, seen, idle_since);
        continue;
      }
      bool useful = Take(own, seen);
      for (uint32_t i = 1; i < threads_; ++i) useful |= Take(i, seen);
      if (useful) idle_since = Clock::now();
    }
  }

  void Stop() {
    stop_.store(true, std::memory_order_relaxed);
    for (uint32_t i = 1; i < threads_; ++i) {
      pieces_[i].state.fetch_add(2);  // no call is under way: odd stays odd
      pieces_[i].state.notify_one();
    }
    for (std::thread& worker : workers_) worker.join();
  }

  const uint32_t threads_;
  std::array<Piece, kMaxThreads> pieces_;
  alignas(128) std::atomic<uint32_t> left_{0};
  alignas(128) uint32_t ticket_ = 0;
  std::atomic<bool> stop_{false};
  std::latch begun_;
  std::vector<std::thread> workers_;
};

}  // namespace

uint32_t DefaultThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::clamp<uint32_t>(static_cast<uint32_t>(CPU_COUNT(&set)), 1,
                              kMaxThreads);
}

std::unique_ptr<ThreadPool> MakeThreadPool(uint32_t threads) {
  if (threads < 1 || threads > kMaxThreads) {
    Fail(kExitUsage, "cannot start the threads", "--threads",
         fmt::format("{} is out of range", threads),
         fmt::format("Use 1 to {}.", kMaxThreads));
  }
  if (threads == 1) return std::make_unique<Sequential>();
  return std::make_unique<Pool>(threads);
}

}  // namespace temper::host
