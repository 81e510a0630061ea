// Segments of a plan in the trainer, and temper/backend.h. Everything is made
// when the weights are set; a step fills what a short batch leaves free of the
// inputs with zeros, and invokes.
// Next: segment.h, simd/xnnpack_backend.h.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "runtime/hash.h"
#include "runtime/layer.h"
#include "runtime/segment.h"
#include "simd/elementwise.h"
#include "simd/xnnpack_backend.h"
#include "simd/xnnpack_region.h"
#include "temper/backend.h"
#include "temper/trainer.h"

namespace temper {
namespace {

using simd::xnn::Result;

std::atomic<uint64_t> backend_limit{~uint64_t{0}};

Status StatusOf(Result result) {
  StatusCode code = StatusCode::kUnsupported;
  if (result == Result::kOk) return Ok();
  if (result == Result::kNoRegion) code = StatusCode::kWrongState;
  if (result == Result::kOutOfRange) code = StatusCode::kArenaTooSmall;
  return Error(code, simd::xnn::ResultText(result));
}

// A segment in the backend's terms. at(tensor): where a planned tensor lies.
template <class At>
bool Translate(const Plan& plan, const Segment& segment, At&& at,
               SegmentBuilder* builder, simd::xnn::Segment* out) {
  const float* weights[kMaxWeights];
  const auto of = [&](uint32_t i) {
    for (uint32_t w = 0; w < kMaxWeights; ++w) {
      weights[w] = w < plan.nodes[i].weight_count ? at(plan.nodes[i].weights[w])
                                                  : nullptr;
    }
    return weights;
  };
  if (!BuildSegment(segment, of, builder)) return false;
  *out = builder->Finish(segment.last);
  builder->ForEachInput([&](uint32_t node, uint32_t value) {
    builder->values()[value].data = at(plan.nodes[node].output);
  });
  builder->ForEachOutput([&](uint32_t node, uint32_t value) {
    builder->values()[value].data = at(plan.nodes[node].output);
  });
  return true;
}

SegmentBuilder BuilderOf(const Plan& plan) {
  return {plan.graph, plan.shapes, plan.options.batch, plan.options.training};
}

}  // namespace

BackendTraits BackendInfo(Backend backend) {
  if (backend == Backend::kXnnpack) {
    return {"xnnpack", "XNNPACK for what only predicts: not exact",
            simd::xnn::Available(), false, simd::xnn::Version()};
  }
  return {"highway", "temper's own kernels: the same bits on every CPU", true,
          true, ""};
}

Status UseBackendRegion(void* memory, size_t bytes) {
  if (simd::xnn::SetRegion(memory, bytes)) return Ok();
  return simd::xnn::HasRegion()
             ? Error(StatusCode::kWrongState,
                     "the backend has another region already: the first one "
                     "stays as long as the process")
             : Error(StatusCode::kInvalidArgument,
                     "the backend's region must be aligned to 64 bytes, and "
                     "not empty");
}

void SetBackendLimit(uint64_t bytes) { backend_limit.store(bytes); }
uint64_t BackendBytesInUse() { return simd::xnn::RegionUsed(); }
uint64_t BackendPeak() { return simd::xnn::RegionPeak(); }
uint64_t BackendRequests() { return simd::xnn::RegionRequests(); }

Status MeasureBackend(Plan* plan) {
  plan->backend_bytes = 0;
  if (plan->segments.empty()) return Ok();
  TEMPER_RETURN_IF_ERROR(StatusOf(simd::xnn::Initialize()));
  // Data and weights mean nothing, but weights are read: from the region, which
  // is larger than any of them, or Create refuses.
  float* const anything = static_cast<float*>(simd::xnn::RegionBase());
  std::vector<SegmentBuilder> builders;
  std::vector<simd::xnn::Segment> segments(plan->segments.size());
  builders.reserve(segments.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    builders.push_back(BuilderOf(*plan));
    if (!Translate(
            *plan, plan->segments[s], [&](uint32_t) { return anything; },
            &builders.back(), &segments[s])) {
      return Error(StatusCode::kInternal, "a segment cannot be made",
                   plan->segments[s].first);
    }
  }
  void* pool;
  TEMPER_RETURN_IF_ERROR(
      StatusOf(simd::xnn::PoolOf(plan->options.threads, &pool)));
  return StatusOf(simd::xnn::Measure(segments.data(),
                                     static_cast<uint32_t>(segments.size()),
                                     pool, &plan->backend_bytes));
}

Trainer::Segments& Trainer::Segments::operator=(Segments&& from) noexcept {
  // Its own go with `from`, at the latest.
  std::swap(runtimes, from.runtimes);
  std::swap(weights, from.weights);
  from.Clear();
  return *this;
}

void Trainer::Segments::Clear() {
  for (void* const handle : runtimes) {
    simd::xnn::Runtime runtime = {handle};
    simd::xnn::Delete(&runtime);
  }
  runtimes.clear();
}

Status Trainer::PrepareBackend() {
  TEMPER_RETURN_IF_ERROR(CheckCreated());
  if (!weights_are_set_) TEMPER_RETURN_IF_ERROR(CheckWeights());
  if (plan_.segments.empty()) {
    backend_is_ready_ = true;
    return Ok();
  }
  Fnv1a hash;
  for (const TensorView& view : tensors_) {
    if (plan_.nodes[view.node].segment == kNoSegment) continue;
    uint32_t bad = 0;  // exponents of all ones
    for (uint64_t i = 0; i < view.count; ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(view.data[i]);
      bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    if (bad != 0) {
      return Error(StatusCode::kNotFinite,
                   "a weight is not finite, and XNNPACK might not show it",
                   view.node);
    }
    hash.Bytes(view.data, view.count * sizeof(float));
  }
  if (!segments_.runtimes.empty() && segments_.weights == hash.value()) {
    backend_is_ready_ = true;
    return Ok();
  }
  // The old ones first: there need be no room for both.
  segments_.Clear();
  backend_is_ready_ = false;
  if (plan_.backend_bytes == 0) {
    return Error(StatusCode::kWrongState,
                 "nobody knows what the segments take: call MeasureBackend "
                 "before Create");
  }
  const uint64_t limit =
      std::min<uint64_t>(backend_limit.load(), simd::xnn::RegionBytes());
  const uint64_t used = simd::xnn::RegionUsed();
  if (used > limit || plan_.backend_bytes > limit - used) {
    Status status = Error(StatusCode::kArenaTooSmall,
                          "the backend's memory is smaller than its segments");
    status.bytes = used + plan_.backend_bytes;
    return status;
  }
  void* pool;
  TEMPER_RETURN_IF_ERROR(StatusOf(simd::xnn::PoolOf(parallel_.threads, &pool)));
  simd::xnn::ResetPeak();
  SegmentBuilder builder = BuilderOf(plan_);
  Segments made;
  for (const Segment& segment : plan_.segments) {
    simd::xnn::Segment translated;
    if (!Translate(
            plan_, segment, [&](uint32_t tensor) { return At(tensor); },
            &builder, &translated)) {
      return Error(StatusCode::kInternal, "a segment cannot be made",
                   segment.first);
    }
    simd::xnn::Runtime runtime;
    Status status = StatusOf(simd::xnn::Create(translated, pool, &runtime));
    if (!status.ok()) {
      status.node = segment.first;
      return status;
    }
    made.runtimes.push_back(runtime.handle);
  }
  made.weights = hash.value();
  segments_ = std::move(made);
  backend_is_ready_ = true;
  return Ok();
}

Status Trainer::RunSegment(const ProgramStep& step,
                           const StepContext& context) {
  const uint32_t index = plan_.nodes[step.node].segment;
  const Segment& segment = plan_.segments[index];
  const uint32_t rest = plan_.options.batch - context.rows;
  for (uint32_t i = segment.first; i <= segment.last && rest != 0; ++i) {
    const Node& node = plan_.graph.nodes[i];
    for (uint32_t k = 0; k < node.input_count; ++k) {
      const uint32_t from = node.inputs[k];
      if (from >= segment.first) continue;
      const uint64_t count = plan_.shapes[from].Count();
      simd::Fill(rest * count, 0.0f,
                 At(plan_.nodes[from].output) + context.rows * count,
                 parallel_);
    }
  }
  const simd::xnn::Runtime runtime = {segments_.runtimes[index]};
  return simd::xnn::Invoke(runtime)
             ? Ok()
             : Error(StatusCode::kInternal, "XNNPACK failed to run a segment",
                     step.node);
}

}  // namespace temper
