// ThreadPool: a ParallelRunner (temper/parallel.h) on std::thread. Why not an
// installed pool: docs/design/008-thread-pool.md (measured).
//
// A call's indices are cut into one piece per thread. Piece 0 belongs to the
// caller, piece i to worker i, so that the same weights stay in the same core's
// cache from call to call; a thread that finishes early takes the last index of
// another piece that has not begun, one after the other. The caller never
// waits for a thread that has not begun: where the system gives a core to
// another process, a call takes longer, but does not stall. Waiting threads
// spin for a short time, then sleep. One thread needs no pool: everything runs
// on the caller.
#ifndef TEMPER_PORTS_HOST_OS_THREADS_H_
#define TEMPER_PORTS_HOST_OS_THREADS_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "temper/parallel.h"

namespace temper::host {

// CPUs this process may use, 1 to kMaxThreads: those of its affinity, not the
// machine's, limited by the CPU time of its control groups, rounded up.
uint32_t DefaultThreads();
// Of the affinity alone.
uint32_t CpusOfAffinity();

// A thread that the system refused to start: kUnsupported with a remedy.
[[noreturn]] void FailNoThread(std::string_view why);

class ThreadPool {
 public:
  virtual ~ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Valid as long as the pool; used by one thread at a time.
  const ParallelRunner& runner() const { return runner_; }

 protected:
  ThreadPool() = default;
  ParallelRunner runner_;
};

// `threads` counts the calling thread. kUsage unless 1 to kMaxThreads;
// kUnsupported where the system refuses to start them. All of them run when
// it returns: the cost of starting threads is not part of a step.
std::unique_ptr<ThreadPool> MakeThreadPool(uint32_t threads);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_OS_THREADS_H_
