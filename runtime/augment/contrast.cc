// Drawn towards, or away from, the sample's mean: factor * x + (1 - factor) *
// mean. With three channels the mean is that of the grey values 0.2989 R +
// 0.587 G + 0.114 B, truncated for u8 (torchvision's rgb_to_grayscale).
#include "runtime/augment.h"

namespace temper {
namespace {

template <class T>
float Mean(const Shape& s, const T* x) {
  // In the order of memory; u8 sums are exact.
  double sum = 0.0;
  const uint64_t pixels = uint64_t{s.h} * s.w;
  if (s.c == 3) {
    for (uint64_t i = 0; i < pixels; ++i, x += 3) {
      const float red = 0.2989f * static_cast<float>(x[0]);
      const float green = 0.587f * static_cast<float>(x[1]);
      const float blue = 0.114f * static_cast<float>(x[2]);
      sum += static_cast<double>(Element<T>(red + green + blue));
    }
    return static_cast<float>(sum / static_cast<double>(pixels));
  }
  for (uint64_t i = 0; i < s.Count(); ++i) sum += static_cast<double>(x[i]);
  return static_cast<float>(sum / static_cast<double>(s.Count()));
}

void Apply(const AugmentCall& call) {
  const float factor = Factor(call.random[0], call.As<ContrastParams>().amount);
  const uint64_t count = call.shape.Count();
  WithElements(call, [&]<class T>(T* x) {
    const float rest = (1.0f - factor) * Mean(call.shape, x);
    for (uint64_t i = 0; i < count; ++i) {
      const float product = factor * static_cast<float>(x[i]);
      x[i] = Element<T>(product + rest);
    }
  });
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(
        ContrastParams, amount, 0, 10,
        "the factor is drawn from max(0, 1 - amount) to 1 + amount"),
};

}  // namespace

extern const AugmentOp kContrastAugment;
const AugmentOp kContrastAugment = {
    .name = "contrast",
    .help = "distance from the mean multiplied by a random factor",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<ContrastParams>,
    .apply = Apply,
};

}  // namespace temper
