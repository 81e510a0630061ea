// Left and right swapped in every other epoch; half of the samples begin with it.
#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  // The sample's own draw, the same in every epoch: the third word is the epoch.
  const uint32_t first = Philox(
      call.seed, {call.counter[0], call.counter[1], 0, call.counter[3]})[0];
  if (((first ^ call.counter[2]) & 1) == 0) return;
  const Shape& s = call.shape;
  WithElements(call, [&](auto* x) { FlipColumns(s, x); });
}

}  // namespace

extern const AugmentOp kAlternatingFlipAugment;
const AugmentOp kAlternatingFlipAugment = {
    .name = "alternating_flip",
    .help = "left and right swapped in every other epoch",
    .defaults = DefaultsOf<AlternatingFlipParams>,
    .apply = Apply,
};

}  // namespace temper
