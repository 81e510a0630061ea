// Top and bottom swapped, with the given probability.
#include <algorithm>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  if (!Happens(call.random[0], call.amount)) return;
  const Shape& s = call.shape;
  const size_t row = size_t{s.w} * s.c;
  WithElements(call, [&](auto* x) {
    for (uint32_t top = 0, bottom = s.h - 1; top < bottom; ++top, --bottom) {
      std::swap_ranges(x + top * row, x + (top + 1) * row, x + bottom * row);
    }
  });
}

}  // namespace

extern const AugmentOp kVFlipAugment;
const AugmentOp kVFlipAugment = {
    "vflip", 0.5f, 0.0f, 1.0f, false, "a probability, 0 to 1", Apply};

}  // namespace temper
