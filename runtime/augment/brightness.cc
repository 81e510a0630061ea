// Every element times one random factor.
#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  const float factor =
      Factor(call.random[0], call.As<BrightnessParams>().amount);
  const uint64_t count = call.shape.Count();
  WithElements(call, [&]<class T>(T* x) {
    for (uint64_t i = 0; i < count; ++i) {
      x[i] = Element<T>(static_cast<float>(x[i]) * factor);
    }
  });
}

constexpr Field kFields[] = {
    TEMPER_FIELD_F32(
        BrightnessParams, amount, 0, 10,
        "the factor is drawn from max(0, 1 - amount) to 1 + amount"),
};

}  // namespace

extern const AugmentOp kBrightnessAugment;
const AugmentOp kBrightnessAugment = {
    .name = "brightness",
    .help = "multiplied by a random factor",
    .fields = ListOf(kFields),
    .defaults = DefaultsOf<BrightnessParams>,
    .apply = Apply,
};

}  // namespace temper
