// The thread pool. Behaviour: threads.h.
#include "ports/host/os/threads.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <latch>
#include <system_error>
#include <vector>

#include "ports/host/base/failure.h"
#include "ports/host/os/cgroup.h"
#include "ports/host/os/thread.h"

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
      FailNoThread(fmt::format("the system refuses {}", threads));
    }
    begun_.wait();
    runner_ = {&Run, this, threads};
    runner_.each = &Each;
  }
  ~Pool() override { Stop(); }

 private:
  // The call, as workers see it.
  struct Call {
    ParallelRunner::Task task;
    void* context;
    uint32_t base;    // of the indices that the pieces count
    uint32_t count;   // at most kMostIndices
    uint32_t pieces;  // at most as many as there are slots
  };
  // A share of a call. It has cache lines of its own, which hold everything
  // that its worker reads and waits on: the cost of a call is the traffic of
  // cache lines between cores.
  struct alignas(128) Piece {
    std::atomic<uint32_t> offered{0};  // the last call's ticket
    // The indices that have not begun: ticket, first index, end.
    std::atomic<uint64_t> open{0};
    Call call{};
  };
  static constexpr uint32_t kMostIndices = 0xffff;
  static_assert(std::atomic<uint64_t>::is_always_lock_free);

  static void Run(void* pool, ParallelRunner::Task task, void* context,
                  uint32_t count, uint32_t slots) {
    for (uint32_t base = 0; base < count; base += kMostIndices) {
      const uint32_t part = std::min(count - base, kMostIndices);
      static_cast<Pool*>(pool)->Run({task, context, base, part, slots});
    }
  }

  // As many indices as threads, and each waits until all have begun: a waiting
  // thread cannot take another one's. Every worker with a piece has been woken.
  static void Each(void* pool, ParallelRunner::Task task, void* context,
                   uint32_t slots) {
    struct Meeting {
      ParallelRunner::Task task;
      void* context;
      uint32_t threads;
      std::atomic<uint32_t> arrived{0};
    } meeting{task, context,
              std::min(slots, static_cast<Pool*>(pool)->threads_)};
    Run(
        pool,
        [](void* opaque, uint32_t i, uint32_t slot) {
          Meeting& m = *static_cast<Meeting*>(opaque);
          m.task(m.context, i, slot);
          m.arrived.fetch_add(1);
          while (m.arrived.load() < m.threads) sched_yield();
        },
        &meeting, meeting.threads, meeting.threads);
  }

  void Run(Call call) {
    call.pieces = std::min({call.count, call.pieces, threads_});
    const uint32_t ticket = ++ticket_;
    left_.store(call.count, std::memory_order_relaxed);
    for (uint32_t i = 0; i < call.pieces; ++i) {
      Piece& piece = pieces_[i];
      piece.call = call;
      const uint32_t first = call.count * i / call.pieces;
      const uint32_t end = call.count * (i + 1) / call.pieces;
      piece.open.store(uint64_t{ticket} << 32 | first << 16 | end,
                       std::memory_order_release);
      if (i == 0) continue;
      // Sequentially consistent, as notify requires: it looks for sleepers only
      // after the store can be seen.
      piece.offered.store(ticket);
      piece.offered.notify_one();
    }
    // The caller counts its own indices separately: the workers write the cache
    // line of `left_`.
    uint32_t own = TakeFrom(0, ticket, 0, &call);
    for (uint32_t i = 1; i < call.pieces; ++i) {
      if (left_.load(std::memory_order_acquire) == own) return;
      own += TakeFrom(i, ticket, 0, &call);
    }
    for (uint32_t left;
         (left = left_.load(std::memory_order_acquire)) != own;) {
      Await(left_, left, Clock::now());
    }
  }

  // Takes one index of a piece, if its call is the one of the ticket: the owner
  // the first one, other threads the last.
  static bool TakeIndex(Piece& piece, uint32_t ticket, bool owner,
                        uint32_t* index) {
    uint64_t open = piece.open.load(std::memory_order_acquire);
    for (;;) {
      const uint32_t first = open >> 16 & 0xffff, end = open & 0xffff;
      if (open >> 32 != ticket || first == end) return false;
      *index = owner ? first : end - 1;
      if (piece.open.compare_exchange_weak(
              open, owner ? open + 0x10000 : open - 1,
              std::memory_order_acquire, std::memory_order_acquire)) {
        return true;
      }
    }
  }

  // Runs the indices of piece i that have not begun and returns their number.
  // While an index is taken and not done, its call is not over, and the piece
  // does not change.
  uint32_t TakeFrom(uint32_t i, uint32_t ticket, uint32_t slot, Call* call) {
    Piece& piece = pieces_[i];
    uint32_t done = 0;
    for (uint32_t index; TakeIndex(piece, ticket, i == slot, &index); ++done) {
      *call = piece.call;
      call->task(call->context, call->base + index, slot);
    }
    return done;
  }

  // The same for a worker. True, and the call is known, if it did something.
  bool Help(uint32_t i, uint32_t ticket, uint32_t slot, Call* call) {
    const uint32_t done = TakeFrom(i, ticket, slot, call);
    if (done == 0) return false;
    left_.fetch_sub(done);
    left_.notify_one();
    return true;
  }

  void Work(uint32_t own) {
    begun_.count_down();
    std::atomic<uint32_t>& offered = pieces_[own].offered;
    // A worker that comes too late again and again counts as idle: probably it
    // shares a core with the caller, and the system finds it a better one when
    // it wakes up.
    Clock::time_point idle_since = Clock::now();
    for (uint32_t last = 0;;) {
      const uint32_t ticket = offered.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_relaxed)) return;
      if (ticket == last) {
        Await(offered, ticket, idle_since);
        continue;
      }
      last = ticket;
      Call call{};
      bool useful = Help(own, ticket, own, &call);
      for (uint32_t i = 1; i < threads_; ++i)
        if (i != own && Help(i, ticket, own, &call)) useful = true;
      // The caller last. With one index each it has begun its own, and a look
      // at it would take its line away.
      if (call.count > call.pieces && Help(0, ticket, own, &call))
        useful = true;
      if (useful) idle_since = Clock::now();
    }
  }

  void Stop() {
    stop_.store(true, std::memory_order_relaxed);
    for (uint32_t i = 1; i < threads_; ++i) {
      pieces_[i].offered.fetch_add(1);  // no call is under way
      pieces_[i].offered.notify_one();
    }
    for (Thread& worker : workers_) worker.join();
  }

  const uint32_t threads_;
  std::array<Piece, kMaxThreads> pieces_;
  alignas(128) std::atomic<uint32_t> left_{0};
  alignas(128) uint32_t ticket_ = 0;
  alignas(128) std::atomic<bool> stop_{false};
  std::latch begun_;
  std::vector<Thread> workers_;
};

}  // namespace

uint32_t DefaultThreads() {
  const uint32_t limit = ReadCgroupLimits().cpus.value_or(kMaxThreads);
  return std::clamp<uint32_t>(std::min(CpusOfAffinity(), limit), 1,
                              kMaxThreads);
}

uint32_t CpusOfAffinity() {
  // The kernel refuses (EINVAL) a set that is smaller than its own.
  for (size_t cpus = CPU_SETSIZE; cpus <= size_t{1} << 20; cpus *= 2) {
    std::vector<cpu_set_t> set(cpus / CPU_SETSIZE);
    const size_t bytes = set.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, set.data()) == 0) {
      return static_cast<uint32_t>(std::max(1, CPU_COUNT_S(bytes, set.data())));
    }
    if (errno != EINVAL) break;
  }
  return 1;
}

void FailNoThread(std::string_view why) {
  Fail(ErrorKind::kUnsupported, "cannot start the threads", "--threads", why,
       "Use fewer, or allow more (ulimit -u, TasksMax=).");
}

std::unique_ptr<ThreadPool> MakeThreadPool(uint32_t threads) {
  if (threads < 1 || threads > kMaxThreads) {
    Fail(ErrorKind::kUsage, "cannot start the threads", "--threads",
         fmt::format("{} is out of range", threads),
         fmt::format("Use 1 to {}.", kMaxThreads));
  }
  if (threads == 1) return std::make_unique<Sequential>();
  return std::make_unique<Pool>(threads);
}

}  // namespace temper::host
