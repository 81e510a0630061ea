// Dropout: while training, element i of a sample is kept with probability
// 1 - rate. Inverted (default): kept elements are scaled by 1 / (1 - rate) and
// inference is the identity. Classic (Srivastava et al. 2014): nothing is
// scaled while training, inference scales by 1 - rate.   dx: the same mask and
// factor. The mask is a function of (seed, epoch, sample id, node, element): it
// is drawn again in backward, so nothing is saved, and neither resume nor
// freezing nor the place in the batch changes it. Kernels: simd/elementwise.h.
// Reference: tests/reference/elementwise.h.
#include "runtime/layer.h"
#include "simd/elementwise.h"
#include "temper/random.h"

namespace temper {
namespace {

constexpr Field kFields[] = {
    // Below 1: something must be left.
    TEMPER_FIELD_F32(DropoutParams, rate, 0.0, 0.999,
                     "probability that an element becomes 0"),
    TEMPER_FIELD_U32(DropoutParams, classic, 0, 1,
                     "scale by 1 - rate in inference, instead of by 1 / (1 - "
                     "rate) in training"),
};

Status InferShape(const Node&, const Shape* in, Shape* out) {
  *out = in[0];
  return Ok();
}

void StateNeeds(const NeedsCall&, Needs* needs) {
  needs->InPlace();
  needs->InPlaceBackward();
}

// Words below this drop the element: rate of 2^32, rounded down.
uint32_t Threshold(float rate) {
  return static_cast<uint32_t>(static_cast<double>(rate) * 4294967296.0);
}

void Mask(const Call& call, const float* from, bool accumulate, float* to) {
  const DropoutParams& p = call.As<DropoutParams>();
  const float factor = p.classic ? 1.0f : 1.0f / (1.0f - p.rate);
  simd::Dropout(call.rows, call.out.Count(), from, factor, Threshold(p.rate),
                call.step.seed, call.step.sample_ids, call.step.epoch,
                RandomStream(RandomUse::kDropout, call.node_index), accumulate,
                to, call.parallel);
}

void Forward(const Call& call) {
  const DropoutParams& p = call.As<DropoutParams>();
  // Above frozen layers too, where no gradient arrives: a head on frozen
  // features is regularised by the dropout in front of it.
  if (call.step.training) {
    Mask(call, call.x[0], false, call.y);
  } else if (p.classic) {
    simd::Scale(call.OutCount(), 1.0f - p.rate, call.x[0], call.y,
                call.parallel);
  } else if (call.y != call.x[0]) {
    simd::Copy(call.OutCount(), call.x[0], call.y, call.parallel);
  }
}

void Backward(const Call& call) {
  if (call.dx[0] == nullptr) return;
  Mask(call, call.dy, call.accumulate[0], call.dx[0]);
}

// Drawing the mask is worth more threads than its bytes.
void Cost(const CostCall& call, CostSink* sink) {
  constexpr size_t kGrain = simd::kElementGrain / 2;
  if (!call.Backward()) {
    sink->Stream(call.training ? Kernel::kDropout : Kernel::kCopy, call.out.c,
                 kGrain, {call.x[0], call.y});
  } else if (call.mode.need_dx[0]) {
    sink->Stream(Kernel::kDropout, call.out.c, kGrain,
                 {call.dy, call.dx[0], call.AddedTo()});
  }
}

// Nothing to be done in inference, unless it scales.
bool Express(const SegmentCall& call, SegmentBuilder* builder) {
  return !call.training && !call.As<DropoutParams>().classic &&
         builder->Identity();
}

}  // namespace

extern const LayerOp kDropoutOp;
const LayerOp kDropoutOp = {
    .name = "dropout",
    .help = "zeroes elements at random while training",
    .shapes = "(h, w, c) -> the same",
    .role = LayerRole::kDropout,
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<DropoutParams>,
    .shape = InferShape,
    .needs = StateNeeds,
    .forward = Forward,
    .backward = Backward,
    .cost = Cost,
    .xnnpack = Express,
};

}  // namespace temper
