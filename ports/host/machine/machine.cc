// See machine.h. The best of several runs counts: whatever else the machine
// does can only make one slower.
#include "ports/host/machine/machine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>

#include "ports/host/base/failure.h"
#include "ports/host/machine/system.h"
#include "simd/machine.h"

namespace temper::host {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

double FmaPeakGflops(const ParallelRunner& parallel) {
  // Long enough that waking the threads does not count, short enough that one
  // of the runs is not disturbed.
  constexpr size_t kSteps = 500000;
  constexpr int kRuns = 100;
  struct Context {
    double operations[kMaxThreads];
  } context = {};
  const auto task = [](void* opaque, uint32_t i, uint32_t) {
    static_cast<Context*>(opaque)->operations[i] = simd::RunFmaLoop(kSteps);
  };
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = Clock::now();
    if (parallel.run == nullptr) {
      task(&context, 0, 0);
    } else {
      parallel.run(parallel.pool, task, &context, parallel.threads,
                   parallel.threads);
    }
    const double seconds = SecondsSince(begin);
    double operations = 0;
    for (const double o : context.operations) operations += o;
    best = std::max(best, operations / seconds * 1e-9);
  }
  return best;
}

double CopyGbytesPerSecond(const ParallelRunner& parallel) {
  constexpr int kRuns = 7;
  constexpr size_t kMiB = size_t{1} << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
  const long cache = std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE));
#else
  const long cache = 0;
#endif
  const size_t bytes =
      std::clamp(2 * static_cast<size_t>(cache), 64 * kMiB, 256 * kMiB);
  std::unique_ptr<char[]> from(new (std::nothrow) char[bytes]);
  std::unique_ptr<char[]> to(new (std::nothrow) char[bytes]);
  if (!from || !to) {
    Fail(ErrorKind::kDoesNotFit, "cannot measure the memory",
         fmt::format("two buffers of {} MiB", bytes / kMiB), "out of memory",
         "Free memory");
  }
  std::memset(from.get(), 1, bytes);
  std::memset(to.get(), 2, bytes);
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = Clock::now();
    ParallelFor(parallel, bytes, kMiB, [&](size_t first, size_t last, size_t) {
      std::memcpy(to.get() + first, from.get() + first, last - first);
    });
    const double gbytes = 2e-9 * static_cast<double>(bytes);
    best = std::max(best, gbytes / SecondsSince(begin));
  }
  return best;
}

std::string CpuName() {
  return Printable(CpuNameOf(ReadText("/proc/cpuinfo")));
}

}  // namespace temper::host
