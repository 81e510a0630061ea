// See plan_check_segments.h.
#include "runtime/plan_check_segments.h"

#include <vector>

#include "runtime/layer.h"
#include "runtime/segment.h"

namespace temper {
namespace {

Status Fail(const char* message, uint32_t node = kNoNode) {
  return Error(StatusCode::kInvalidArgument, message, node);
}

}  // namespace

Status CheckSegments(const Plan& plan) {
  if (plan.options.backend >= Backend::kCount) {
    return Fail("the backend is unknown");
  }
  if (plan.segments.size() > plan.nodes.size() ||
      (!plan.segments.empty() && plan.options.backend != Backend::kXnnpack)) {
    return Fail("there are segments without a backend for them, or too many");
  }
  SegmentBuilder builder(plan.graph, plan.shapes, plan.options.batch,
                         plan.options.training);
  std::vector<uint32_t> of(plan.nodes.size(), kNoSegment);
  uint32_t next = 1;
  for (uint32_t s = 0; s < plan.segments.size(); ++s) {
    const Segment& segment = plan.segments[s];
    if (segment.first < next || segment.last < segment.first ||
        segment.last >= plan.nodes.size()) {
      return Fail("a segment is out of order, or has no nodes", segment.first);
    }
    next = segment.last + 1;
    if (!BuildSegment(
            segment, [](uint32_t) { return nullptr; }, &builder)) {
      return Fail("a node cannot be part of a segment", segment.first);
    }
    for (uint32_t i = segment.first; i <= segment.last; ++i) {
      const NodeMode& mode = plan.nodes[i].mode;
      if (mode.backward || mode.train_weights || mode.live_statistics) {
        return Fail("a segment's node takes part in training", i);
      }
      of[i] = s;
    }
  }
  for (uint32_t i = 0; i < plan.nodes.size(); ++i) {
    if (plan.nodes[i].segment != of[i]) {
      return Fail("a node does not know its segment", i);
    }
  }
  return Ok();
}

}  // namespace temper
