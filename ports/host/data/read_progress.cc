// See read_progress.h.
#include "ports/host/data/read_progress.h"

#include <chrono>

namespace temper::host {
namespace {

std::atomic<ReadProgress::Told> who{nullptr};
std::atomic<ReadProgress::Clock> clock_of_tests{nullptr};
constexpr uint64_t kInterval = 200'000'000;

uint64_t Now() {
  if (const auto clock = clock_of_tests.load(); clock != nullptr) {
    return clock();
  }
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

}  // namespace

void ReadProgress::Tell(Told told, Clock clock) {
  who.store(told);
  clock_of_tests.store(clock);
}

ReadProgress::ReadProgress(uint64_t total)
    : total_(total), next_(Now() + kInterval) {}

ReadProgress::~ReadProgress() {
  const Told told = who.load();
  if (shown_ && told != nullptr) told(done_.load(), total_, true);
}

void ReadProgress::Add() {
  const uint64_t done = done_.fetch_add(1) + 1;
  const Told told = who.load();
  if (told == nullptr || Now() < next_.load()) return;
  // Who comes while another one tells need not.
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || Now() < next_.load()) return;
  next_.store(Now() + kInterval);
  shown_ = true;
  told(done, total_, false);
}

}  // namespace temper::host
