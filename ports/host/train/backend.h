// Backends by name, and what a plan with segments of one takes beside its arena.
// Next: temper/backend.h, ports/host/os/region.h.
#ifndef TEMPER_PORTS_HOST_TRAIN_BACKEND_H_
#define TEMPER_PORTS_HOST_TRAIN_BACKEND_H_

#include <cstdint>
#include <string>

#include "temper/temper.h"

namespace temper::host {

template <class F>
void ForEachBackend(F&& f) {
  for (uint32_t i = 0; i < static_cast<uint32_t>(Backend::kCount); ++i) {
    f(BackendInfo(static_cast<Backend>(i)));
  }
}

// "highway, xnnpack"
std::string BackendNames();
// kUsage for an unknown name, kUnsupported if this build lacks it.
Backend ReadBackend(const std::string& name);

// Fills plan->backend_bytes by making the segments once, here; `what` is the
// plan's for messages. Does nothing for a plan without segments.
void MeasureSegments(Plan* plan, const std::string& what);

// Arena and backend together.
uint64_t TotalBytes(const Plan& plan);

// Makes a trainer's segments from the weights that it has now, in no more memory
// than the plan says. `what` as above.
void PrepareSegments(Trainer& trainer, const std::string& what);

// What decides the bits of a plan's segments: backend, version of the library,
// CPU (it chooses the kernels) and threads. "" for temper's own kernels.
std::string ArithmeticOfBackend(const Plan& plan);

// Why results of this plan are not the same bits everywhere; "": they are.
std::string WhyNotExact(const Plan& plan);

// "56 of 61 layers in 1 part"
std::string SegmentsText(const Plan& plan);

}  // namespace temper::host

#endif  // TEMPER_PORTS_HOST_TRAIN_BACKEND_H_
