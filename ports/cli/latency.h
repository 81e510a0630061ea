// Latency: how long calls of a model take, as percentiles. The first call meets
// pages of memory and caches that are not there yet: it counts only where it is
// the only one.
#ifndef TEMPER_PORTS_CLI_LATENCY_H_
#define TEMPER_PORTS_CLI_LATENCY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ports/cli/report.h"

namespace temper::host {

class Latency {
 public:
  // A call took so long for so many samples. Of calls of different sizes those
  // of the largest count: a short last batch is left out.
  void Add(uint32_t samples, double seconds);

  uint32_t samples() const { return samples_; }  // of a call
  uint64_t calls() const;                        // that count
  // Nearest rank: the least of them that at least `percent` % do not exceed.
  // percent: above 0, at most 100. There must be a call.
  double Seconds(double percent) const;

  // latency.* in JSON; null without a call.
  void AddTo(Report* report) const;
  // "latency p50 0.21 ms, p90 0.25 ms, p99 0.31 ms (48 calls of 1 sample, the
  // model alone)".
  std::string Text() const;

 private:
  // The last so many: a stream has no end.
  static constexpr size_t kMostCalls = 65536;

  uint32_t samples_ = 0;
  uint64_t added_ = 0;  // of calls of that size
  std::vector<float> seconds_;
};

}  // namespace temper::host

#endif  // TEMPER_PORTS_CLI_LATENCY_H_
