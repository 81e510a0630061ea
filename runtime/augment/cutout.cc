// A square of zeros. Its centre lies anywhere in the sample, so that at the
// edges only a part of it is seen (DeVries and Taylor 2017).
#include <algorithm>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  const Shape& s = call.shape;
  const auto side = static_cast<uint32_t>(call.amount);
  const auto cut = [&](uint32_t word, uint32_t length, uint32_t* begin,
                       uint32_t* end) {
    const uint32_t centre = Below(word, length), half = side / 2;
    *begin = centre > half ? centre - half : 0;
    *end = std::min(length, centre + (side - half));
  };
  uint32_t top, bottom, left, right;
  cut(call.random[0], s.h, &top, &bottom);
  cut(call.random[1], s.w, &left, &right);
  WithElements(call, [&](auto* x) {
    for (uint32_t i = top; i < bottom; ++i) {
      std::fill_n(x + (size_t{i} * s.w + left) * s.c,
                  size_t{right - left} * s.c, 0);
    }
  });
}

}  // namespace

extern const AugmentOp kCutoutAugment;
const AugmentOp kCutoutAugment = {
    "cutout", kNoDefault, 1.0f, 4096.0f, true, "a number of pixels, 1 to 4096",
    Apply};

}  // namespace temper
