// Left and right swapped, with the given probability.
#include <algorithm>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  if (!Happens(call.random[0], call.amount)) return;
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

}  // namespace

extern const AugmentOp kHFlipAugment;
const AugmentOp kHFlipAugment = {
    "hflip", 0.5f, 0.0f, 1.0f, false, "a probability, 0 to 1", Apply};

}  // namespace temper
