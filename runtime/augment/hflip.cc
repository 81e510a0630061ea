// Left and right swapped, with the given probability.
#include <algorithm>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  if (!Happens(call.random[0], call.As<HFlipParams>().p)) return;
  const Shape& s = call.shape;
  WithElements(call, [&](auto* x) {
    for (uint32_t i = 0; i < s.h; ++i, x += size_t{s.w} * s.c) {
      for (uint32_t left = 0, right = s.w - 1; left < right; ++left, --right) {
        std::swap_ranges(x + size_t{left} * s.c, x + size_t{left + 1} * s.c,
                         x + size_t{right} * s.c);
      }
    }
  });
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
