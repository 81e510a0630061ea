// Left and right swapped, with the given probability.
#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  if (!Happens(call.random[0], call.As<HFlipParams>().p)) return;
  const Shape& s = call.shape;
  WithElements(call, [&](auto* x) { FlipColumns(s, x); });
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(HFlipParams, p, 0, 1, "probability"),
};

}  // namespace

extern const AugmentOp kHFlipAugment;
const AugmentOp kHFlipAugment = {
    .name = "hflip",
    .help = "left and right swapped",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<HFlipParams>,
    .apply = Apply,
};

}  // namespace temper
