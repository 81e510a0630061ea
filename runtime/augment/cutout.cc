// A square of zeros. Its centre lies anywhere in the sample, so that at the
// edges only a part of it is seen (DeVries and Taylor 2017).
#include <algorithm>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  const Shape& s = call.shape;
  const auto side = static_cast<uint32_t>(call.As<CutoutParams>().side);
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

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(CutoutParams, side, 1, 4096,
                     "side of the square, at most the sample's shorter side",
                     kPixels),
};

}  // namespace

extern const AugmentOp kCutoutAugment;
const AugmentOp kCutoutAugment = {
    .name = "cutout",
    .help = "a square at a random place becomes 0",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<CutoutParams>,
    .apply = Apply,
};

}  // namespace temper
