// Zero. All units of a layer stay alike: only for layers that are meant to.
#include <cmath>

#include "runtime/initializer.h"

namespace temper {

extern const InitializerOp kZeroInitializer;
const InitializerOp kZeroInitializer = {
    "zero", [](const Draws& draws, uint32_t fan_in, uint32_t fan_out,
               uint64_t count, float* out) {
      static_cast<void>(draws), static_cast<void>(fan_in);
      static_cast<void>(fan_out);
      for (uint64_t i = 0; i < count; ++i) out[i] = 0.0f;
    }};

}  // namespace temper
