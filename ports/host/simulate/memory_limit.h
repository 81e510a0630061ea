// The memory of this process, limited to what a simulated device would have for
// the job. Stated in docs/simulation.md. Next: prediction.h.
#ifndef TEMPER_PORTS_HOST_SIMULATE_MEMORY_LIMIT_H_
#define TEMPER_PORTS_HOST_SIMULATE_MEMORY_LIMIT_H_

#include <sys/resource.h>

#include <cstdint>

namespace temper::host {

// What the process takes besides arena, data and batches: the program and its
// libraries, stacks, the graph. The run is checked against it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// The sanitizer's shadow of the memory, its own heap and what it keeps back.
inline constexpr uint64_t kProcessBytes = uint64_t{1} << 30;
#else
inline constexpr uint64_t kProcessBytes = uint64_t{32} << 20;
#endif

// Bytes of a field of /proc/self/status ("VmHWM"), 0 where there is none.
uint64_t StatusBytes(const char* name);

// For the life of this object the kernel refuses whatever asks for more than
// `bytes`, `threads` stacks and kProcessBytes beyond what the process has now.
class MemoryLimit {
 public:
  MemoryLimit(uint64_t bytes, uint32_t threads);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_ = {};
  bool limited_ = false;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_SIMULATE_MEMORY_LIMIT_H_
