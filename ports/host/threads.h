// ThreadPool: a ParallelRunner (temper/parallel.h) on pthreadpool, or on
// std::thread where a tool must see the synchronisation: ThreadSanitizer cannot
// look into the installed libpthreadpool and would report races that are none.
// One thread needs no pool: everything runs on the caller.
#ifndef TEMPER_PORTS_HOST_THREADS_H_
#define TEMPER_PORTS_HOST_THREADS_H_

#include <cstdint>
#include <memory>

#include "temper/parallel.h"

namespace temper::host {

enum class PoolKind { kPthreadpool, kStdThread };
// kStdThread in a ThreadSanitizer build, else kPthreadpool.
PoolKind DefaultPoolKind();

// CPUs this process may use (its affinity, not the machine), 1 to kMaxThreads.
uint32_t DefaultThreads();

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

// `threads` counts the calling thread. kExitUsage unless 1 to kMaxThreads.
std::unique_ptr<ThreadPool> MakeThreadPool(uint32_t threads,
                                           PoolKind kind = DefaultPoolKind());

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_THREADS_H_
