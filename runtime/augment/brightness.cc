// Every element times one random factor.
#include "runtime/augment.h"

namespace temper {
namespace {

void Apply(const AugmentCall& call) {
  const float factor = Factor(call.random[0], call.amount);
  const uint64_t count = call.shape.Count();
  WithElements(call, [&]<class T>(T* x) {
    for (uint64_t i = 0; i < count; ++i) {
      x[i] = Element<T>(static_cast<float>(x[i]) * factor);
    }
  });
}

}  // namespace

extern const AugmentOp kBrightnessAugment;
const AugmentOp kBrightnessAugment = {
    "brightness", kNoDefault, 0.0f, 10.0f, false, "a number from 0 to 10",
    Apply};

}  // namespace temper
