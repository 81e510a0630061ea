// See latency.h.
#include "ports/cli/latency.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ports/cli/report_text.h"

namespace temper::host {

void Latency::Add(uint32_t samples, double seconds) {
  if (samples < samples_) return;
  if (samples > samples_) {
    samples_ = samples;
    added_ = 0;
    seconds_.clear();
  }
  // The first makes room for the second.
  if (added_ == 1) seconds_.clear();
  if (seconds_.size() < kMostCalls) {
    seconds_.push_back(static_cast<float>(seconds));
  } else {
    seconds_[static_cast<size_t>(added_ % kMostCalls)] =
        static_cast<float>(seconds);
  }
  ++added_;
}

uint64_t Latency::calls() const { return seconds_.size(); }

double Latency::Seconds(double percent) const {
  std::vector<float> sorted = seconds_;
  const double n = static_cast<double>(sorted.size());
  const size_t rank = static_cast<size_t>(std::ceil(percent / 100.0 * n));
  const size_t at = std::clamp<size_t>(rank, 1, sorted.size()) - 1;
  std::nth_element(sorted.begin(),
                   sorted.begin() + static_cast<std::ptrdiff_t>(at),
                   sorted.end());
  return double{sorted[at]};
}

void Latency::AddTo(Report* report) const {
  if (seconds_.empty()) {
    report->Data("latency", Value());
    return;
  }
  report->Data("latency.samples", samples_);
  report->Data("latency.calls", calls());
  for (const int percent : {50, 90, 99}) {
    report->Data(fmt::format("latency.p{}_ms", percent),
                 Seconds(percent) * 1e3);
  }
}

std::string Latency::Text() const {
  if (seconds_.empty()) return "";
  return fmt::format(
      "latency p50 {:.3g} ms, p90 {:.3g} ms, p99 {:.3g} ms ({} of {}, the "
      "model alone)",
      Seconds(50) * 1e3, Seconds(90) * 1e3, Seconds(99) * 1e3,
      Counted(calls(), "call"), Counted(samples_, "sample"));
}

}  // namespace temper::host
