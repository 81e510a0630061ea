// See region.h.
#include "ports/host/os/region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "ports/host/base/failure.h"
#include "temper/backend.h"

namespace temper::host {
namespace {

struct Range {
  uint8_t* base = nullptr;
  size_t bytes = 0;
};

Range Reserve() {
  constexpr uint64_t kMost =
      sizeof(void*) == 4 ? uint64_t{1} << 30 : uint64_t{64} << 30;
  constexpr uint64_t kLeast = uint64_t{64} << 20;
  int error = 0;
  for (uint64_t bytes = kMost; bytes >= kLeast; bytes /= 2) {
    void* const base =
        mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base != MAP_FAILED) {
      return {static_cast<uint8_t*>(base), static_cast<size_t>(bytes)};
    }
    error = errno;
  }
  FailErrno(ErrorKind::kDoesNotFit, error,
            "cannot reserve address space for XNNPACK", "64 MiB",
            "Raise the limit (ulimit -v), or use --backend highway");
}

Range& TheRange() {
  static Range range = Reserve();
  return range;
}

}  // namespace

void ReserveBackendRegion() {
  const Range& range = TheRange();
  const Status status = UseBackendRegion(range.base, range.bytes);
  if (!status.ok()) Fail(ErrorKind::kBug, status.message, "", "", "");
}

void TrimBackendRegion() {
  const Range& range = TheRange();
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t used =
      (static_cast<size_t>(BackendBytesInUse()) + page - 1) / page * page;
  if (used < range.bytes) {
    madvise(range.base + used, range.bytes - used, MADV_DONTNEED);
  }
}

}  // namespace temper::host
