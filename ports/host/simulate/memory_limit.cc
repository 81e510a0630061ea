// See memory_limit.h.
#include "ports/host/simulate/memory_limit.h"

#include <algorithm>

#include "ports/host/machine/system.h"

namespace temper::host {

uint64_t StatusBytes(const char* name) {
  return MemInfoBytes(ReadText("/proc/self/status"), name).value_or(0);
}

MemoryLimit::MemoryLimit(uint64_t bytes, uint32_t threads) {
  constexpr uint64_t kStack = uint64_t{8} << 20, kHugePage = uint64_t{2} << 20;
  const uint64_t now = StatusBytes("VmData");
  if (getrlimit(RLIMIT_DATA, &before_) != 0 || now == 0) return;
  const uint64_t wanted =
      now + bytes + 2 * kHugePage + (threads + 2) * kStack + kProcessBytes;
  rlimit limit = before_;
  limit.rlim_cur = std::min<rlim_t>(wanted, before_.rlim_cur);
  limited_ = setrlimit(RLIMIT_DATA, &limit) == 0;
}

MemoryLimit::~MemoryLimit() {
  if (limited_) setrlimit(RLIMIT_DATA, &before_);
}

}  // namespace temper::host
