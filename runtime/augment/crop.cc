// Padded with zeros, then cut back to its size at a random place: the sample is
// shifted by up to `padding` pixels in each direction, and zeros fill the gap.
#include <algorithm>
#include <cstring>

#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  const Shape& s = call.shape;
  const auto most = static_cast<int32_t>(call.As<CropParams>().padding);
  const auto places = static_cast<uint32_t>(2 * most + 1);
  const int32_t dy = static_cast<int32_t>(Below(call.random[0], places)) - most;
  const int32_t dx = static_cast<int32_t>(Below(call.random[1], places)) - most;
  const auto h = static_cast<int32_t>(s.h), w = static_cast<int32_t>(s.w);
  const int32_t away = dx < 0 ? -dx : dx;
  const size_t row = size_t{s.w} * s.c;
  WithElements(call, [&](auto* x) {
    // Row i comes from row i + dy, in an order that reads before it writes.
    for (int32_t n = 0; n < h; ++n) {
      const int32_t i = dy >= 0 ? n : h - 1 - n;
      auto* const to = x + static_cast<size_t>(i) * row;
      const int32_t from = i + dy;
      const int32_t kept = std::max(0, w - away);
      if (from < 0 || from >= h || kept == 0) {
        std::fill_n(to, row, 0);
        continue;
      }
      const auto* const source = x + static_cast<size_t>(from) * row;
      const size_t gap = static_cast<size_t>(std::min(away, w)) * s.c;
      const size_t bytes = (row - gap) * sizeof(*x);
      if (dx >= 0) {
        std::memmove(to, source + gap, bytes);
        std::fill_n(to + (row - gap), gap, 0);
      } else {
        std::memmove(to + gap, source, bytes);
        std::fill_n(to, gap, 0);
      }
    }
  });
}

constexpr Field kFields[] = {
    TEMPER_FIELD_U32(CropParams, padding, 1, 1024,
                     "zeros on each side, at most the sample's shorter side",
                     kPixels),
};

}  // namespace

extern const AugmentOp kCropAugment;
const AugmentOp kCropAugment = {
    .name = "crop",
    .help = "padded with zeros, then cut at a random place",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<CropParams>,
    .apply = Apply,
};

}  // namespace temper
