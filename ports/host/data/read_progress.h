// How far the reading of pictures has come, for whoever shows it: decoding
// thousands of them takes a while on a small board.
#ifndef TEMPER_PORTS_HOST_DATA_READ_PROGRESS_H_
#define TEMPER_PORTS_HOST_DATA_READ_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <mutex>

namespace temper::host {

class ReadProgress {
 public:
  // `done` of `total` pictures. The last call has ended: what was shown can go.
  using Told = void (*)(uint64_t done, uint64_t total, bool ended);
  using Clock = uint64_t (*)();  // nanoseconds, never backwards
  // Who is told, in all of the process; null: nobody. `clock` is for tests.
  static void Tell(Told told, Clock clock = nullptr);

  explicit ReadProgress(uint64_t total);
  ~ReadProgress();
  ReadProgress(const ReadProgress&) = delete;
  ReadProgress& operator=(const ReadProgress&) = delete;

  // One more is done. From any thread; tells five times a second at most, and
  // not in the first fifth.
  void Add();

 private:
  const uint64_t total_;
  std::atomic<uint64_t> done_{0}, next_;  // when to tell again: nanoseconds
  std::mutex mutex_;                      // of telling
  bool shown_ = false;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_DATA_READ_PROGRESS_H_
