// See slow_storage.h.
#include "ports/host/simulate/slow_storage.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace temper::host {

void SlowStorage::OnSave(uint64_t bytes, double seconds) {
  using Clock = std::chrono::steady_clock;
  const double wait =
      per_save_ + per_byte_ * static_cast<double>(bytes) - seconds;
  const auto start = Clock::now();
  const auto left = [&] {
    return wait - std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (double rest; (rest = left()) > 0 && !next_.StopRequested();) {
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::min(rest, 0.05)));
  }
  next_.OnSave(bytes, seconds + (wait - left()));
}

}  // namespace temper::host
