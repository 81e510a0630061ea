// See backend.h.
#include "ports/host/train/backend.h"

#include <fmt/format.h>

#include "ports/host/base/failure.h"
#include "ports/host/machine/machine.h"
#include "ports/host/os/region.h"
#include "ports/host/train/job.h"
#include "simd/target.h"

namespace temper::host {
namespace {

Backend At(uint32_t i) { return static_cast<Backend>(i); }
constexpr uint32_t kCount = static_cast<uint32_t>(Backend::kCount);

}  // namespace

std::string BackendNames() {
  std::string names;
  for (uint32_t i = 0; i < kCount; ++i) {
    names += (i == 0 ? "" : ", ") + std::string(BackendInfo(At(i)).name);
  }
  return names;
}

Backend ReadBackend(const std::string& name) {
  for (uint32_t i = 0; i < kCount; ++i) {
    const BackendTraits info = BackendInfo(At(i));
    if (name != info.name) continue;
    if (!info.available) {
      Fail(ErrorKind::kUnsupported, "--backend", Printable(name),
           "this temper was built without the library",
           "Use --backend highway, or build it where libxnnpack-dev and "
           "libpthreadpool-dev are installed");
    }
    return At(i);
  }
  Fail(ErrorKind::kUsage, "--backend", Printable(name), "no such backend",
       fmt::format("There are: {}", BackendNames()));
}

void MeasureSegments(Plan* plan, const std::string& what) {
  if (plan->segments.empty()) return;
  ReserveBackendRegion();
  const Status status = MeasureBackend(plan);
  if (!status.ok()) FailStatus(status, plan->graph, what);
  TrimBackendRegion();
}

uint64_t TotalBytes(const Plan& plan) {
  return plan.arena_bytes + plan.backend_bytes;
}

void PrepareSegments(Trainer& trainer, const std::string& what) {
  if (trainer.plan().segments.empty()) return;
  // What was announced, beside what other trainers have.
  SetBackendLimit(BackendBytesInUse() + trainer.plan().backend_bytes);
  const Status status = trainer.PrepareBackend();
  if (!status.ok()) FailStatus(status, trainer.plan().graph, what);
}

std::string ArithmeticOfBackend(const Plan& plan) {
  if (plan.segments.empty()) return "";
  const BackendTraits info = BackendInfo(plan.options.backend);
  // The library chooses its kernels by what the CPU can do: the best target says that.
  simd::Target best = {};
  simd::SupportedTargets(&best, 1);
  return fmt::format("{} {}, {} ({}), {} thread{}", info.name, info.library,
                     CpuName().empty() ? "unknown CPU" : CpuName(), best.name,
                     plan.options.threads,
                     plan.options.threads == 1 ? "" : "s");
}

std::string WhyNotExact(const Plan& plan) {
  if (!plan.segments.empty()) {
    return "XNNPACK rounds as its kernels for this CPU do";
  }
  return simd::CurrentTarget().exact
             ? ""
             : "without fused multiply-add results differ slightly";
}

std::string SegmentsText(const Plan& plan) {
  uint32_t layers = 0;
  for (const Segment& segment : plan.segments) {
    layers += segment.last - segment.first + 1;
  }
  return fmt::format("{} of {} layers in {} part{}", layers, plan.nodes.size(),
                     plan.segments.size(),
                     plan.segments.size() == 1 ? "" : "s");
}

}  // namespace temper::host
