// Progress of a long run, on stderr. On a terminal one line that is
// overwritten, at most 5 times a second:
//
//   epoch  3/20   412/900  loss 0.7128  acc 74.2 %  ETA 6m12s  41 samples/s  lr 0.003
//
// Lines have at most 80 columns: what counts least is left out first. The line of
// a finished epoch has no time or speed, and ends in the rate. Samples per second
// are a mean of the last measurements, with all that a run does in between; the
// result of a run tells those of its training steps alone.
// Elsewhere (a log file, a service) plain lines: one per epoch and at least one
// every 30 seconds. ASCII without colours or escape codes. Updating formats
// into a fixed buffer and writes with write(2): no allocation.
#ifndef TEMPER_PORTS_CLI_PROGRESS_H_
#define TEMPER_PORTS_CLI_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ports/host/train/run_observer.h"

namespace temper::host {

class Progress {
 public:
  using Clock = uint64_t (*)();  // nanoseconds, never backwards

  enum class Style { kAuto, kTerminal, kPlain, kQuiet };
  // kAuto asks isatty(fd). `clock` is for tests; nullptr: CLOCK_MONOTONIC.
  explicit Progress(Style style = Style::kAuto, int fd = 2,
                    Clock clock = nullptr);

  // Call after every step: returns at once unless a line is due.
  void Update(const ProgressState& state);
  // The last word on an epoch; never dropped. Negative: no validation.
  void EndEpoch(const ProgressState& state, double val_loss = -1.0,
                double val_accuracy = -1.0, double val_mae = -1.0);
  // A line of its own, without disturbing the progress line.
  void Line(std::string_view text);
  // Text that takes the place of the progress line; nothing but on a terminal.
  void Work(std::string_view text);
  // Of pictures that are read (ReadProgress::Told).
  void Reading(uint64_t done, uint64_t total, bool ended);
  // Takes the progress line off the terminal.
  void Clear();

  // Samples per second, smoothed; 0 before the first measurement.
  double SamplesPerSecond() const { return rate_; }
  // Forget the speed: the work per sample has changed (layers unfrozen).
  void ResetSpeed();

 private:
  static constexpr size_t kBuffer = 512;

  void Measure(const ProgressState& state, uint64_t now);
  // Of a finished epoch; negative: none.
  struct Validation {
    double loss, accuracy, mae;
  };
  size_t Format(const ProgressState& state, const Validation* val,
                char* to) const;
  void WriteTerminal(const char* text, size_t size);
  void Write(const char* text, size_t size);

  Style style_;
  int fd_;
  Clock clock_;
  uint64_t last_line_ = 0;     // when the last line was written
  uint64_t last_measure_ = 0;  // when rate_ was last renewed
  uint64_t last_samples_ = 0;
  bool measured_ = false;  // last_measure_ holds
  double rate_ = 0.0;
  size_t shown_ = 0;  // columns of the line on the terminal
};

// What a long verb is doing, on a terminal alone: a line on stderr that is
// overwritten; "" takes it off.
void ShowWork(std::string_view text);

// Progress::Reading of the process, on stderr.
void ShowReading(uint64_t done, uint64_t total, bool ended);

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_PROGRESS_H_
