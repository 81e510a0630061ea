// Top and bottom swapped, with the given probability.
#include <algorithm>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  if (!Happens(call.random[0], call.As<VFlipParams>().p)) return;
  const Shape& s = call.shape;
  const size_t row = size_t{s.w} * s.c;
  WithElements(call, [&](auto* x) {
    for (uint32_t top = 0, bottom = s.h - 1; top < bottom; ++top, --bottom) {
      std::swap_ranges(x + top * row, x + (top + 1) * row, x + bottom * row);
    }
  });
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(VFlipParams, p, 0, 1, "probability"),
};

}  // namespace

extern const AugmentOp kVFlipAugment;
const AugmentOp kVFlipAugment = {
    .name = "vflip",
    .help = "top and bottom swapped",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<VFlipParams>,
    .apply = Apply,
};

}  // namespace temper
